"""Croissant of an exported data set: `mlcroissant` finds no fault in it and reads every picture.

`mlcroissant` brings types that would meddle with ours, so that it lives in an environment of its
own: `TELLAPART_TEST_CROISSANT` names that environment's Python.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tellapart.bundle import croissant
from tellapart.bundle.dataset import FOLDER, DataSet, Entry, build
from tellapart.bundle.write import Copy

_READ = """
import hashlib, json, sys
import mlcroissant
found = mlcroissant.Dataset(sys.argv[1])
issues = found.metadata.ctx.issues
rows = [
    {k.partition("/")[2]: v.decode() if isinstance(v, bytes) else v for k, v in row.items()}
    for row in found.records("pictures")
]
for row in rows:
    image = row.pop("image")
    row["pixels"] = hashlib.sha256(image.tobytes()).hexdigest()
labels = [row["labels/name"] for row in found.records("labels")]
errors = sorted(issues.errors) + sorted(mlcroissant.Dataset(sys.argv[2]).metadata.ctx.issues.errors)
print(json.dumps({"errors": errors, "rows": rows, "labels": labels}))
"""


def _python() -> str:
    given = os.environ.get("TELLAPART_TEST_CROISSANT")
    if given:
        return given
    if importlib.util.find_spec("mlcroissant") is None:
        pytest.skip("TELLAPART_TEST_CROISSANT names no Python that has mlcroissant")
    return sys.executable


def _entries(folder: Path, **more: Any) -> list[Entry]:
    found = []
    for number, (label, split) in enumerate(
        (label, split)
        for label in ("apple", "a/b: grün", "train")
        for split in ("train", "validation", "test")
    ):
        out = io.BytesIO()
        pixels = np.random.default_rng(number).integers(0, 256, (6, 5, 3), np.uint8)
        Image.fromarray(pixels).save(out, "PNG")
        sha = hashlib.sha256(out.getvalue()).hexdigest()
        (folder / sha).write_bytes(out.getvalue())
        facts = {"license": "by", "license_version": "4.0", "creator": 'Ann "A", B', **more}
        found.append(Entry(label, split, sha, folder / sha, len(out.getvalue()), **facts))
    return found


def _unpacked(data: DataSet, target: Path) -> Path:
    """The data set as `tellapart export --format dataset` lays it out."""
    for name, content in data.files.items():
        path = target / name.removeprefix(f"{FOLDER}/")
        path.parent.mkdir(parents=True, exist_ok=True)
        assert isinstance(content, Copy | bytes)
        path.write_bytes(content.path.read_bytes() if isinstance(content, Copy) else content)
    return target / "croissant.json"


def test_mlcroissant_finds_no_fault_and_every_picture(tmp_path: Path) -> None:
    python = _python()
    entries = _entries(tmp_path)
    plain = _unpacked(croissant.added(build(entries), "fruit"), tmp_path / "out")
    people = {"looked": 9, "with_faces": 8}
    faces = _unpacked(croissant.added(build(entries), "faces", people), tmp_path / "faces")
    command = [python, "-c", _READ, str(plain), str(faces)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["errors"] == []
    assert found["labels"] == ["a/b: grün", "apple", "train"]
    read = {(row["label"], row["split"], row["sha256"], row["pixels"]) for row in found["rows"]}
    assert len(found["rows"]) == len(entries)
    assert read == {(e.label, e.split, e.sha256, _pixels(e.path)) for e in entries}
    assert {row["creator"] for row in found["rows"]} == {'Ann "A", B'}


def _pixels(path: Path) -> str:
    return hashlib.sha256(Image.open(path).convert("RGB").tobytes()).hexdigest()


def test_it_says_what_is_there(tmp_path: Path) -> None:
    entries = _entries(tmp_path)
    data = croissant.added(build(entries), "fruit")
    told = json.loads(data.files[croissant.FILE])  # type: ignore[arg-type]
    assert told["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert told["license"] == ["https://creativecommons.org/licenses/by/4.0/"]
    assert told["keywords"] == ["a/b: grün", "apple", "train"]
    assert not any("rai:" in key for key in told)
    ids = [part["@id"] for part in (*told["distribution"], *told["recordSet"])]
    assert ids == ["lists", "files", "splits", "labels", "pictures"]
    assert (
        data.files[croissant.FILE]
        == croissant.added(build(entries[::-1]), "fruit").files[croissant.FILE]
    )


def test_of_people_it_says_what_they_must_not_be_used_for(tmp_path: Path) -> None:
    data = croissant.added(build(_entries(tmp_path)), "faces", {"looked": 9, "with_faces": 5})
    told = json.loads(data.files[croissant.FILE])  # type: ignore[arg-type]
    assert "to rank or choose people for work, school, housing" in told["rai:dataLimitations"][0]
    assert told["rai:personalSensitiveInformation"]


def test_without_a_picture_there_is_none(tmp_path: Path) -> None:
    data = croissant.added(build(_entries(tmp_path, license="")), "own")
    assert croissant.FILE not in data.files
