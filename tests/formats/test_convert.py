"""Own data sets and bundles' pictures, written for other programs; and read back."""

from __future__ import annotations

import csv
import hashlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from tellapart import registry
from tellapart.bundle.dataset import Entry, build
from tellapart.bundle.write import write_zip
from tellapart.cli.app import build as app
from tellapart.demo.drawing import draw
from tellapart.doors import Hit
from tellapart.errors import DataError, InputError
from tellapart.plugins.exporters.conventions import Convention
from tellapart.steps import converting
from tellapart.steps.collect import find_format
from tellapart.steps.collect.unpacked import Unpack

WRITTEN = ["autotrain", "fiftyone", "labelstudio", "roboflow", "webdataset"]


def _read(path: Path, work: Path) -> list[Hit]:
    return list(find_format(path, Unpack(work)).read(path))


def _list(folder: Path) -> Path:
    for place in range(4):
        draw("sun", place, (32, 24)).save(folder / f"{place}.jpg")
    with (folder / "list.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label", "split", "group", "creator", "license", "title"])
        rows.writerow(["0.jpg", "a", "train", "g1", "Ann", "by", "One, two"])
        rows.writerow(["1.jpg", "a/b", "test", "g2", "", "cc0", ""])
        rows.writerow(["2.jpg", "a", "", "", "", "", ""])
        rows.writerow(["3.jpg", "", "", "", "", "", ""])
        rows.writerow(["gone.jpg", "a", "", "", "", "", ""])
        rows.writerow(["https://example.org/5.jpg", "a", "", "", "", "", ""])
    return folder / "list.csv"


def test_these_can_be_written() -> None:
    assert sorted(converting.names()) == WRITTEN
    for name in WRITTEN:
        assert name in registry.names("format")


@pytest.mark.parametrize("name", WRITTEN)
def test_own_data_go_through_every_convention(tmp_path: Path, name: str) -> None:
    done = converting.convert(_list(tmp_path), name, tmp_path / "out")
    assert done.classes == {"a": 2, "a/b": 1}
    assert done.left_out == {"elsewhere": 1, "no_label": 1, "no_such_file": 1}
    hits = _read(tmp_path / "out", tmp_path / "work")
    assert {(hit.label, hit.split) for hit in hits} == {
        ("a", "train"),
        ("a/b", "test"),
        ("a", None),
    }
    assert not any(hit.problem for hit in hits)
    if name in ("fiftyone", "labelstudio", "webdataset"):
        first = next(hit for hit in hits if hit.split == "train")
        assert (first.group, first.creator, first.license, first.title) == (
            *("g1", "Ann", "by"),
            "One, two",
        )
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_what_is_there_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("x")
    with pytest.raises(DataError, match="is there already"):
        converting.convert(_list(tmp_path), "fiftyone", tmp_path / "out")
    with pytest.raises(InputError, match="out of bundles alone"):
        converting.convert(tmp_path / "list.csv", "onnx", tmp_path / "other")
    (tmp_path / "none.csv").write_text("path,label\ngone.jpg,a\n")
    with pytest.raises(DataError, match="1 × no_such_file"):
        converting.convert(tmp_path / "none.csv", "fiftyone", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    class Breaks(Convention):
        name = "breaks"

        def lay_out(self, samples: Any, folder: Path) -> None:
            (folder / "half").write_text("x")
            raise OSError(28, "No space left on device")

    from tellapart.errors import StorageError

    with pytest.raises(StorageError, match="No space left"):
        Breaks().write([], tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


#: A bundle keeps spreadsheets from running them; whoever reads it gets them as they were.
TITLES = ["=0", "=1+1", "'=1+1", "''-1", "'tis", "it's =1"]


@pytest.mark.parametrize("name", WRITTEN)
def test_the_pictures_of_a_bundle_go_too(tmp_path: Path, name: str) -> None:
    entries = []
    for place in range(6):
        draw("boat", place, (32, 24)).save(tmp_path / f"{place}.jpg")
        data = (tmp_path / f"{place}.jpg").read_bytes()
        where = {"path": tmp_path / f"{place}.jpg", "bytes": len(data)}
        facts = {"license": "by" if place else "", "creator": "=Ann", "title": TITLES[place]}
        label, split = ("a", "b: ü")[place % 2], ("train", "test")[place // 3]
        sha = hashlib.sha256(data).hexdigest()
        entries.append(Entry(label, split, sha, **where, **facts))  # type: ignore[arg-type]
    write_zip(tmp_path / "x.zip", build(entries).files)
    exporter = registry.load("exporter", name)()
    exporter.export(cast(Any, SimpleNamespace(path=tmp_path / "x.zip")), tmp_path / "out")
    hits = _read(tmp_path / "out", tmp_path / "work")
    found = {(h.label, h.split, h.path.read_bytes()) for h in hits if h.path}
    assert found == {(e.label, e.split, e.path.read_bytes()) for e in entries[1:]}
    if name in ("fiftyone", "labelstudio", "webdataset"):
        assert {(hit.creator, hit.license) for hit in hits} == {("=Ann", "by")}
        assert {hit.title for hit in hits} == set(TITLES[1:])


def test_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = _list(tmp_path)
    done = CliRunner().invoke(app(), ["convert", str(path), "-f", "roboflow", "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.output.splitlines()[-1])
    assert told["path"] == "list-roboflow" and told["left_out"]["no_label"] == 1
    done = CliRunner().invoke(app(), ["convert", str(path), "-f", "fiftyone", "-o", "x"])
    assert "fiftyone: x (3 pictures of 2 classes)" in done.output
    assert "left out: elsewhere 1, no_label 1, no_such_file 1" in done.output


def test_webdataset_itself_reads_the_shards(tmp_path: Path) -> None:
    wds = pytest.importorskip("webdataset", reason="webdataset is not installed")
    converting.convert(_list(tmp_path), "webdataset", tmp_path / "out")
    shards = [str(path) for path in sorted((tmp_path / "out").glob("*.tar"))]
    rows = list(wds.WebDataset(shards, shardshuffle=False).decode("pil").to_tuple("jpg", "cls"))
    assert sorted(number for _, number in rows) == [0, 0, 1]
    assert "webdataset" in sys.modules
