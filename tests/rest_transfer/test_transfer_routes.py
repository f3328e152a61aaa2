"""The routes that take files in and give them out, on a real server."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tellapart.runtime import uploads
from tellapart.runtime.links import Link, download_link
from tests.rest_transfer.conftest import FROZEN, House, add_model, house


def _picture(color: str = "red") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (32, 32), color).save(out, "PNG")
    return out.getvalue()


def _zip(**folders: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for label, count in folders.items():
            for n in range(count):
                archive.writestr(f"{label}/{n}.png", _picture())
    return out.getvalue()


def test_a_version_is_downloaded_in_ranges(alone: House) -> None:
    whole = (FROZEN / "colors-1.zip").read_bytes()
    path = "/api/v1/projects/colors/versions/latest/files/bundle"
    got = alone.http.get(path)
    assert got.content == whole
    assert got.headers["etag"].strip('"') == hashlib.sha256(whole).hexdigest()
    part = alone.http.get(path, headers={"Range": "bytes=100-", "If-Range": got.headers["etag"]})
    assert (part.status_code, part.content) == (206, whole[100:])
    assert alone.http.head(path).headers["content-length"] == str(len(whole))
    model = alone.http.get("/api/v1/projects/colors/versions/1/files/onnx").content
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        assert model == archive.read("model.onnx")
    missing = alone.http.get("/api/v1/projects/colors/versions/7/files/bundle")
    assert missing.status_code == 404 and missing.json()["error"]["code"] == "not_found"


def test_uploads(alone: House) -> None:
    made = alone.http.post("/api/v1/uploads?name=fruits.zip", content=_zip(apple=2, pear=3))
    assert made.status_code == 201
    upload = made.json()
    assert (upload["kind"], upload["classes"]) == ("folder", {"apple": 2, "pear": 3})
    form = alone.http.post("/api/v1/uploads", files={"file": ("fruits.zip", _zip(a=1, b=1))})
    assert form.json()["name"] == "fruits.zip"
    assert alone.http.get(f"/api/v1/uploads/{upload['id']}").json() == upload
    bad = alone.http.post("/api/v1/uploads", content=b"\x7fELF" + bytes(100))
    assert bad.status_code == 422 and "nothing that can be used" in bad.json()["error"]["what"]
    torn = alone.http.post(
        "/api/v1/uploads",
        content=b"--x\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\nabc",
        headers={"Content-Type": "multipart/form-data; boundary=x"},
    )
    assert torn.status_code == 400
    assert not list((alone.settings.home / "uploads" / ".incoming").iterdir())
    assert alone.http.delete(f"/api/v1/uploads/{upload['id']}").status_code == 204
    assert alone.http.get(f"/api/v1/uploads/{upload['id']}").status_code == 404


def test_a_folder_file_by_file(alone: House) -> None:
    id = alone.http.post("/api/v1/uploads?kind=folder&name=mine").json()["id"]
    for label in ("apple", "pear"):
        put = alone.http.put(f"/api/v1/uploads/{id}/files/{label}/1.png", content=_picture())
        assert put.status_code == 201
    out = alone.http.put(f"/api/v1/uploads/{id}/files/..%2f..%2fx.png", content=_picture())
    assert out.status_code in (404, 422)
    done = alone.http.post(f"/api/v1/uploads/{id}/done").json()
    assert done["classes"] == {"apple": 1, "pear": 1}
    run = alone.desks.of(alone.desks.accounts.get("")).submit({"data": done["data"]})
    assert str(id) in str(run.recipe["data"])


def test_single_pictures_go_into_a_class(alone: House) -> None:
    path = "/api/v1/projects/colors/pictures"
    one = alone.http.post(f"{path}?label=red", content=_picture())
    assert one.json() == {"added": 1, "known": 0, "refused": []}
    files = [("file", ("a.png", _picture("blue"))), ("file", ("b.txt", b"no picture"))]
    more = alone.http.post(f"{path}?label=red", files=[*files, ("file", ("c.png", _picture()))])
    found = more.json()
    assert (found["added"], found["known"]) == (1, 1)
    assert [bad["name"] for bad in found["refused"]] == ["b.txt"]
    unknown = alone.http.post(f"{path}?label=rod", content=_picture())
    assert unknown.status_code == 422 and "Did you mean 'red'?" in unknown.json()["error"]["do"]
    sources = alone.desks.of(alone.desks.accounts.get("")).project("colors").recipe["sources"]
    assert list(sources[0]) == ["folder"] and sources[1:] == ["openverse", "commons"]


def test_single_pictures_go_into_an_uploaded_folder(alone: House) -> None:
    desk = alone.desks.of(alone.desks.accounts.get(""))
    made = alone.http.post("/api/v1/uploads", content=_zip(apple=2, pear=2)).json()
    desk.create_project({"name": "fruits", "data": made["data"]})
    desk.open("fruits").collect()
    path = "/api/v1/projects/fruits/pictures?label=pear"
    assert alone.http.post(path, content=_picture("blue")).json()["added"] == 1
    desk.open("fruits").collect()
    assert len(desk.open("fruits").pictures(label="pear", status="ok")) == 3
    listed = b"url,label\nhttps://a.example/1.jpg,apple\nhttps://a.example/2.jpg,pear\n"
    made = alone.http.post("/api/v1/uploads", content=listed).json()
    desk.create_project({"name": "listed", "data": made["data"]})
    taken = alone.http.post("/api/v1/projects/listed/pictures?label=pear", content=_picture())
    assert taken.status_code == 422


def test_predictions_are_those_of_serve(alone: House) -> None:
    path = "/api/v1/projects/colors/predict"
    one = alone.http.post(path, content=_picture("red"))
    assert one.status_code == 200, one.text
    assert one.json()["best"] == "red" and one.json()["model"] == "colors"
    encoded = base64.b64encode(_picture("blue")).decode()
    many = alone.http.post(path, json={"images": [encoded, "AAAA"]}).json()
    assert many["predictions"][0]["best"] == "blue" and "error" in many["predictions"][1]
    why = alone.http.post(f"{path}?why=1", content=_picture("red")).json()
    assert why["why"]["picture"].startswith("data:image/")
    row = alone.http.post("/api/v1/projects/sizes/predict", json={"row": [3.0, 1.0, "red"]})
    assert row.status_code == 200 and row.json()["best"] in ("large", "small")
    assert alone.http.post(path, content=b"").status_code == 422
    assert alone.http.post("/api/v1/projects/none/predict", content=b"x").status_code == 404


def test_links_need_no_log_in_and_expire(alone: House) -> None:
    settings = alone.settings
    link = Link("", "colors", 1, "bundle")
    path = download_link(settings, link).removeprefix(settings.public_url)
    got = alone.http.get(path)
    assert got.content == (FROZEN / "colors-1.zip").read_bytes()
    assert got.headers["referrer-policy"] == "no-referrer"
    old = download_link(settings, link, seconds=-1).removeprefix(settings.public_url)
    assert alone.http.get(old).status_code == 410
    assert alone.http.get(path[:-3] + "abc").status_code == 403
    assert alone.http.get("/d/" + "x" * 3000).status_code == 403


def test_uploads_go_that_nothing_names(alone: House) -> None:
    desk = alone.desks.of(alone.desks.accounts.get(""))
    zips = [alone.http.post("/api/v1/uploads", content=_zip(a=1, b=1)).json() for _ in range(4)]
    desk.create_project({"name": "kept", "data": zips[0]["data"]})
    desk.submit({"name": "queued", "data": zips[1]["data"]})
    for one in zips[:3]:
        os.utime(desk.uploads / one["id"], (1, 1))
    assert uploads.prune(alone.settings, alone.desks.engine) == 1
    left = [alone.http.get(f"/api/v1/uploads/{one['id']}").status_code for one in zips]
    assert left == [200, 200, 404, 200]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A server with accounts."""
    with house(tmp_path_factory.mktemp("shared"), single_user=False) as one:
        yield one


