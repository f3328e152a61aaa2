"""Small data sets in the originals' formats, and a mirror on loopback that may misbehave."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from tellapart.datasets import idx, pictures
from tellapart.datasets.originals import Original


@dataclass
class Mirror:
    """Serves `files` by path; of those in `cut` only the first half, though all is announced."""

    port: int
    files: dict[str, bytes] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            data = found.files.get(self.path)
            self.send_response(404 if data is None else 200)
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            self.wfile.write(
                (data or b"")[: len(data or b"") // 2 if self.path in found.cut else None]
            )
            self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Mirror(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def small_idx(train: int = 30, test: int = 10) -> dict[str, bytes]:
    """MNIST's four files with few pictures, uncompressed, by their name without `.gz`."""
    random = np.random.default_rng(0)
    files = {}
    for stem, count in (("train", train), ("t10k", test)):
        pixels = random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        files[f"{stem}-images-idx3-ubyte"] = idx.encode(pixels)
        files[f"{stem}-labels-idx1-ubyte"] = idx.encode(labels)
    return files


@pytest.fixture
def small_originals(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Takes small files for MNIST's originals; their packed bytes by name."""
    packed, originals = {}, []
    for name, data in small_idx().items():
        file = f"{name}.gz"
        packed[file] = gzip.compress(data, mtime=0)
        originals.append(
            Original(
                file,
                len(packed[file]),
                hashlib.sha256(packed[file]).hexdigest(),
                hashlib.sha256(data).hexdigest(),
            )
        )
    monkeypatch.setitem(pictures.ORIGINALS, "mnist", tuple(originals))
    return packed
