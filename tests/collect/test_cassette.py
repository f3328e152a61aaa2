"""A run that was kept is played again: the same rows and files, from nothing but the cassette."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellapart.catalog import PictureRow
from tellapart.demo.picture_web import Answer, PictureWeb
from tellapart.doors import Hit
from tellapart.errors import FetchError, InputError, NotFoundError
from tellapart.recipe import check
from tellapart.settings import Settings
from tellapart.steps.collect.candidates import Plan
from tellapart.steps.collect.cassette import (
    _BLOT,
    Player,
    Recorder,
    Tape,
    _hit,
    _plain,
    _spellings,
    read_index,
)
from tellapart.steps.collect.run import _tape
from tellapart.steps.ration import Ration

At = Callable[..., Any]
ASKED = {"classes": ["apple", "boat"], "sources": ["openverse", "commons"], "per_class": 35}


def told(rows: list[PictureRow]) -> list[tuple[Any, ...]]:
    """Everything of the ledger but when it was written."""
    names = [name for name in PictureRow.__slots__ if name not in ("fetched_at", "mtime_ns")]
    return sorted(tuple(str(getattr(row, name)) for name in names) for row in rows)


def elsewhere(bench: Any, home: Path, **changes: Any) -> Any:
    """The same bench with another home."""
    return type(bench)(replace(bench.settings, home=home, record=None, **changes))


def test_a_replay_gives_the_same_ledger_without_network(
    calm_web: PictureWeb, at: At, tmp_path: Path
) -> None:
    """Faults and all: what failed then fails again, and no request is sent."""
    kept = tmp_path / "kept"
    first = at(calm_web, record=kept)
    result = first.collect(**ASKED)
    before = calm_web.requests.copy()
    second = elsewhere(first, tmp_path / "other", replay=kept)
    assert second.collect(**ASKED) == result
    assert told(second.rows()) == told(first.rows())
    assert calm_web.requests == before
    assert any(r.status == "failed" for r in second.rows())
    for row in second.rows(status="ok"):
        name = f"files/{row.sha256[:2]}/{row.sha256}"
        assert (tmp_path / "other" / name).read_bytes() == (first.settings.home / name).read_bytes()


def test_what_is_not_in_the_cassette_cannot_be_had(web: PictureWeb, at: At, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    first = at(web, record=kept)
    first.collect(classes=["apple", "boat"], sources=["openverse"], per_class=6)
    before = web.requests.copy()
    second = elsewhere(first, tmp_path / "other", replay=kept)
    more = second.collect(classes=["apple", "boat"], sources=["openverse"], per_class=9)
    assert more["classes"]["apple"]["different"] == 6 and web.requests == before
    with pytest.raises(NotFoundError, match="no cassette"):
        elsewhere(first, tmp_path / "third", replay=tmp_path).collect(**ASKED)


def test_a_failing_source_fails_again_and_the_other_gives_the_same(
    web: PictureWeb, at: At, tmp_path: Path
) -> None:
    web.script("/v1/images/", *[Answer(500, b"oops")] * 20)
    first = at(web, record=tmp_path / "kept")
    result = first.collect(**{**ASKED, "per_class": 10})
    assert {r.source for r in first.rows(status="ok")} == {"commons"}
    second = elsewhere(first, tmp_path / "other", replay=tmp_path / "kept")
    assert second.collect(**{**ASKED, "per_class": 10}) == result
    assert told(second.rows()) == told(first.rows())


def test_rounds_are_played_one_by_one(web: PictureWeb, at: At, tmp_path: Path) -> None:
    def rounds(bench: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for number, wanted in ((1, 4), (2, 30)):
            # The first one makes the project, and the folder that the ration lies in.
            bench.collect(**ASKED, enough=0.2) if not found else None
            shares = {"apple": {("commons", "apple"): 0.5}}
            Ration(number, {"apple": wanted, "boat": wanted}, shares).write(bench.context().work)
            found.append(bench.collect(**ASKED, enough=0.2))
        return found

    first = at(web, record=tmp_path / "kept")
    given = rounds(first)
    asked = web.requests.copy()
    second = elsewhere(first, tmp_path / "other", replay=tmp_path / "kept")
    assert rounds(second) == given and told(second.rows()) == told(first.rows())
    assert web.requests == asked


def test_no_secret_gets_in(web: PictureWeb, at: At, tmp_path: Path) -> None:
    """Not even where a service repeats it in what it answers."""
    secret = "s3cret/key & more"
    body = {
        "result_count": 1,
        "page_count": 1,
        "results": [
            {
                "url": f"http://{web.host}/files/x.jpg?key=s3cret%2Fkey%20%26%20more",
                "license": "by",
                "title": f"made with {secret}",
            }
        ],
    }
    web.script("/v1/images/", Answer(200, json.dumps(body).encode()))
    bench = at(web, record=tmp_path / "kept", openverse_token=secret)
    bench.collect(classes=["apple", "boat"], sources=["openverse", "commons"], per_class=3)
    text = "".join(
        path.read_bytes().decode("latin-1")
        for path in (tmp_path / "kept").rglob("*")
        if path.is_file()
    )
    assert not any(form in text for form in _spellings(secret)) and _BLOT in text


def test_a_recording_that_was_cut_off_goes_on(web: PictureWeb, at: At, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    first = at(web, record=kept)
    first.collect(classes=["apple", "boat"], sources=["openverse"], per_class=5)
    with (kept / "index.jsonl").open("a") as file:
        file.write('{"kind": "picture", "round": 0, "cl')
    result = first.collect(classes=["apple", "boat"], sources=["openverse"], per_class=25)
    assert all({"kind", "class"} <= set(entry) for entry in read_index(kept))
    second = elsewhere(first, tmp_path / "other", replay=kept)
    again = second.collect(classes=["apple", "boat"], sources=["openverse"], per_class=25)
    assert again == result and told(second.rows()) == told(first.rows())


def test_a_cassette_that_was_changed_is_refused(web: PictureWeb, at: At, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    first = at(web, record=kept)
    first.collect(classes=["apple", "boat"], sources=["openverse"], per_class=3)
    body = next(path for path in (kept / "bodies").rglob("*") if path.is_file())
    body.write_bytes(body.read_bytes() + b"!")
    with pytest.raises(InputError, match="has changed"):
        elsewhere(first, tmp_path / "b", replay=kept).collect(
            classes=["apple", "boat"], sources=["openverse"], per_class=3
        )
    (kept / "cassette.json").write_text('{"format": 99}')
    with pytest.raises(InputError, match="99"):
        Player(kept)
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        Recorder(full)


def test_a_replay_onto_another_ledger_says_that_it_differs(
    web: PictureWeb, at: At, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    at(web, record=kept).collect(classes=["apple", "boat"], sources=["openverse"], per_class=3)
    second = elsewhere(at(web), tmp_path / "other")
    second.collect(classes=["apple", "boat"], sources=["commons"], per_class=3)
    third = elsewhere(second, tmp_path / "other", replay=kept)
    found = third.collect(classes=["apple", "boat"], sources=["openverse"], per_class=3)
    assert any("another data set" in note for note in found["notes"])


def test_what_was_forgotten_does_not_come_back_by_a_cassette(
    web: PictureWeb, at: At, tmp_path: Path
) -> None:
    from tellapart.forgetting import Refusals

    kept = tmp_path / "kept"
    first = at(web, record=kept)
    first.collect(classes=["apple", "boat"], sources=["openverse"], per_class=3)
    gone = first.rows(status="ok")[0]
    second = elsewhere(first, tmp_path / "other", replay=kept)
    catalog = second_catalog(second.settings)
    Refusals(second.settings, catalog, "").add("sha256", [gone.sha256])
    second.collect(classes=["apple", "boat"], sources=["openverse"], per_class=3)
    assert gone.sha256 not in {row.sha256 for row in second.rows()}


def test_what_was_forgotten_is_not_kept_in_a_cassette(
    web: PictureWeb, at: At, tmp_path: Path
) -> None:
    """Neither the hits of its creator nor the bytes that come under another address."""
    from tellapart.forgetting import Refusals

    first = at(web)
    asked: Any = {"classes": ["apple", "boat"], "sources": ["openverse"], "per_class": 3}
    first.collect(**asked)
    gone, other, *_ = first.rows(status="ok", label="apple")
    second = elsewhere(first, tmp_path / "other")
    second = type(second)(replace(second.settings, record=tmp_path / "kept"))
    refusals = Refusals(second.settings, second_catalog(second.settings), "")
    refusals.add("sha256", [gone.sha256])
    refusals.add("url", [other.file_url])
    result = second.collect(**asked)
    index = (tmp_path / "kept" / "index.jsonl").read_text()
    assert other.file_url not in index
    assert not list((tmp_path / "kept").rglob(gone.sha256))
    third = type(second)(replace(second.settings, record=None, replay=tmp_path / "kept"))
    assert third.collect("again", **asked) == result
    assert not {gone.sha256, other.sha256} & {row.sha256 for row in third.rows("again")}


def test_an_account_neither_keeps_nor_plays(web: PictureWeb, at: At, tmp_path: Path) -> None:
    """What the server's owner has set up for himself is not for the accounts."""
    bench = at(web, record=tmp_path / "kept", replay=tmp_path / "none", owner="ada")
    plan = Plan.of_recipe(check({"name": "p", "classes": ["apple", "boat"]}))
    context: Any = SimpleNamespace(settings=bench.settings)
    assert type(_tape(context, plan)) is Tape and not (tmp_path / "kept").exists()


