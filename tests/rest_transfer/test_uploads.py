"""Uploads: told from their bytes, kept below one folder, and nothing else of the disk read."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from tellapart.errors import InputError, NotFoundError, RecipeError
from tellapart.recipe import check
from tellapart.runtime.intake import confine
from tellapart.runtime.recognizing import Upload
from tellapart.runtime.uploads import Uploads, hide, read, resolve


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    return Uploads(tmp_path / "uploads")


def _picture(color: str = "red") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), color).save(out, "PNG")
    return out.getvalue()


def _zip(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def _take(uploads: Uploads, data: bytes, name: str = "", kind: str = "") -> Upload:
    file = uploads.incoming()
    file.write_bytes(data)
    return uploads.take(file, name, kind)


def _left(uploads: Uploads) -> list[str]:
    files = [p for p in uploads.root.rglob("*") if p.is_file()]
    return [p.relative_to(uploads.root).as_posix() for p in files]


def test_a_zip_of_class_folders_becomes_data(uploads: Uploads) -> None:
    files = {f"fruits/{label}/{n}.png": _picture() for label in ("apple", "pear") for n in range(3)}
    upload = _take(uploads, _zip({**files, "fruits/pear/readme.md": b"x"}), "fruits.zip")
    assert (upload.kind, upload.classes) == ("folder", {"apple": 3, "pear": 3})
    assert upload.data == f"upload:{upload.id}"
    recipe = resolve({"data": upload.data, "seed": 3}, uploads.root)
    assert Path(recipe["data"]).is_relative_to(uploads.root) and recipe["seed"] == 3
    confine(check(recipe).model_dump(), uploads.root)
    assert hide(recipe, uploads.root) == {"data": upload.data, "seed": 3}
    assert uploads.get(upload.id) == upload
    assert str(uploads.root) not in json.dumps(upload.to_dict())


def test_lists_of_urls_and_lists_in_archives(uploads: Uploads) -> None:
    listed = b"url,label\nhttps://a.example/1.jpg,apple\nhttps://a.example/2.jpg,pear\n"
    upload = _take(uploads, listed, "list.csv")
    assert (upload.kind, upload.classes) == ("list", {"apple": 1, "pear": 1})
    inner = b"path,label\nimages/1.png,apple\nimages/2.png,pear\nimages/3.png,pear\n"
    pictures = {f"images/{n}.png": _picture() for n in (1, 2)}
    upload = _take(uploads, _zip({"labels.csv": inner, **pictures}), "a.zip")
    assert (upload.classes, upload.problems) == ({"apple": 1, "pear": 1}, {"no_such_file": 1})
    assert uploads.path(upload.id).name == "labels.csv"


@pytest.mark.parametrize("place", ["/etc/hostname", "../../x.jpg", "~/x.jpg/../../../../etc/x"])
def test_lists_name_nothing_outside(uploads: Uploads, place: str) -> None:
    listed = f"path,label\n{place},a\nhttps://a.example/2.jpg,b\n".encode()
    for data, name in ((listed, "l.csv"), (_zip({"l.csv": listed}), "l.zip")):
        with pytest.raises(InputError, match="leads out of the upload") as caught:
            _take(uploads, data, name)
        assert str(uploads.root) not in str(caught.value)
    hidden = json.dumps({"file_name": place, "label": "a"}).encode() + b"\n"
    pictures = {f"{label}/1.png": _picture() for label in "ab"}
    with pytest.raises(InputError):
        _take(uploads, _zip({"metadata.jsonl": hidden, **pictures}), "m.zip")
    assert _left(uploads) == []


def test_tables_recipes_and_pictures(uploads: Uploads) -> None:
    table = _take(uploads, b"width,height,kind\n1,2,a\n3,4,b\n", "t.csv")
    assert (table.kind, table.data) == ("table", f"upload:{table.id}")
    recipe = _take(uploads, b"classes: [apple, pear]\n", "r.yaml")
    assert (recipe.kind, recipe.data, recipe.recipe) == (
        "recipe",
        None,
        {"classes": ["apple", "pear"]},
    )
    spec = b'{"model": {"model_name": "x"}, "dataset": {}}'
    with pytest.raises(RecipeError) as caught:
        _take(uploads, spec, "", "application/json")
    assert len(caught.value.problems) > 2
    picture = _take(uploads, _picture(), "me.png")
    assert (picture.kind, picture.data) == ("picture", None)
    assert read(uploads.root, f"upload:{picture.id}") == _picture()
    with pytest.raises(InputError, match="is a recipe"):
        read(uploads.root, recipe.id)
    for nothing in (b"", b"\x7fELF\0\0", b"just words"):
        with pytest.raises(InputError, match="nothing that can be used"):
            _take(uploads, nothing, "x")


def test_a_folder_file_by_file(uploads: Uploads) -> None:
    id = uploads.begin("my folder").id
    for path in ("apple/1.png", "pear/1.png", "pear/1.png"):
        file = uploads.incoming()
        file.write_bytes(_picture())
        uploads.put(id, path, file)
    with pytest.raises(InputError, match="not complete"):
        resolve({"data": f"upload:{id}"}, uploads.root)
    for path in ("../x.png", "/x.png", "Apple/2.png", "apple", "apple/1.png/x.png", "a/b.zip"):
        file = uploads.incoming()
        file.write_bytes(_picture())
        with pytest.raises(InputError, match="is refused"):
            uploads.put(id, path, file)
        file.unlink()
    upload = uploads.finish(id)
    assert (upload.classes, upload.files) == ({"apple": 1, "pear": 1}, 2)
    with pytest.raises(InputError, match="complete"):
        uploads.put(id, "pear/2.png", uploads.incoming())


def test_another_ones_upload_is_not_found(uploads: Uploads, tmp_path: Path) -> None:
    upload = _take(uploads, _picture(), "me.png")
    other = Uploads(tmp_path / "other")
    for id in (upload.id, "../uploads/" + upload.id, "", "up_" + "a" * 20):
        with pytest.raises(NotFoundError):
            other.get(id)
        with pytest.raises(NotFoundError):
            resolve({"data": f"upload:{id}"}, other.root)


def test_what_no_project_names_goes_after_a_week(uploads: Uploads) -> None:
    listed = b"url,label\nhttps://a.example/1.jpg,apple\nhttps://a.example/2.jpg,pear\n"
    kept, gone, new = (_take(uploads, listed, "l.csv") for _ in range(3))
    for one in (kept, gone):
        os.utime(uploads.root / one.id, (1, 1))
    left = uploads.incoming()
    left.write_bytes(b"x")
    os.utime(left, (1, 1))
    assert uploads.prune([resolve({"data": kept.data}, uploads.root)]) == 1
    assert uploads.get(kept.id) and uploads.get(new.id) and not left.exists()
    with pytest.raises(NotFoundError):
        uploads.get(gone.id)
