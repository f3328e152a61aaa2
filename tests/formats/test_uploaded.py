"""Zips that somebody uploads may hold what other programs export."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from tellapart.errors import InputError
from tellapart.runtime.recognizing import Upload, recognized

JPEG = b"\xff\xd8\xff\xe0"
_TASK = {
    "data": {"image": "/data/upload/1/0a1b2c3d-1.jpg"},
    "annotations": [{"result": [{"type": "choices", "value": {"choices": ["cat"]}}]}],
}
_SETS: dict[str, dict[str, bytes]] = {
    "roboflow": {"train/_classes.csv": b"filename, cat, dog\n1.jpg, 1, 0\n2.jpg, 0, 1\n"},
    "roboflow without splits": {"_classes.csv": b"filename,cat,dog\n1.jpg,1,0\n2.jpg,0,1\n"},
    "fiftyone": {"labels.json": b'{"labels": {"1": "cat", "2": "dog"}}'},
    "labelstudio": {"export.json": json.dumps([_TASK]).encode()},
    "teachable machine": {
        "manifest.json": b'{"type": "image"}',
        "cat-!-0.jpg": JPEG,
        "dog-!-0.jpg": JPEG,
    },
}


@pytest.mark.parametrize("kind", sorted(_SETS))
def test_an_upload_is_read_as_what_it_is(tmp_path: Path, kind: str) -> None:
    where = {"roboflow": "train/", "fiftyone": "data/"}.get(kind, "")
    pictures = {f"{where}{n}.jpg": JPEG for n in (1, 2)} if "machine" not in kind else {}
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name, content in {**_SETS[kind], **pictures}.items():
            archive.writestr(name, content)
    upload = Upload("u", "folder", "x.zip", "2026-01-01")
    found = recognized(tmp_path, upload, tmp_path / "x.zip", b"PK\3\4", "", None)
    assert found.classes == ({"cat": 1} if kind == "labelstudio" else {"cat": 1, "dog": 1})
    assert not found.problems


def test_archives_in_an_upload_stay_closed(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("train.zip", b"PK\3\4")
    upload = Upload("u", "folder", "x.zip", "2026-01-01")
    with pytest.raises(InputError, match="archive in the archive"):
        recognized(tmp_path, upload, tmp_path / "x.zip", b"PK\3\4", "", None)