def test_nobody_reaches_anothers(shared: House) -> None:
    accounts = shared.desks.accounts
    ann = accounts.add("ann", "ann@a.example", password="a long pass phrase 1")
    bob = accounts.add("bob", "bob@a.example", password="a long pass phrase 2")
    recipe: dict[str, object] = {"name": "colors", "classes": ["blue", "green", "red"]}
    add_model(shared.settings, ann.id, recipe, FROZEN / "colors-1.zip")
    file = "/api/v1/projects/colors/versions/1/files/bundle"
    with (
        shared.client(ann, "read", "write", "predict") as hers,
        shared.client(bob, "read", "write", "predict") as his,
        shared.client(ann, "read") as reader,
    ):
        upload = hers.post("/api/v1/uploads", content=_zip(apple=1, pear=1)).json()
        id = upload["id"]
        routes: list[tuple[str, str, bytes]] = [
            ("GET", file, b""),
            ("HEAD", file, b""),
            ("GET", f"/api/v1/uploads/{id}", b""),
            ("DELETE", f"/api/v1/uploads/{id}", b""),
            ("POST", f"/api/v1/uploads/{id}/done", b""),
            ("PUT", f"/api/v1/uploads/{id}/files/apple/2.png", _picture()),
            ("POST", "/api/v1/projects/colors/pictures?label=red", _picture()),
            ("POST", "/api/v1/projects/colors/predict", _picture()),
            ("GET", "/picaisso/model?project=colors", b""),
            ("POST", "/inference/?project=colors", b'{"url": "data:,"}'),
            ("GET", "/check-model?model_name=colors", b""),
            ("GET", "/get-model?model_name=colors", b""),
            ("GET", "/stop-model?model_name=colors", b""),
        ]
        for method, path, body in routes:
            content = body or None
            assert his.request(method, path, content=content).status_code == 404, path
            assert shared.http.request(method, path, content=content).status_code == 401, path
        assert his.get("/get-all").json() == []
        taken = his.post("/make-model", content=json.dumps({"data": upload["data"]}))
        assert taken.status_code == 404
        etc = {"classes": ["a", "b"], "sources": [{"folder": {"path": "/etc"}}]}
        assert his.post("/make-model", content=json.dumps(etc)).status_code == 422
        assert hers.get(file).status_code == 200
        assert hers.post("/api/v1/projects/colors/predict", content=_picture()).status_code == 200
        assert reader.get(file).status_code == 200
        for path in ("/api/v1/uploads", "/api/v1/projects/colors/predict"):
            assert reader.post(path, content=_picture()).status_code == 403


def test_a_quota_ends_an_upload(shared: House) -> None:
    accounts = shared.desks.accounts
    eve = accounts.add("eve", "eve@a.example", password="a long pass phrase 3")
    accounts.set_quota(eve, disk_mb=1)
    with shared.client(accounts.get(eve.id), "write") as hers:
        large = hers.post("/api/v1/uploads", content=bytes(2_000_000))
        assert large.status_code == 413

        def endless() -> Iterator[bytes]:
            for _ in range(40):
                yield bytes(100_000)

        assert hers.post("/api/v1/uploads", content=endless()).status_code == 413
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a/1.bmp", bytes(2_000_000))
        grown = hers.post("/api/v1/uploads", content=out.getvalue())
        assert grown.status_code == 422 and "would unpack to" in grown.json()["error"]["what"]
    folder = shared.settings.home / "accounts" / eve.id / "uploads"
    assert [p for p in Path(folder).rglob("*") if p.is_file()] == []
