"""`sources list|check`, and --record and --replay, against the picture web."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tellapart.cli import main
from tellapart.demo.picture_web import Answer, PictureWeb


@pytest.fixture
def web(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PictureWeb]:
    """A web whose services know the word that sources are checked with; others are out of reach."""
    with PictureWeb(["apple", "boat"], n=8, size=(64, 48), faults=False) as running:
        for table in (running.openverse, running.commons):
            table["cat"] = table["apple"]
        for name, value in {
            "OPENVERSE_URL": running.openverse_url,
            "COMMONS_URL": running.commons_url,
            "ALLOW_HOSTS": running.host,
        }.items():
            monkeypatch.setenv(f"TELLAPART_{name}", value)
        yield running


def ask(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = main(argv)
    out, err = capsys.readouterr()
    return code, out, err


def of(text: str) -> dict[str, Any]:
    return {row["name"]: row for row in json.loads(text.splitlines()[-1])["sources"]}


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text("classes: [apple, boat]\nsources: [openverse, commons, flickr]\n")
    return path


def test_nothing_is_known_at_first_and_nothing_is_made(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = ask(capsys, "sources", "list")
    assert code == 0 and "openverse" in out and "not asked yet" in out and "at hand" in out
    assert "sources check" in err
    assert not (home / "tellapart.sqlite").exists()


def test_what_a_check_finds_is_kept(
    web: PictureWeb, recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = ask(capsys, "sources", "check", str(recipe), "--json")
    found = of(out)
    assert code == 0 and set(found) == {"openverse", "commons", "flickr"}
    assert found["openverse"]["word"] == found["commons"]["word"] == "works"
    assert found["openverse"]["hits"] > 0 and found["openverse"]["seconds"] >= 0
    # A key that nobody has given is no fault.
    assert found["flickr"]["word"] == "not_set_up"
    known = of(ask(capsys, "sources", "list", "--json")[1])
    assert known["commons"]["state"] == "works" and known["commons"]["found_at"]
    assert known["flickr"]["state"] == "not_set_up" and known["folder"]["state"] == "local"
    assert "just now" in ask(capsys, "sources", "list")[1]


def test_failures_are_told_apart(
    web: PictureWeb, recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    web.script("/v1/images/", Answer(200, json.dumps({"results": [{}, {}, {}, {}]}).encode()))
    web.script("/w/api.php", Answer(500, b"oops"))
    code, out, err = ask(capsys, "sources", "check", str(recipe))
    assert code == 5 and "2 of 3 sources fail: openverse, commons" in err and "do next:" in err
    assert "unreadable" in out and "failing" in out
    known = of(ask(capsys, "sources", "list", "--json")[1])
    assert (known["openverse"]["state"], known["openverse"]["reason"]) == (
        "unreadable",
        "bad_answer",
    )
    assert (known["commons"]["state"], known["commons"]["reason"]) == ("failing", "http_500")
    del web.openverse["cat"]
    found = of(ask(capsys, "sources", "check", str(recipe), "--json")[1])
    assert found["openverse"]["word"] == "empty" and found["commons"]["word"] == "works"


def test_a_run_is_recorded_and_replayed_by_option(
    web: PictureWeb, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tellapart import Project
    from tellapart.recipe import check

    for name in ("one", "two"):
        Project.create(check({"name": name, "classes": ["apple", "boat"], "per_class": 4}))
    tape = str(tmp_path / "tape")
    assert ask(capsys, "collect", "one", "--record", tape)[0] == 0
    before = web.requests.copy()
    assert ask(capsys, "collect", "two", "--replay", tape)[0] == 0
    assert web.requests == before
    shas = [
        sorted(row.sha256 for row in Project.open(name).pictures(status="ok"))
        for name in ("one", "two")
    ]
    assert shas[0] == shas[1] and len(shas[0]) == 8
    code, _, err = ask(capsys, "collect", "one", "--record", tape, "--replay", tape)
    assert code == 2 and "--record is given beside --replay" in err
    code, _, err = ask(
        capsys, "make", "apple", "boat", "--replay", tape, "--server", "http://x.example"
    )
    assert code == 2 and "--replay is given beside --server" in err
