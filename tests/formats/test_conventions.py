"""Data sets as other programs really write them, read row by row."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sqlite3
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tellapart.doors import Hit
from tellapart.errors import InputError
from tellapart.plugins.formats import archives
from tellapart.plugins.formats.autotrain import AutoTrain
from tellapart.steps.collect import find_format
from tellapart.steps.collect.unpacked import Opened, Packed, Unpack

JPEG = b"\xff\xd8\xff"


def _put(path: Path, content: bytes | str = JPEG) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def _zip(path: Path, files: Mapping[str, bytes | str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def _tar(path: Path, files: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def _read(path: Path, work: Path, kind: str) -> list[Hit]:
    found = find_format(path, Unpack(work))
    inner = found._inner if isinstance(found, Opened) else found
    assert inner.name == kind
    return list(found.read(path))


def _rows(hits: list[Hit]) -> list[tuple[str, str | None, str | None, str]]:
    return [(h.path.name if h.path else h.file_url, h.label, h.split, h.problem) for h in hits]


# ------------------------------------------------------------------ Roboflow


def test_roboflow_reads_its_exports(tmp_path: Path) -> None:
    """With and without spaces after the commas: both stand in exports of theirs."""
    _put(tmp_path / "train/_classes.csv", "filename, cat, dog\na_jpg.rf.1.jpg, 1, 0\nb.jpg, 0, 1\n")
    _put(tmp_path / "valid/_classes.csv", "filename,cat,dog\nc.jpg,0,0\nd.jpg,1,1\ne.jpg,2,0\n")
    for name in ("train/a_jpg.rf.1.jpg", "valid/c.jpg", "valid/d.jpg", "valid/e.jpg"):
        _put(tmp_path / name)
    _put(tmp_path / "README.roboflow.txt", "x")
    assert _rows(_read(tmp_path, tmp_path, "roboflow")) == [
        ("a_jpg.rf.1.jpg", "cat", "train", ""),
        ("b.jpg", "dog", "train", "no_such_file"),
        ("c.jpg", "", "validation", "no_label"),
        ("d.jpg", "", "validation", "several_labels"),
        ("e.jpg", "", "validation", "bad_label"),
    ]
    alone = _read(tmp_path / "train/_classes.csv", tmp_path, "roboflow")
    assert [(hit.label, hit.split) for hit in alone] == [("cat", "train"), ("dog", "train")]


def test_roboflows_list_of_a_segmentation_is_another_thing(tmp_path: Path) -> None:
    _put(tmp_path / "train/_classes.csv", "Pixel Value, Class\n0, background\n1, crack\n")
    _put(tmp_path / "train/x.jpg")
    assert find_format(tmp_path).name == "imagefolder"


# ------------------------------------------------------------------ FiftyOne


def test_fiftyone_reads_numbers_names_and_attributes(tmp_path: Path) -> None:
    for name in ("000001.jpg", "b.png", "deep/c.jpg", "left.jpg", "many.jpg", "off.jpg"):
        _put(tmp_path / "data" / name)
    told = {
        "classes": ["cat", "dog"],
        "labels": {
            "000001": 1,
            "b": "cat",
            "deep/c": {"label": 0, "confidence": 0.5, "attributes": {"group": "g", "x": 1}},
            "many": [0, 1],
            "off": 7,
            "gone": 0,
        },
    }
    _put(tmp_path / "labels.json", json.dumps(told))
    hits = _read(tmp_path, tmp_path, "fiftyone")
    assert _rows(hits) == [
        ("000001.jpg", "dog", None, ""),
        ("b.png", "cat", None, ""),
        ("c.jpg", "cat", None, ""),
        ("gone", "cat", None, "no_such_file"),
        ("many.jpg", "", None, "several_labels"),
        ("off.jpg", "", None, "bad_label"),
        ("left.jpg", "", None, "no_label"),
    ]
    assert [hit.group for hit in hits if hit.group] == ["g"]


def test_fiftyone_reads_splits(tmp_path: Path) -> None:
    for split in ("train", "val"):
        _put(tmp_path / split / "data/1.jpg")
        _put(tmp_path / split / "labels.json", '{"classes": null, "labels": {"1": "cat"}}')
    found = {(h.label, h.split) for h in _read(tmp_path, tmp_path, "fiftyone")}
    assert found == {("cat", "train"), ("cat", "validation")}
    _put(tmp_path / "val/labels.json", '{"labels": [1, 2]}')
    with pytest.raises(InputError, match="has no `labels`"):
        _read(tmp_path, tmp_path, "fiftyone")


# ------------------------------------------------------------------ Label Studio


def _task(image: str, *choices: str | None, **more: Any) -> dict[str, Any]:
    """One annotation for each of the choices; None: it was skipped."""
    return {
        "id": 1,
        "project": 83,
        "data": {"image": image, **more},
        "annotations": [
            {
                "was_cancelled": choice is None,
                "ground_truth": choice is not None and choice.startswith("!"),
                "result": [
                    {
                        "from_name": "choice",
                        "to_name": "image",
                        "type": "choices",
                        "value": {"choices": [(choice or "none").lstrip("!")]},
                    }
                ],
            }
            for choice in choices
        ],
        "predictions": [{"result": [{"type": "choices", "value": {"choices": ["guess"]}}]}],
    }


def test_labelstudio_reads_tasks(tmp_path: Path) -> None:
    for name in ("images/a b.jpg", "9c8f3a11-up.jpg", "root/deep/c.jpg", "plain.jpg"):
        _put(tmp_path / name)
    tasks = [
        _task("/data/local-files/?d=images/a%20b.jpg", "cat", creator="Ann", group="g1"),
        _task("/data/upload/83/9c8f3a11-up.jpg", "dog", "dog", None),
        _task("/data/upload/83/0a1b2c3d-plain.jpg", "dog"),
        _task("https://example.org/x.jpg?sig=1", "cat", split="test"),
        _task("/srv/label-studio/root/deep/c.jpg", "cat", "dog"),
        _task("/srv/label-studio/root/deep/c.jpg", "cat", "!dog"),
        _task("images/nowhere.jpg", "cat"),
        _task("images/a b.jpg"),
        {"id": 2, "annotations": []},
    ]
    file = _put(tmp_path / "export.json", json.dumps(tasks))
    hits = _read(file, tmp_path, "labelstudio")
    assert _rows(hits) == [
        ("a b.jpg", "cat", None, ""),
        ("9c8f3a11-up.jpg", "dog", None, ""),
        ("plain.jpg", "dog", None, ""),
        ("https://example.org/x.jpg?sig=1", "cat", "test", ""),
        ("c.jpg", "", None, "several_labels"),
        ("c.jpg", "dog", None, ""),
        ("nowhere.jpg", "cat", None, "no_such_file"),
        ("a b.jpg", "", None, "no_label"),
        ("", None, None, "bad_row"),
    ]
    assert (hits[0].creator, hits[0].group) == ("Ann", "g1")
    assert _rows(_read(tmp_path, tmp_path, "labelstudio")) == _rows(hits)


def test_labelstudio_reads_its_short_form(tmp_path: Path) -> None:
    _put(tmp_path / "1.jpg")
    rows = [
        {"image": "1.jpg", "id": 1, "choice": "cat", "annotator": 1, "lead_time": 2.5},
        {"image": "1.jpg", "id": 2, "choice": {"choices": ["a", "b"]}, "annotation_id": 2},
        {"image": "../other.jpg", "id": 3, "choice": "cat", "annotation_id": 3},
    ]
    file = _put(tmp_path / "project-1.json", json.dumps(rows))
    assert [(h.label, h.problem) for h in _read(file, tmp_path, "labelstudio")] == [
        ("cat", ""),
        ("", "several_labels"),
        ("cat", "outside"),
    ]


def test_labelstudio_may_have_asked_several_questions(tmp_path: Path) -> None:
    _put(tmp_path / "1.jpg")
    tasks = [_task("1.jpg", "cat"), _task("1.jpg", "cat")]
    for task, name in zip(tasks, ("label", "kind"), strict=True):
        results = task["annotations"][0]["result"]
        results[0]["from_name"] = name
        results.append({**results[0], "from_name": "quality", "value": {"choices": ["good"]}})
    file = _put(tmp_path / "export.json", json.dumps(tasks))
    assert [(h.label, h.problem) for h in _read(file, tmp_path, "labelstudio")] == [
        ("cat", ""),
        ("", "several_labels"),
    ]


def test_a_recipe_is_no_export_of_labelstudio(tmp_path: Path) -> None:
    for text in ('{"classes": ["a"]}', "[1, 2]", "[", '[{"pictures": []}]'):
        with pytest.raises(InputError):
            find_format(_put(tmp_path / "x.json", text))


# ------------------------------------------------------------------ AutoTrain, any zip


def test_autotrain_reads_a_zip_and_a_folder_of_zips(tmp_path: Path) -> None:
    files = {"cat/1.jpg": JPEG, "cat/10.jpg": JPEG, "cat/2.JPEG": JPEG, "what?/1.png": JPEG}
    one = _zip(tmp_path / "one.zip", files)
    rows = [("1.png", "what?"), ("1.jpg", "cat"), ("2.JPEG", "cat"), ("10.jpg", "cat")]
    found = _rows(_read(one, tmp_path / "work", "autotrain"))
    assert [(name, label) for name, label, *_ in found] == rows
    both = tmp_path / "both"
    both.mkdir()
    _zip(both / "train.zip", files)
    _zip(both / "valid.zip", {"cat/1.jpg": JPEG})
    hits = _read(both, tmp_path / "work", "autotrain")
    assert [hit.split for hit in hits] == ["train"] * 4 + ["validation"]
    assert [hit.rank for hit in hits] == list(range(5))
    assert hits[4].key == "valid.zip/cat/1.jpg" and hits[0].key == "train.zip/%~what%3F/1.png"


def test_a_zip_of_anything_is_read_as_what_is_in_it(tmp_path: Path) -> None:
    files = {
        "set/train/_classes.csv": "filename,cat,dog\na.jpg,1,0\n",
        "set/train/a.jpg": JPEG,
        "set/README.dataset.txt": "x",
    }
    path = _zip(tmp_path / "export.zip", files)
    found = find_format(path, Unpack(tmp_path / "work"))
    assert isinstance(found, Opened) and isinstance(found._inner, Packed)
    hits = list(found.read(path))
    assert _rows(hits) == [("a.jpg", "cat", "train", "")]
    assert hits[0].key == "export.zip/set/train/a.jpg"
    with pytest.raises(InputError, match="archives are not taken apart here"):
        list(find_format(path).read(path))


def test_an_archive_is_taken_apart_once(tmp_path: Path) -> None:
    path = _zip(tmp_path / "one.zip", {"a/1.jpg": JPEG, "b/1.jpg": JPEG})
    first, again = Unpack(tmp_path / "work"), Unpack(tmp_path / "work")
    folder = first(path)
    there = (folder / "a/1.jpg").stat()
    assert again(path) == folder and (folder / "a/1.jpg").stat() == there
    (folder / "a/1.jpg").unlink()
    _zip(path, {"a/2.jpg": JPEG, "b/1.jpg": JPEG})
    assert again(path) == folder
    assert sorted(p.name for p in folder.rglob("*.jpg")) == ["1.jpg", "2.jpg"]


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tm"])
def test_damaged_and_hostile_archives_are_refused(tmp_path: Path, name: str) -> None:
    path = _put(tmp_path / name, b"PK\3\4 nothing of the kind" * 40)
    with pytest.raises(InputError, match="refused"):
        list(find_format(path, Unpack(tmp_path / "work")).read(path))
    if name == "x.tar":
        with tarfile.open(path, "w") as archive:
            link = tarfile.TarInfo("a.jpg")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(link)
            archive.addfile(tarfile.TarInfo("../b.jpg"))
        words = "leaves its folder(.|\n)*is a link"
    else:
        _zip(path, {"../a-!-1.jpg": JPEG, "manifest.json": "{}"})
        words = "leaves its folder"
    with pytest.raises(InputError, match=words):
        list(find_format(path, Unpack(tmp_path / "work")).read(path))
    assert not list((tmp_path / "work").glob("*/*"))


# ------------------------------------------------------------------ WebDataset


def test_webdataset_reads_shards(tmp_path: Path) -> None:
    named = {"label": "dog", "group": "g"}
    _tar(
        tmp_path / "set-train-000000.tar",
        {
            "./n01/10.jpg": JPEG,
            "./n01/10.cls": b"1",
            "./n01/2.jpg": JPEG,
            "./n01/2.cls": b"0\n",
        },
    )
    _tar(
        tmp_path / "set-train-000001.tar",
        {"a.png": JPEG, "a.json": json.dumps(named).encode(), "a.seg.png": JPEG, "b.cls": b"1"},
    )
    _tar(
        tmp_path / "set-val-000000.tar",
        {"a.jpg": JPEG, "a.cls": b"9", "c.jpg": JPEG, "c.json": b"{"},
    )
    _put(tmp_path / "classes.txt", "cat\ndog\n")
    hits = _read(tmp_path, tmp_path / "work", "webdataset")
    assert _rows(hits) == [
        ("2.jpg", "cat", "train", ""),
        ("10.jpg", "dog", "train", ""),
        ("a.png", "dog", "train", ""),
        ("", None, None, "no_picture"),
        ("a.jpg", "9", "validation", ""),
        ("", None, None, "bad_row"),
    ]
    assert [hit.group for hit in hits] == [None, None, "g", None, None, None]
    assert hits[0].key == "set-train-000000.tar/n01/2.jpg"
    single = _read(tmp_path / "set-train-000001.tar", tmp_path / "work", "webdataset")
    assert [hit.label for hit in single] == ["dog", None]


def test_webdataset_takes_a_line_for_a_class(tmp_path: Path) -> None:
    """And a line ends at a line feed alone."""
    files = {f"{n}.jpg": JPEG for n in range(3)} | {f"{n}.cls": str(n).encode() for n in range(3)}
    _tar(tmp_path / "train-0.tar", files)
    for text in ("a b\u2028c\nd\x0be\nf\n", "a b\u2028c\r\nd\x0be\r\nf"):
        (tmp_path / "classes.txt").write_bytes(text.encode())
        hits = _read(tmp_path, tmp_path / "work", "webdataset")
        assert [hit.label for hit in hits] == ["a b c", "d e", "f"]
    _put(tmp_path / "classes.txt", "")
    assert [hit.label for hit in _read(tmp_path, tmp_path / "work", "webdataset")] == [
        "0",
        "1",
        "2",
    ]


def test_the_names_in_a_zip_are_not_read_where_their_list_is_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _zip(tmp_path / "train.zip", {f"a/{n}.jpg": JPEG for n in range(9)})
    assert AutoTrain.recognizes(path)
    monkeypatch.setattr("tellapart.datasets.zips.MAX_DIRECTORY", 100)
    archives._members.cache_clear()
    assert not AutoTrain.recognizes(path) and archives.members(path) == frozenset()


def test_webdataset_reads_a_folder_a_split(tmp_path: Path) -> None:
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        _tar(tmp_path / split / "0.tar", {"x.jpg": JPEG, "x.cls": b"cat"})
    hits = _read(tmp_path, tmp_path / "work", "webdataset")
    assert {(hit.label, hit.split, hit.key) for hit in hits} == {
        ("cat", "test", "test/0.tar/x.jpg"),
        ("cat", "train", "train/0.tar/x.jpg"),
    }


# ------------------------------------------------------------------ Teachable Machine


def _project(path: Path, kind: str = "image") -> Path:
    """As the page saves it: stored, `CLASS-!-NUMBER.jpg`, the manifest last."""
    told = {"type": kind, "version": "2.4.7", "appdata": {"trainEpochs": 50}}
    names = [f"{label}-!-{n}.jpg" for label in ("Me", "Is it-!-me?", "Größe") for n in (0, 10, 2)]
    return _zip(path, {**dict.fromkeys(names, JPEG), "manifest.json": json.dumps(told)})


def test_teachable_machine_reads_a_project(tmp_path: Path) -> None:
    path = _project(tmp_path / "project.tm")
    hits = _read(path, tmp_path / "work", "teachable-machine")
    assert {hit.label for hit in hits} == {"Me", "Is it-!-me?", "Größe"}
    assert [h.path.name for h in hits if h.path and h.label == "Me"] == [
        "Me-!-0.jpg",
        "Me-!-2.jpg",
        "Me-!-10.jpg",
    ]
    assert not any(hit.problem for hit in hits) and len(hits) == 9
    folder = tmp_path / "unzipped"
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    assert len(_read(folder, tmp_path / "work", "teachable-machine")) == 9


def test_a_project_of_sounds_holds_no_pictures(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'audio'"):
        _read(_project(tmp_path / "p.tm", "audio"), tmp_path / "work", "teachable-machine")


# ------------------------------------------------------------------ Lobe


def test_lobe_reads_a_project(tmp_path: Path) -> None:
    """The tables that Lobe's own export tool reads."""
    _put(tmp_path / "project.json", '{"id": "1", "meta": {"name": "x"}}')
    for blob in ("aa", "bb", "cc"):
        _put(tmp_path / "data/blobs" / blob)
    with sqlite3.connect(tmp_path / "db.sqlite") as database:
        database.execute("CREATE TABLE example_images (example_id TEXT, hash TEXT)")
        database.execute("CREATE TABLE example_labels (example_id TEXT, label TEXT)")
        images = [("1", "bb"), ("2", "aa"), ("3", "cc"), ("4", "../../etc"), ("5", "gone")]
        database.executemany("INSERT INTO example_images VALUES (?, ?)", images)
        labels = [("1", "cat"), ("2", "dog"), ("4", "cat"), ("5", "cat")]
        database.executemany("INSERT INTO example_labels VALUES (?, ?)", labels)
    database.close()
    expected = [
        ("etc", "cat", None, "no_such_file"),
        ("aa", "dog", None, ""),
        ("bb", "cat", None, ""),
        ("cc", "", None, "no_label"),
        ("gone", "cat", None, "no_such_file"),
    ]
    assert _rows(_read(tmp_path, tmp_path, "lobe")) == expected
    assert _rows(_read(tmp_path / "db.sqlite", tmp_path, "lobe")) == expected
    (tmp_path / "db.sqlite").write_bytes(b"SQLite format 3\0" + bytes(90))
    with pytest.raises(InputError, match="cannot be read"):
        _read(tmp_path, tmp_path, "lobe")