@pytest.mark.parametrize(
    "entry",
    [
        {"kind": "search", "ask": ["openverse", "apple", 0]},
        {"kind": "search", "ask": [], "hits": []},
        {"kind": "search", "ask": ["openverse", "apple", 0], "hits": [{"rank": 0, "odd": 1}]},
        {"kind": "search", "ask": ["openverse", "apple", 0], "hits": [], "reason": "x"},
    ],
)
def test_an_entry_of_another_shape_is_refused(tmp_path: Path, entry: dict[str, Any]) -> None:
    Recorder(tmp_path / "kept")
    line = json.dumps({"round": 0, "class": "apple", **entry})
    (tmp_path / "kept" / "index.jsonl").write_text(f"{line}\n")
    with pytest.raises(InputError, match="cannot be read"):
        Player(tmp_path / "kept")


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"sha256": "../../x", "status": 200, "type": "image/png"},
        {"sha256": "0" * 64, "status": "x", "type": "image/png"},
        {"sha256": 5, "status": 200, "type": "image/png"},
        {"sha256": "0" * 64, "status": 200},
        {"reason": "timeout"},
    ],
)
def test_a_picture_of_another_shape_is_refused(tmp_path: Path, told: dict[str, Any]) -> None:
    Recorder(tmp_path / "kept")
    line = json.dumps({"kind": "picture", "round": 0, "class": "apple", "ask": "http://x/y"} | told)
    (tmp_path / "kept" / "index.jsonl").write_text(f"{line}\n")
    with pytest.raises(InputError, match="cannot be read"):
        Player(tmp_path / "kept")


