"""More words, more pictures, other thresholds, lost files: only what is new is done."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tellapart.demo.picture_web import PictureWeb
from tellapart.errors import DataError
from tellapart.settings import Settings
from tellapart.steps import curate, open_context

WORDS = ("apple", "boat", "star")


@pytest.fixture
def web() -> Iterator[PictureWeb]:
    with PictureWeb(WORDS, n=16, size=(120, 90), faults=False) as web:
        yield web


class _Maker:
    """Makes the project `n` and counts the pictures asked for."""

    def __init__(self, here: Any, web: PictureWeb) -> None:
        self.here, self.web = here, web

    def make(self, *words: str, per_class: int = 8) -> tuple[Any, Counter[str]]:
        before = self.web.requests.copy()
        options = ("--name", "n", "--per-class", str(per_class), "--quiet")
        done = self.here.run("make", *words, *options)
        assert done.code == 0, done.err
        return done, self.asked_since(before)

    def asked_since(self, before: Counter[str]) -> Counter[str]:
        """Pictures asked for, by word."""
        asked = (self.web.requests - before).elements()
        return Counter(self.web.entries[path].word for path in asked if path in self.web.entries)


@pytest.fixture
def maker(place: Callable[..., Any], web: PictureWeb) -> _Maker:
    return _Maker(place(web=web), web)


@pytest.mark.slow
def test_only_what_is_new_is_fetched(maker: _Maker) -> None:
    _, asked = maker.make("apple", "boat")
    assert asked == {"apple": 8, "boat": 8}
    tests = _test_pictures(maker.here)
    second, asked = maker.make("apple", "boat", "star")
    assert asked == {"star": 8}
    assert second.shape["version"] == 2 and set(second.shape["pictures"]["classes"]) == set(WORDS)
    assert tests <= _test_pictures(maker.here)
    third, asked = maker.make("apple", "boat", "star", per_class=11)
    assert asked == dict.fromkeys(WORDS, 3)
    assert third.shape["pictures"]["found"] == 33
    assert tests <= _test_pictures(maker.here)


def _test_pictures(here: Any) -> set[str]:
    return {row["id"] for row in here.pictures("n") if row["split"] == "test"}


def test_a_changed_threshold_reads_no_picture(maker: _Maker) -> None:
    maker.make("apple", "boat")
    files = maker.here.home / "files"
    away = files.with_name("away")
    row = maker.here.pictures("n")[0]
    context = open_context(Settings(maker.here.home), "n")
    before = curate.run(context)
    files.rename(away)
    tight = context.recipe.curate.model_copy(update={"min_side": 100})
    changed = open_context(Settings(maker.here.home), "n")
    object.__setattr__(changed, "recipe", context.recipe.model_copy(update={"curate": tight}))
    assert row["kept"] and before["kept"] == 16
    with pytest.raises(DataError, match="too_small"):
        curate.run(changed)
    assert curate.run(context)["kept"] == 16


@pytest.mark.slow
def test_files_altered_or_lost_on_disk_are_fetched_again(maker: _Maker) -> None:
    first, _ = maker.make("apple", "boat")
    here = maker.here
    rows = here.pictures("n")
    altered, cut, lost = (Path(row["path"]) for row in rows[:3])
    altered.write_bytes(bytes(altered.stat().st_size))
    cut.write_bytes(cut.read_bytes()[:1000])
    lost.unlink()
    (here.home / "cache" / "features-v1.sqlite").unlink()
    connection = sqlite3.connect(here.home / "tellapart.sqlite")
    with connection:
        connection.execute("DELETE FROM measurements")
        connection.execute("UPDATE steps SET fingerprint = '' WHERE step != 'split'")
    connection.close()
    second, asked = maker.make("apple", "boat")
    third, more = maker.make("apple", "boat")
    # A cut or lost file is seen at once, an altered one of the same size when it is read.
    assert (asked.total(), more.total()) == (2, 1)
    assert any("run the same command again" in note for note in second.shape["notes"])
    assert _but_version(third.members) == _but_version(first.members)
    # Nobody reads a picture again whose features are known, until it goes into a bundle.
    whole = third.bundle.read_bytes()
    third.bundle.unlink()
    altered.write_bytes(bytes(altered.stat().st_size))
    error = here.run("package", "n").failed(4, "data")
    assert "changed since it was collected" in error["what"]
    fourth, asked = maker.make("apple", "boat")
    assert asked.total() == 1
    assert fourth.bundle.read_bytes() == whole


def _but_version(members: dict[str, bytes]) -> dict[str, bytes]:
    numbered = {"README.md", "SHA256SUMS", "manifest.json"}
    return {name: data for name, data in members.items() if name not in numbered}
