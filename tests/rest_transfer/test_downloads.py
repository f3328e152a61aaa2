"""Downloads: ranges, conditions and digests as the standards have them; bytes right when cut."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import random
import socket
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tellapart.errors import TellapartError
from tellapart.rest.downloads import File, answer, disposition
from tellapart.runtime.slices import Sliced, zip_of
from tests.rest_transfer.conftest import problem, serving

SIZE = 3_000_000
HTTP = httpx.Client(trust_env=False, timeout=30)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("downloads")
    (folder / "whole.bin").write_bytes(random.Random(1).randbytes(SIZE))
    (folder / "empty.bin").write_bytes(b"")
    with zipfile.ZipFile(folder / "bundle.zip", "w") as archive:
        archive.writestr("manifest.json", "{}")
        archive.writestr(
            "dataset/train/metadata.csv", "file_name,label\n" * 100, zipfile.ZIP_DEFLATED
        )
        for n in range(50):
            info = zipfile.ZipInfo(f"dataset/train/äpfel/{n}.jpg", (2026, 1, 2, 3, 4, 6))
            info.extra = b"\x99\x99\x04\x00abcd"  # a header longer than the list says
            archive.writestr(info, random.Random(n).randbytes(20_000 + n))
        archive.writestr("dataset/empty.txt", b"")
    return folder


def _file(folder: Path, name: str) -> File:
    if name == "dataset.zip":
        content = zip_of(folder / "bundle.zip", _in_dataset)
        return File(content, "äpfel-1.zip", "application/zip")
    data = (folder / name).read_bytes()
    sha = hashlib.sha256(data).hexdigest()
    content = Sliced.whole(folder / name, len(data), sha)
    return File(content, name, "application/octet-stream", sha)


def _in_dataset(name: str) -> str | None:
    return name.removeprefix("dataset/") if name.startswith("dataset/") else None


@pytest.fixture(scope="module")
def base(folder: Path) -> Iterator[str]:
    async def get(request: Request) -> Response:
        return await answer(request, _file(folder, request.path_params["name"]))

    app = Starlette(routes=[Route("/{name}", get)], exception_handlers={TellapartError: problem})
    with serving(app) as base:
        yield base


@pytest.fixture(scope="module")
def data(folder: Path) -> bytes:
    return (folder / "whole.bin").read_bytes()


def test_the_whole_says_what_it_is(base: str, data: bytes) -> None:
    got = HTTP.get(f"{base}/whole.bin")
    digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
    assert got.status_code == 200 and got.content == data
    assert got.headers["etag"] == f'"{hashlib.sha256(data).hexdigest()}"'
    assert got.headers["repr-digest"] == f"sha-256=:{digest}:"
    assert got.headers["content-length"] == str(SIZE)
    assert got.headers["content-disposition"] == 'attachment; filename="whole.bin"'
    assert got.headers["accept-ranges"] == "bytes"
    head = HTTP.head(f"{base}/whole.bin")
    assert head.content == b""
    kept = ("etag", "content-length", "content-type", "repr-digest")
    assert [head.headers[k] for k in kept] == [got.headers[k] for k in kept]
    part = HTTP.head(f"{base}/whole.bin", headers={"Range": "bytes=0-9"})
    assert (part.status_code, part.headers["content-length"]) == (200, str(SIZE))
    empty = HTTP.get(f"{base}/empty.bin")
    assert (empty.status_code, empty.content) == (200, b"")


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=5-9", 5, 10),
        ("bytes=-7", SIZE - 7, SIZE),
        (f"bytes=-{SIZE * 2}", 0, SIZE),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE),
        (f"bytes=100-{SIZE * 9}", 100, SIZE),
        ("Bytes = 131071-131073", 131071, 131074),
    ],
)
def test_ranges(base: str, data: bytes, asked: str, start: int, stop: int) -> None:
    got = HTTP.get(f"{base}/whole.bin", headers={"Range": asked})
    assert got.status_code == 206
    assert got.headers["content-range"] == f"bytes {start}-{stop - 1}/{SIZE}"
    assert got.content == data[start:stop]


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", "bytes=-0", "bytes=99999999999-"])
def test_ranges_beyond_the_end(base: str, asked: str) -> None:
    got = HTTP.get(f"{base}/whole.bin", headers={"Range": asked})
    assert got.status_code == 416
    assert got.headers["content-range"] == f"bytes */{SIZE}"
    assert set(got.json()["error"]) >= {"code", "what", "expected", "do"}


@pytest.mark.parametrize(
    "asked", ["bytes=9-5", "bytes=0-1,5-6", "lines=0-1", "bytes=x-", "bytes=-"]
)
def test_what_is_no_single_range_is_answered_whole(base: str, asked: str) -> None:
    got = HTTP.get(f"{base}/whole.bin", headers={"Range": asked})
    assert (got.status_code, len(got.content)) == (200, SIZE)


def test_conditions(base: str) -> None:
    first = HTTP.head(f"{base}/whole.bin").headers
    etag, changed = first["etag"], first["last-modified"]
    old = "Mon, 01 Jan 2001 00:00:00 GMT"

    def status(**headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        method = "GET" if "Range" in named else "HEAD"
        return HTTP.request(method, f"{base}/whole.bin", headers=named).status_code

    assert status(If_None_Match=etag) == 304
    assert status(If_None_Match=f'"x", W/{etag}') == 304
    assert status(If_None_Match="*") == 304
    assert status(If_None_Match='"x"', If_Modified_Since=changed) == 200
    assert status(If_Modified_Since=changed) == 304
    assert status(If_Modified_Since=old) == 200
    assert status(If_Match=etag) == 200
    assert status(If_Match='"x"') == status(If_Match=f"W/{etag}") == 412
    assert status(If_Unmodified_Since=old) == 412
    assert status(If_Modified_Since="nonsense") == 200
    assert status(Range="bytes=1-2", If_Range=etag) == 206
    assert status(Range="bytes=1-2", If_Range=changed) == 206
    assert status(Range="bytes=1-2", If_Range='"x"') == 200
    assert status(Range="bytes=1-2", If_Range=f"W/{etag}") == 200
    assert status(Range="bytes=1-2", If_Range=old) == 200


def test_a_zip_out_of_a_zip(base: str, folder: Path) -> None:
    got = HTTP.get(f"{base}/dataset.zip")
    assert got.headers["content-length"] == str(len(got.content))
    assert "filename*=UTF-8''%C3%A4pfel-1.zip" in got.headers["content-disposition"]
    with (
        zipfile.ZipFile(io.BytesIO(got.content)) as small,
        zipfile.ZipFile(folder / "bundle.zip") as large,
    ):
        assert small.testzip() is None
        wanted = {_in_dataset(name): name for name in large.namelist()}
        assert small.namelist() == [name for name in wanted if name]
        for name in small.namelist():
            assert small.read(name) == large.read(wanted[name])
            assert small.getinfo(name).date_time == large.getinfo(wanted[name]).date_time
    rng = random.Random(3)
    for _ in range(30):
        start = rng.randrange(len(got.content))
        stop = min(len(got.content), start + rng.choice((1, 100, 70_000)))
        part = HTTP.get(f"{base}/dataset.zip", headers={"Range": f"bytes={start}-{stop - 1}"})
        assert part.content == got.content[start:stop]
        assert part.headers["etag"] == got.headers["etag"]


def test_cut_twenty_times_and_resumed(base: str, data: bytes) -> None:
    host, port = base.removeprefix("http://").split(":")
    held, etag, rng, cuts = b"", "", random.Random(5), 0
    while len(held) < SIZE and cuts < 60:
        with socket.create_connection((host, int(port)), timeout=20) as client:
            ask = f"GET /whole.bin HTTP/1.1\r\nHost: {host}\r\n"
            ask += f"Range: bytes={len(held)}-\r\nIf-Range: {etag}\r\n" if held else ""
            client.sendall(f"{ask}\r\n".encode())
            stream = client.makefile("rb")
            status = stream.readline().split()[1]
            headers = dict(
                line.decode().rstrip().lower().split(": ", 1)
                for line in iter(stream.readline, b"\r\n")
            )
            assert status == (b"206" if held else b"200")
            etag = headers["etag"]
            held += stream.read(rng.randrange(SIZE // 25) if cuts < 20 else SIZE)
            cuts += 1
    assert cuts > 20
    assert hashlib.sha256(held).digest() == hashlib.sha256(data).digest()


def test_a_client_that_goes_leaves_nothing_open(base: str, folder: Path) -> None:
    host, port = base.removeprefix("http://").split(":")
    for _ in range(5):
        with socket.create_connection((host, int(port)), timeout=20) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.sendall(b"GET /whole.bin HTTP/1.1\r\nHost: x\r\n\r\n")
            client.recv(1000)
    for _ in range(500):
        if not _open_files(folder):
            return
        HTTP.head(f"{base}/whole.bin")
    assert not _open_files(folder)


def _open_files(folder: Path) -> list[str]:
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("there is no /proc here to see which files are open")
    found = []
    for one in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(str(one.readlink()))
    return [name for name in found if name.startswith(str(folder))]


def test_a_file_that_changed_is_not_sent(base: str, folder: Path) -> None:
    sliced = zip_of(folder / "bundle.zip", _in_dataset)
    assert sliced.file_size == (folder / "bundle.zip").stat().st_size
    reader = sliced.open()
    assert reader.read(sliced.bytes, 10) == b""
    reader.close()


def test_names_in_any_letters() -> None:
    assert disposition("a.zip", inline=True) == 'inline; filename="a.zip"'
    hostile = disposition('a"\r\nX: y/é.zip')
    assert "\r" not in hostile and hostile.isascii()
    assert "filename*=UTF-8''a%22%0D%0AX%3A%20y%2F%C3%A9.zip" in hostile