@pytest.mark.parametrize(
    "change", [{"licenses": ["cc0"]}, {"mature": True}, {"without": ["logo"]}, {"name": "q"}]
)
def test_answers_of_another_run_are_not_mixed_in(
    web: PictureWeb, at: At, tmp_path: Path, change: dict[str, Any]
) -> None:
    """For a replay finds an answer by what was asked, and that does not name the filters."""
    asked: Any = {"classes": ["apple", "boat"], "sources": ["openverse"]}
    bench = at(web, record=tmp_path / "kept")
    bench.collect(**asked, per_class=2)
    before = (tmp_path / "kept" / "index.jsonl").read_bytes()
    with pytest.raises(InputError, match="another run"):
        bench.collect(**{**asked, "per_class": 3, **change})
    assert (tmp_path / "kept" / "index.jsonl").read_bytes() == before
    bench.collect(**asked, per_class=3)  # more of the same goes on in it


def test_one_of_before_that_does_not_say_of_which_run_it_is_goes_on(tmp_path: Path) -> None:
    Recorder(tmp_path / "kept", of="a")
    (tmp_path / "kept" / "cassette.json").write_text('{"format": 1, "by": "tellapart 0.1.0"}')
    Recorder(tmp_path / "kept", of="b")


def test_a_strangers_cassette_names_no_file_of_this_machine(
    web: PictureWeb, at: At, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.png"
    mine.write_bytes(b"mine")
    asked: Any = {"classes": ["apple", "boat"], "sources": ["openverse"], "per_class": 3}
    first = at(web, record=tmp_path / "kept")
    first.collect(**asked)
    index = tmp_path / "kept" / "index.jsonl"
    entries = list(read_index(tmp_path / "kept"))
    for entry in entries:
        if entry["kind"] == "search":
            entry["hits"][0]["path"] = str(mine)
    index.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))
    second = elsewhere(first, tmp_path / "other", replay=tmp_path / "kept")
    second.collect(**asked)
    assert not any(row.path for row in second.rows())
    assert {row.reason for row in second.rows() if row.rank == 0} == {"outside"}


def test_a_secret_in_an_address_makes_no_other_data_set(
    web: PictureWeb, at: At, tmp_path: Path
) -> None:
    """As if a service wrote the key into every address."""
    asked: Any = {"classes": ["apple", "boat"], "sources": ["commons"], "per_class": 3}
    first = at(web, record=tmp_path / "kept", openverse_token="files")
    first.collect(**asked)
    assert all("/files/" in row.file_url for row in first.rows(status="ok"))
    second = elsewhere(first, tmp_path / "other", replay=tmp_path / "kept")
    notes = second.collect(**asked)["notes"]
    assert not any("another data set" in note for note in notes)
    assert any(_BLOT in row.file_url for row in second.rows())


def second_catalog(settings: Settings) -> Any:
    from tellapart.store.database import open_database

    return open_database(settings)


words = st.text(max_size=12)


@given(
    st.builds(
        Hit,
        rank=st.integers(0, 10**6),
        file_url=words,
        path=st.none() | st.just(Path("a/b.jpg")),
        label=st.none() | words,
        title=words,
        creator=words,
        license=words,
        width=st.none() | st.integers(1, 9999),
        columns=st.dictionaries(words, words, max_size=3),
        mature=st.booleans(),
        problem=words,
    )
)
def test_hits_come_back_as_they_went(hit: Hit) -> None:
    assert _hit(json.loads(json.dumps(_plain(hit)))) == hit


def test_errors_keep_their_parts(tmp_path: Path) -> None:
    from tellapart.errors import RefusedError
    from tellapart.steps.collect.cassette import _error, _told

    for kind in (FetchError, RefusedError):
        error = kind("what", expected="this", do="that", reason="http_503")
        back = _error(json.loads(json.dumps(_told(error))))
        assert type(back) is kind and str(back) == str(error) and back.reason == "http_503"
