"""What was forgotten is refused on later runs, in other projects too, by a keyed digest alone."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tellapart.catalog import Catalog, PictureRow
from tellapart.demo import services
from tellapart.demo.drawing import draw
from tellapart.demo.listing import Entry
from tellapart.demo.picture_web import PictureWeb
from tellapart.forgetting import Asked, Certificate, forget
from tellapart.recipe import asked, check
from tellapart.settings import Settings
from tellapart.steps import collect as collect_step
from tellapart.steps import open_context
from tellapart.store import database
from tellapart.store.database import open_database
from tellapart.store.schema_forgetting import forgotten


def _collect(settings: Settings, name: str, **recipe: Any) -> list[PictureRow]:
    engine = open_database(settings)
    if name not in Catalog.names(engine):
        Catalog.create(engine, name, asked(check({"name": name, **recipe})))
    context = open_context(settings, name)
    collect_step.run(context)
    return context.catalog.pictures()


@contextmanager
def _engine(settings: Settings) -> Iterator[sa.Engine]:
    engine = open_database(settings)
    try:
        yield engine
    finally:
        engine.dispose()


def _forget(settings: Settings, kind: Any, what: str) -> Certificate:
    with _engine(settings) as engine:
        return forget(settings, engine, Asked(kind, what))


def _holds(folder: Path, needle: bytes) -> list[str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return [str(path) for path in files if needle in path.read_bytes()]


def test_a_creator_stays_away_from_every_later_run(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told_of = services._openverse_result

    def by_several(entry: Entry, host: str) -> dict[str, Any]:
        creator = f"Painter Number {int(entry.path.rsplit('/', 1)[1][:4], 16) % 5}"
        return {**told_of(entry, host), "creator": creator, "attribution": f"By {creator}"}

    monkeypatch.setattr(services, "_openverse_result", by_several)
    with PictureWeb(("apple", "boat"), n=24, size=(64, 48), faults=False) as web:
        settings = Settings(home=home, openverse_url=web.openverse_url, allow_hosts=(web.host,))
        asking: dict[str, Any] = {
            "classes": ["apple", "boat"], "sources": ["openverse"], "per_class": 10,
        }  # fmt: skip
        first = _collect(settings, "first", **asking)
        creator = next(row.creator for row in first if row.status == "ok" and row.creator)
        theirs = [row for row in first if row.creator == creator]
        told = _forget(settings, "creator", f" {creator.upper()}  ")
        assert told.gone and told.removed["ledger"]["pictures"] == len(theirs)
        for name in ("first", "second"):
            rows = _collect(settings, name, **asking)
            assert sum(row.status == "ok" for row in rows) == 20  # others took their places
            assert not {row.id for row in theirs} & {row.id for row in rows}
            assert all(row.creator != creator for row in rows)
        with _engine(settings) as engine, database.reading(engine) as connection:
            kept = connection.execute(sa.select(forgotten)).all()
    assert kept and all(len(row.digest) == 64 for row in kept)
    assert {row.kind for row in kept} >= {"creator", "sha256", "url"}
    # Not in the open: neither the name nor a hash or an address that would tell of it.
    texts = [creator, *(row.file_url for row in theirs), *(row.sha256 for row in theirs)]
    found = {text: _holds(home, text.encode()) for text in texts if text}
    assert not {text: places for text, places in found.items() if places}


def test_own_lists_bring_nobody_back(home: Path, tmp_path: Path) -> None:
    settings = Settings(home=home)
    rows = ["path,label,creator"]
    for place in range(6):
        draw("sun", place, (64, 48)).save(tmp_path / f"{place}.png")
        rows.append(f"{place}.png,{'a' if place % 2 else 'b'},{'Ann Ode' if place < 2 else 'Bo'}")
    (tmp_path / "list.csv").write_text("\n".join(rows) + "\n")
    assert len(_collect(settings, "one", data=str(tmp_path / "list.csv"))) == 6
    _forget(settings, "creator", "ann ode")
    (tmp_path / "other.csv").write_text("path,label\n" + "".join(f"{p}.png,c\n" for p in range(6)))
    for name, file in (("one", "list.csv"), ("two", "list.csv"), ("three", "other.csv")):
        found = _collect(settings, name, data=str(tmp_path / file))
        # Where nobody is named, their pictures are known by what is in them.
        assert {Path(row.path).stem for row in found} == {"2", "3", "4", "5"}


@pytest.mark.parametrize("again", [False, True])
def test_archives_bring_nothing_back(home: Path, tmp_path: Path, again: bool) -> None:
    settings, path = Settings(home=home), tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for place in range(4):
            draw("sun", place, (64, 48)).save(tmp_path / "x.png")
            archive.write(tmp_path / "x.png", f"{'a' if place % 2 else 'b'}/{place}.png")
    rows = _collect(settings, "one", data=str(path))
    assert {row.status for row in rows} == {"ok"}
    gone = next(row for row in rows if row.path.endswith("2.png"))
    data = Path(gone.path).read_bytes()
    assert _forget(settings, "picture", gone.sha256).gone
    if again:
        shutil.rmtree(home / "projects/one/work", ignore_errors=True)
    left = _collect(settings, "one", data=str(path))
    assert {row.id for row in left} == {row.id for row in rows} - {gone.id}
    assert _holds(home, data[20:200]) == []
    # The same pictures have the same names in another home.
    other = Settings(home=tmp_path / "other")
    assert {row.id for row in _collect(other, "one", data=str(path))} == {row.id for row in rows}
