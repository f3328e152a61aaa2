"""`make` against a web that means harm: each attempt refused with its reason, and a good bundle."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import struct
import threading
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import pytest

from tellapart.demo.drawing import draw

#: Addresses that lead where nothing may be asked, by the reason they are refused for.
FORBIDDEN = {
    "http://127.0.0.1:1/a.jpg": "private_address",
    "http://10.0.0.1/a.jpg": "private_address",
    "http://169.254.169.254/latest/meta-data/": "private_address",
    "http://2130706433/a.jpg": "private_address",
    "http://0x7f.1/a.jpg": "private_address",
    "http://localhost/a.jpg": "private_address",
    "http://[::1]/a.jpg": "private_address",
    "http://[::ffff:127.0.0.1]/a.jpg": "private_address",
    "http://[fe80::1]/a.jpg": "private_address",
    "http://[fd00:ec2::254]/a.jpg": "private_address",
    "http://[64:ff9b::7f00:1]/a.jpg": "private_address",
    "file:///etc/passwd": "scheme",
    "ftp://example.org/a.jpg": "scheme",
    "javascript:alert(1)": "scheme",
    "http://user@[oops/a.jpg": "bad_url",
}
#: Paths on the hostile server, by what becomes of them.
TRAPS = {
    "/redirect/metadata": "private_address",
    "/redirect/scheme": "scheme",
    "/redirect/ring": "redirects",
    "/endless": "too_large",
    "/drip": "timeout",  # the slow are cut off at 4 seconds here, before their pace is judged
    "/hang": "timeout",
    "/gzip-bomb": "too_large",
    "/png-bomb": "too_large",
    "/html.jpg": "not_a_picture",
    "/svg.png": "not_a_picture",
    "/nothing": "empty",
    "/cut.jpg": "connection",
}
GOOD = 10


def _jpeg(word: str, seed: int) -> bytes:
    out = io.BytesIO()
    draw(word, seed, (96, 72)).save(out, "JPEG", quality=90)
    return out.getvalue()


def _png_bomb() -> bytes:
    """A small file that says it is 60,000 × 60,000 pixels, and would unfold to gigabytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(2**20))
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", body), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


class HostileWeb:
    """A search service whose hits are traps, with good pictures between them."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.port = 0

    def __enter__(self) -> Self:
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)), daemon=True)
        self._thread.start()
        assert ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._over.wait()
        server.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            target = head.split(b" ", 2)[1].decode()
            self.requests[urlsplit(target).path] += 1
            async for part in self._answer(target):
                writer.write(part)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, target: str) -> AsyncIterator[bytes]:
        parts = urlsplit(target)
        if parts.path == "/v1/images/":
            query = parse_qs(parts.query)
            page = self._page(query["q"][0], int(query["page"][0]))
            yield _whole(json.dumps(page).encode(), "application/json")
        elif parts.path.startswith("/good/"):
            _, _, word, seed = parts.path.split("/")
            yield _whole(_jpeg(word, int(seed)))
        elif parts.path.startswith("/redirect/"):
            place = {
                "metadata": "http://169.254.169.254/",
                "scheme": "file:///etc/passwd",
                "ring": "/redirect/ring",
            }[parts.path.rpartition("/")[2]]
            yield f"HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode()
        else:
            async for part in self._trap(parts.path):
                yield part

    async def _trap(self, path: str) -> AsyncIterator[bytes]:
        if path == "/endless":
            yield b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n" + _jpeg("apple", 1)
            while not self._over.is_set():
                yield bytes(65536)
        elif path == "/drip":
            yield b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 99999\r\n\r\n"
            while not self._over.is_set():
                yield b"\xff"
                await asyncio.sleep(0.2)
        elif path == "/hang":
            await self._over.wait()
        elif path == "/gzip-bomb":
            packed = gzip.compress(bytes(40 * 2**20), 9)
            yield _whole(packed, "image/jpeg", "Content-Encoding: gzip\r\n")
        elif path == "/cut.jpg":
            yield b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n" + _jpeg("apple", 2)
        else:
            body = {
                "/png-bomb": _png_bomb(),
                "/html.jpg": b"<!DOCTYPE html><html><script>alert(1)</script></html>",
                "/svg.png": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="x"/></svg>',
                "/nothing": b"",
            }.get(path)
            yield b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n" if body is None else _whole(body)

    def _page(self, word: str, page: int) -> dict[str, Any]:
        base = f"http://127.0.0.1:{self.port}"
        traps = [*FORBIDDEN, *(f"{base}{path}?{word}" for path in TRAPS)]
        good = [f"{base}/good/{word}/{seed}" for seed in range(GOOD)]
        urls = [*traps[::2], *good, *traps[1::2]]
        nasty = {"title": "../../etc\r\nX: y", "creator": "<script>alert(1)</script>"}
        hits: list[Any] = [
            {"url": url, "license": "by", "license_version": "4.0", **nasty} for url in urls
        ]
        hits[3:3] = [None, 7, {"license": "by"}, {"url": ["x"]}]
        return {"results": hits[(page - 1) * 20 : page * 20]}


def _whole(body: bytes, kind: str = "image/jpeg", more: str = "") -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{more}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@pytest.fixture
def web() -> Iterator[HostileWeb]:
    with HostileWeb() as web:
        yield web


def test_every_trap_is_refused_with_its_reason(place: Callable[..., Any], web: HostileWeb) -> None:
    host = f"127.0.0.1:{web.port}"
    here = place(
        TELLAPART_OPENVERSE_URL=f"http://{host}/v1",
        TELLAPART_ALLOW_HOSTS=host,
        TELLAPART_MAX_DOWNLOAD_MB="5",
        TELLAPART_FETCH_TIMEOUT="4",
    )
    asked = ("make", "apple", "boat", "--name", "h", "--source", "openverse", "--quiet")
    done = here.run(*asked, "--per-class", "60")
    assert done.code == 0, done.err
    rows = here.pictures("h")
    for word in ("apple", "boat"):
        found = {row["file_url"]: row for row in rows if row["class"] == word}
        for url, reason in FORBIDDEN.items():
            assert (url, found[url]["reason"]) == (url, reason)
        for path, reason in TRAPS.items():
            row = found[f"http://{host}{path}?{word}"]
            assert (path, row["reason"]) == (path, reason)
            assert not row["kept"] and not row["path"]
        good = [row for url, row in found.items() if "/good/" in url]
        assert len(good) == GOOD and all(row["status"] == "ok" for row in good)
    assert here.run("verify", str(done.bundle)).code == 0
    assert len([name for name in done.members if name.endswith(".jpg")]) >= GOOD
    card = done.members["README.md"].decode()
    assert "<script>" not in card
    tables = b"".join(data for name, data in done.members.items() if name.endswith(".csv"))
    assert b"X: y" in tables and b"\r\nX: y" not in tables
    assert "<script>alert" not in done.members["report.html"].decode()
