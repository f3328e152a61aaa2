"""`make` from words, against a picture web on loopback."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tellapart.cli import main
from tellapart.demo.picture_web import PictureWeb

WORDS = ("apple", "car", "fish")


@pytest.fixture
def web(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PictureWeb]:
    with PictureWeb(WORDS, n=12, faults=False, size=(96, 96)) as web:
        monkeypatch.setenv("TELLAPART_OPENVERSE_URL", web.openverse_url)
        monkeypatch.setenv("TELLAPART_COMMONS_URL", web.commons_url)
        monkeypatch.setenv("TELLAPART_ALLOW_HOSTS", web.host)
        yield web


def ask(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> Any:
    capsys.readouterr()
    found = main([*argv, "--json"])
    out, err = capsys.readouterr()
    assert found == code, err
    return json.loads(out.splitlines()[-1])


def fetched(web: PictureWeb) -> Counter[str]:
    """Picture requests by word."""
    counts: Counter[str] = Counter()
    for path, number in web.requests.items():
        if path in web.entries:
            counts[web.entries[path].word] += number
    return counts


def test_words_become_a_bundle_and_one_word_more_fetches_only_its_own(
    web: PictureWeb, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["make", "apple", "car", "--per-class", "10", "--name", "things"]
    shape = ask(capsys, *argv, "--out", str(tmp_path))
    assert shape["name"] == "things" and shape["version"] == 1
    assert Path(shape["bundle"]) == tmp_path / "things-1.zip"
    assert shape["pictures"]["kept"] >= 18
    before = fetched(web)
    assert set(before) == {"apple", "car"}

    argv.insert(3, "fish")
    more = ask(capsys, *argv)
    assert more["version"] == 2
    after = fetched(web)
    assert after["fish"] >= 10
    assert (after["apple"], after["car"]) == (before["apple"], before["car"])
    rows = ask(capsys, "show", "things", "--pictures")
    assert {row["class"] for row in rows if row["kept"]} == set(WORDS)
    assert all(row["license"] and row["page_url"] for row in rows if row["kept"])


def test_a_source_that_does_not_answer(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TELLAPART_OPENVERSE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("TELLAPART_ALLOW_HOSTS", "127.0.0.1:9")
    monkeypatch.setenv("TELLAPART_FETCH_TIMEOUT", "3")
    error = ask(capsys, "make", "apple", "car", "--source", "openverse", code=5)["error"]
    assert "openverse" in error["what"]
    assert ask(capsys, "list")["projects"][0]["name"] == "apple-car"
