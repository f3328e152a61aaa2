"""Rules on real faces: who is to be seen decides, and is measured once."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from tellapart import Project
from tellapart.learn.faces import People
from tellapart.recipe import check
from tellapart.settings import Settings
from tellapart.store.schema_people import people
from tests.labels.conftest import picture

RULES = {
    "buckets": {"ok": "YES", "no": "NO"},
    "disqualified": "NO",
    "face": True,
    "max_people": 1,
}


@pytest.fixture
def data(shared_data: Path, tmp_path: Path) -> Path:
    """Portraits, one picture of four people, one of nobody; a drawn one that need not be seen."""
    folder = tmp_path / "data"
    portraits = sorted((shared_data / "congress_faces").rglob("*.jpg"))[:4]
    for place, source in enumerate(portraits):
        target = folder / ("ok" if place else "no") / source.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    shutil.copy(shared_data / "photos_misc" / "face.jpg", folder / "ok" / "four.jpg")
    picture(folder / "ok" / "nobody.png", 1)
    return folder


def test_who_is_to_be_seen_decides(
    settings: Settings,
    shared_data: Path,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    detector = next((shared_data / "face_models" / "yunet").glob("*.onnx"))
    settings = replace(settings, faces=detector)
    recipe = check({"name": "p", "data": str(data), "rules": RULES})
    with Project.create(recipe, settings) as project:
        project.collect()
        found = {Path(row.path).name: row.label for row in project.pictures()}
        assert found.pop("four.jpg") == "NO" and found.pop("nobody.png") == "NO"
        assert sorted(found.values()) == ["NO", "YES", "YES", "YES"]
        with project._engine.connect() as connection:
            stored = connection.scalar(sa.select(sa.func.count()).select_from(people))
        assert stored == 5  # the folder alone decided on the sixth

        def nobody(self: People, pixels: object) -> list[object]:
            raise AssertionError("measured again")

        monkeypatch.setattr(People, "look", nobody)
        project.update({"rules": {**RULES, "max_people": 0}})
        project.collect()
        again = {Path(row.path).name: row.label for row in project.pictures()}
        assert again["four.jpg"] == "YES" and again["nobody.png"] == "NO"
        target = tmp_path / "pics.sqlite"
        project.write_labels(target)
    with closing(sqlite3.connect(target)) as base:
        rows = {
            Path(r[0]).name: r[1:] for r in base.execute("SELECT path, label, num_people FROM pics")
        }
    assert rows["four.jpg"] == (-1, 4) and rows["nobody.png"] == (-8, 0)
