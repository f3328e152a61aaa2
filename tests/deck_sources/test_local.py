"""Decks of this machine's files: folders and lists, tidy and untidy."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from tellapart.demo.drawing import draw
from tellapart.doors import Candidate, DeckSource
from tellapart.errors import InputError, PictureError
from tellapart.settings import Settings
from tests.deck_sources.conftest import Bench, everything


@pytest.fixture
def deck(tmp_path: Path) -> Path:
    """A folder with one tidy candidate."""
    folder = tmp_path / "deck" / "ada"
    folder.mkdir(parents=True)
    (folder / "profile.json").write_text('{"name": "Ada", "age": 30}')
    draw("apple", 1, (60, 40)).save(folder / "1.jpg")
    return folder.parent


def of(path: Path, kind: str = "folder", **settings: Any) -> list[Candidate]:
    return Bench(kind, Settings(**settings), {"path": str(path)}).work(everything)


def test_a_folder_of_folders(deck: Path) -> None:
    for name, profile in (("b10", None), ("b2", '{"bio": "hi", "pictures": ["2.png", "1.png"]}')):
        (deck / name).mkdir()
        for i in (1, 2):
            draw("boat", i, (60, 40)).save(deck / name / f"{i}.png")
        if profile:
            (deck / name / "profile.json").write_text(profile)
    (deck / ".hidden").mkdir()
    (deck / "notes.txt").write_text("no candidate")
    (deck / "empty").mkdir()
    found = of(deck)
    assert [(c.ref, c.name, len(c.pictures)) for c in found] == [
        ("ada", "Ada", 1),
        ("b2", "b2", 2),
        ("b10", "b10", 2),
        ("empty", "empty", 0),
    ]
    assert [p.path.name for p in found[1].pictures if p.path] == ["2.png", "1.png"]
    assert (found[0].age, found[2].age) == (30, None)


@pytest.mark.parametrize(
    "written", ["", "{", "[]", '"text"', "\xff", "nan", "[" * 100_000, " " * 1_000_001]
)
def test_a_profile_that_cannot_be_read_is_no_empty_profile(deck: Path, written: str) -> None:
    (deck / "ada" / "profile.json").write_bytes(written.encode("latin-1"))
    (found,) = of(deck)
    assert found.problem == "unreadable" and found.age is None and len(found.pictures) == 1


def test_links_and_names_that_lead_out_are_not_followed(deck: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    draw("star", 1, (60, 40)).save(secret / "s.jpg")
    (deck / "linked").symlink_to(secret)
    (deck / "ada" / "2.jpg").symlink_to(secret / "s.jpg")
    (deck / "listed").mkdir()
    names = ["../../secret/s.jpg", str(secret / "s.jpg"), "../ada/1.jpg", "none.jpg", 7, None]
    (deck / "listed" / "profile.json").write_text(json.dumps({"pictures": names}))
    found = {c.ref: c for c in of(deck)}
    assert set(found) == {"ada", "listed"}
    # What cannot be read still counts as a picture, so that `no pictures` is never said of it.
    assert [p.path is not None for p in found["ada"].pictures] == [True, False]
    assert [p.path for p in found["listed"].pictures] == [None] * 6

    async def read(source: DeckSource) -> None:
        assert await source.picture(found["listed"].pictures[0]) == b""

    Bench("folder", Settings(), {"path": str(deck)}).work(read)


def test_pictures_too_large_or_gone_are_a_problem_of_the_picture(deck: Path) -> None:
    bench = Bench("folder", Settings(max_download_mb=0.0001), {"path": str(deck)})

    async def read(source: DeckSource) -> None:
        (found,) = await source.next(1)
        with pytest.raises(PictureError) as caught:
            await source.picture(found.pictures[0])
        assert caught.value.reason == "too_large"
        (deck / "ada" / "1.jpg").unlink()
        with pytest.raises(PictureError):
            await source.picture(found.pictures[0])

    bench.work(read)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to the superuser")
def test_a_folder_that_is_closed_says_so(deck: Path) -> None:
    deck.chmod(0)
    try:
        with pytest.raises(InputError):
            of(deck)
    finally:
        deck.chmod(0o700)


def test_a_deck_that_goes_away_between_two_turns(deck: Path) -> None:
    bench = Bench("folder", Settings(), {"path": str(deck)})

    async def task(source: DeckSource) -> None:
        (deck / "ada" / "1.jpg").unlink()
        (deck / "ada" / "profile.json").unlink()
        (deck / "ada").rmdir()
        deck.rmdir()
        with pytest.raises(InputError, match="cannot be read"):
            await source.next(1)

    bench.work(task)
    with pytest.raises(InputError, match="no folder"):
        bench.work(everything)


@pytest.mark.parametrize("kind", ["folder", "jsonl"])
@pytest.mark.parametrize("path", ["", "/nowhere/at/all", None, 7])
def test_a_path_that_leads_nowhere(kind: str, path: Any) -> None:
    with pytest.raises(InputError):
        Bench(kind, Settings(), {"path": path}).work(everything)


def test_a_list(tmp_path: Path, deck: Path) -> None:
    data = (deck / "ada" / "1.jpg").read_bytes()
    uri = "data:image/jpeg;base64," + base64.b64encode(data).decode()
    lines = [
        {"id": "a", "Name": "Ada", "pictures": ["deck/ada/1.jpg", uri, "https://x.example/1.jpg"]},
        {"id": 7, "pictures": [{"url": "https://x.example/2.jpg"}, "data:nonsense", "../x.jpg"]},
        {"id": "a", "name": "Again"},
        {"name": "No id"},
        {"id": "broken", "pictures": "1.jpg"},
        {"id": "none"},
    ]
    file = tmp_path / "list.jsonl"
    written = [json.dumps(line) for line in lines]
    file.write_text("\n".join([written[0], "not json", "[1]", "", *written[1:]]) + "\n")
    found = of(file, "jsonl")
    assert [c.ref for c in found[:2]] == ["a", "7"] and len(found) == 5
    assert found[0].name == "Ada" and found[0].pictures[1].data == data
    assert found[0].pictures[2].file_url == "https://x.example/1.jpg"
    assert [bool(p.file_url) for p in found[1].pictures] == [True, False, False]
    assert found[2].ref.startswith("sha256:") and found[2].name == "No id"
    assert [c.problem for c in found[3:]] == ["unreadable", ""]


def test_a_name_given_by_the_content_stays(tmp_path: Path) -> None:
    file = tmp_path / "list.jsonl"
    file.write_text('{"name": "A", "age": 3}\n{"name": "B"}\n')
    first = [c.ref for c in of(file, "jsonl")]
    file.write_text('{"name": "B"}\n{"age": 3, "name": "A"}\n')
    assert [c.ref for c in of(file, "jsonl")] == first[::-1]


@given(
    st.lists(
        st.one_of(
            st.text(max_size=30).map(lambda t: t.replace("\n", " ")),
            st.dictionaries(
                st.sampled_from(["id", "name", "age", "pictures", "fields"]),
                st.none() | st.integers() | st.text(max_size=9) | st.lists(st.text(max_size=9)),
            ).map(json.dumps),
        )
    )
)
@examples(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=40,
    deadline=None,
)
def test_no_list_brings_the_source_down(tmp_path: Path, lines: list[str]) -> None:
    file = tmp_path / "any.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8", errors="surrogatepass")
    try:
        found = of(file, "jsonl")
    except InputError:
        return
    assert len({c.ref for c in found}) == len(found) <= len(lines)


def test_nothing_is_sent_and_that_is_said(deck: Path, bench_of: Callable[..., Bench]) -> None:
    async def task(source: DeckSource) -> None:
        answer = await source.act("ada", "like", "a")
        assert answer.state == "done" and answer.detail == {"recorded": True}
        assert await source.has("ada", "like", "a") is None and await source.results() == []

    Bench("folder", Settings(), {"path": str(deck)}).work(task)