# ------------------------------------------------------------------ anything at all


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_lies_there_is_read_or_refused(data: st.DataObject) -> None:
    """No file of a format, however broken, raises anything but an `InputError`."""
    folder = Path(tempfile.mkdtemp())
    try:
        name = data.draw(st.sampled_from(sorted(_BROKEN)))
        whole = _BROKEN[name]
        start = data.draw(st.integers(0, len(whole)))
        junk = data.draw(st.binary(max_size=40))
        length = data.draw(st.integers(0, len(whole) - start))
        _put(folder / "set" / name, whole[:start] + junk + whole[start + length :])
        for inside in ("data/1.jpg", "1.jpg", "data/blobs/aa"):
            _put(folder / "set" / inside)
        for path in (folder / "set", folder / "set" / name):
            with contextlib.suppress(InputError):
                for hit in find_format(path, Unpack(folder / "work")).read(path):
                    assert hit.path is None or hit.problem or hit.path.is_relative_to(folder)
    finally:
        shutil.rmtree(folder)


def _bytes_of(write: Callable[[Path], Path]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return write(Path(folder) / "x").read_bytes()


_BROKEN: dict[str, bytes] = {
    "_classes.csv": b"filename, cat, dog\n1.jpg, 1, 0\n",
    "labels.json": b'{"classes": ["a", "b"], "labels": {"1": 0, "2": {"label": 1}}}',
    "export.json": json.dumps([_task("1.jpg", "cat")]).encode(),
    "x.zip": _bytes_of(lambda path: _zip(path, {"a/1.jpg": JPEG, "b/1.jpg": JPEG})),
    "x.tm": _bytes_of(_project),
    "x.tar": _bytes_of(lambda path: _tar(path, {"1.jpg": JPEG, "1.cls": b"0", "1.json": b"{}"})),
}
