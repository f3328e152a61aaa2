"""Slow phones at the downloads of a running app, and one whose connection breaks again and again.

A bundle of 200 MB is asked for by 50 clients at once, each taking 100 kB/s; the server's memory is
watched meanwhile, and how long others wait for an answer. Then one client is cut off 20 times at
random places and goes on each time with `Range` and `If-Range`; bytes and SHA-256 must be right.
The same with the data set's zip, which is put together out of the bundle while it is sent.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import socket
import statistics
import tempfile
import time
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from benchmarks import main
from benchmarks.running_app import running
from tellapart.catalog import Catalog
from tellapart.project import Project
from tellapart.recipe import check
from tellapart.settings import Settings
from tellapart.store.database import open_database

MB = 1_000_000
PATH = "/api/v1/projects/large/versions/1/files"
#: Of a slow client: bytes a second, and how often it takes its share.
RATE, TICK = 100_000, 0.1
#: What a phone's connection holds that its app has not taken yet.
BUFFER = 64 * 1024


@dataclass
class _Watch:
    """A process's memory while something goes on."""

    process: psutil.Process
    before: int = 0
    most: int = 0

    def begin(self) -> None:
        self.before = self.most = self.process.memory_info().rss

    async def go_on(self) -> None:
        while True:
            self.most = max(self.most, self.process.memory_info().rss)
            await asyncio.sleep(0.05)

    @property
    def grown_mb(self) -> float:
        return round((self.most - self.before) / MB, 1)


def _prepare(home: Path, size: int) -> Path:
    """A project whose bundle has about `size` bytes that do not shrink, half of them a data set."""
    settings = replace(Settings(), home=home)
    project = Project.create(check({"name": "large", "classes": ["a", "b"]}), settings)
    bundle = project.folder / "versions" / "large-1.zip"
    bundle.parent.mkdir(parents=True, exist_ok=True)
    draw = random.Random(3)
    each = max(1, size // 400)
    with zipfile.ZipFile(bundle, "w") as archive:
        archive.writestr("model.onnx", draw.randbytes(size // 2))
        for n in range(200):
            archive.writestr(f"dataset/train/a/{n}.jpg", draw.randbytes(each))
    engine = open_database(settings)
    Catalog.open(engine, "large").save_version(1, "x", bundle.name, {})
    engine.dispose()
    project.close()
    return bundle


async def _connect(url: str, path: str, *headers: str) -> tuple[Any, Any, int, dict[str, str]]:
    """An answer that has begun: reader, writer, status, headers. Its buffers are small."""
    where = urlsplit(url)
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    made.setblocking(False)
    await asyncio.get_running_loop().sock_connect(made, (str(where.hostname), where.port))
    reader, writer = await asyncio.open_connection(sock=made, limit=BUFFER)
    lines = [f"GET {path} HTTP/1.1", f"Host: {where.netloc}", *headers, "", ""]
    writer.write("\r\n".join(lines).encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    named = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    return reader, writer, int(head[0].split()[1]), named


async def _slow(url: str, path: str, seconds: float) -> int:
    """The bytes that a client took at `RATE` within `seconds`; it then goes away."""
    reader, writer, _, _ = await _connect(url, path)
    taken, began = 0, time.monotonic()
    while (now := time.monotonic() - began) < seconds:
        wanted = int(now * RATE) - taken
        if wanted > 0:
            taken += len(await reader.read(wanted))
        await asyncio.sleep(TICK)
    writer.transport.abort()
    return taken


async def _waits(url: str, seconds: float) -> list[float]:
    """How long somebody else waits for a small answer meanwhile, in seconds."""
    found, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.monotonic()
        reader, writer, _, named = await _connect(url, "/api/v1/health", "Connection: close")
        await reader.readexactly(int(named["content-length"]))
        found.append(time.monotonic() - began)
        writer.close()
        await asyncio.sleep(0.2)
    return found


async def _whole(url: str, path: str) -> str:
    """SHA-256 of a download that nothing disturbs."""
    reader, writer, _, named = await _connect(url, path)
    digest, left = hashlib.sha256(), int(named["content-length"])
    while left:
        piece = await reader.read(min(left, MB))
        digest.update(piece)
        left -= len(piece)
    writer.close()
    return digest.hexdigest()


async def _cut(url: str, path: str, cuts: int) -> dict[str, Any]:
    """A download that breaks `cuts` times and goes on where it broke."""
    rng, digest, held, etag, total, broken = random.Random(5), hashlib.sha256(), 0, "", 0, 0
    while not total or held < total:
        more = (f"Range: bytes={held}-", f"If-Range: {etag}") if held else ()
        reader, writer, status, named = await _connect(url, path, *more)
        assert status == (206 if held else 200), status
        length = int(named["content-length"])
        total, etag = total or length, named["etag"]
        left = min(length, rng.randrange(2 * total // cuts // 3)) if broken < cuts else length
        while left:
            piece = await reader.read(min(left, MB))
            digest.update(piece)
            held, left = held + len(piece), left - len(piece)
        writer.transport.abort()
        broken += 1
    return {"cuts": broken - 1, "bytes": held, "sha256": digest.hexdigest()}


async def _measure(url: str, pid: int, clients: int, seconds: float, cuts: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind in ("bundle", "dataset"):
        path = f"{PATH}/{kind}"
        wanted = await _whole(url, path)  # the server has sent one before it is watched
        idle = await _waits(url, min(seconds, 3.0))
        watch = _Watch(psutil.Process(pid))
        watch.begin()
        watching = asyncio.ensure_future(watch.go_on())
        others = asyncio.ensure_future(_waits(url, seconds))
        taken = await asyncio.gather(*(_slow(url, path, seconds) for _ in range(clients)))
        waits = await others
        watching.cancel()
        cut = await _cut(url, path, cuts)
        found[kind] = {
            "server_mb_before": round(watch.before / MB, 1),
            "server_mb_grown": watch.grown_mb,
            "kb_a_second_of_each": {
                "low": round(min(taken) / seconds / 1000, 1),
                "high": round(max(taken) / seconds / 1000, 1),
            },
            "others_wait_ms": {
                "alone": round(statistics.median(idle) * 1000, 1),
                "meanwhile": round(statistics.median(waits) * 1000, 1),
            },
            "cut": {
                "times": cut["cuts"],
                "bytes": cut["bytes"],
                "right": cut["sha256"] == wanted,
            },
        }
    return found


def run(data: Path, small: bool) -> dict[str, Any]:
    size, clients, seconds, cuts = (4 * MB, 5, 1.0, 5) if small else (200 * MB, 50, 120.0, 20)
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary) / "home"
        home.mkdir()
        bundle = _prepare(home, size)
        with running(home, "--workers", "0") as app:
            found = asyncio.run(_measure(app.url, app.process.pid, clients, seconds, cuts))
        return {
            "bundle_bytes": bundle.stat().st_size,
            "clients": clients,
            "kb_a_second_asked": RATE / 1000,
            "seconds": seconds,
            **found,
        }


if __name__ == "__main__":
    main(run)
