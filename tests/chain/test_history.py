"""What a project went through leaves no trace: only what is asked for now counts."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tellapart import Project, Result
from tellapart.demo.drawing import write_folder
from tellapart.recipe import check
from tellapart.settings import Settings

Make = Callable[[str], Project]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes; every fifth picture is small."""
    folder = write_folder(tmp_path_factory.mktemp("mixed") / "d", ["apple", "car", "fish"], 20)
    for file in sorted(folder.rglob("*.jpg"))[::5]:
        with Image.open(file) as picture:
            picture.resize((100, 75)).save(file)
    return folder


@pytest.fixture
def project(mixed: Path, place: Callable[..., Any]) -> Make:
    def make(name: str) -> Project:
        return Project.create(check({"name": "d", "data": str(mixed)}), Settings(place(name).home))

    return make


@pytest.mark.slow
def test_changes_taken_back_leave_no_trace(project: Make) -> None:
    untouched = project("untouched").run(spawn=False)
    tried = project("tried")
    tried.run(spawn=False)
    before = _splits(tried)
    train = next(row for row in tried.pictures(label="apple", kept=True, split="train"))
    test = next(row for row in tried.pictures(label="car", kept=True, split="test"))
    tried.update({"curate": {"min_side": 90}})
    tried.relabel(train.id, "fish")
    tried.overrule(test.id, keep=False)
    changed = tried.run(spawn=False)
    assert changed.pictures["kept"] < untouched.pictures["kept"]
    assert _model(changed) != _model(untouched)
    kept = {id: split for id, (split, kept) in _splits(tried).items() if kept}
    assert all(before[id][0] == split for id, split in kept.items())
    tried.update({"curate": {"min_side": "auto"}})
    tried.relabel(train.id, "apple")
    tried.overrule(test.id, keep=None)
    back = tried.run(spawn=False)
    assert _splits(tried) == before
    one, other = _members(untouched), _members(back)
    differing = {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}
    assert differing == {"README.md", "SHA256SUMS", "manifest.json"}  # they say version 3
    facts = [json.loads(found["manifest.json"]) for found in (one, other)]
    assert [f.pop("version") for f in facts] == [1, 3]
    assert facts[0] == facts[1]


def _splits(project: Project) -> dict[str, tuple[str, bool]]:
    return {row.id: (row.split, row.kept) for row in project.pictures()}


def _model(result: Result) -> bytes:
    return _members(result)["model.onnx"]


def _members(result: Result) -> dict[str, bytes]:
    with zipfile.ZipFile(result.bundle) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
