"""A small picture web on this machine: two search services, their pictures, planted faults.

It answers in the shapes of the Openverse and Wikimedia Commons APIs and serves pictures drawn by
the project. It knows what is wrong with which picture, and counts every request.

    python -m tellapart.demo.picture_web --port 0 --words apple boat

prints its address as one line of JSON and serves until it is stopped.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tellapart.demo.drawing import WORDS
from tellapart.demo.listing import BUSY, Entry, listing, picture
from tellapart.demo.services import commons_answer, openverse_answer

_ROBOTS = b"User-agent: *\nDisallow: /private/\n"
_METADATA = "http://169.254.169.254/latest/meta-data/"
_REASONS = {200: "OK", 302: "Found", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found"}


@dataclass(frozen=True)
class Answer:
    """One HTTP answer. `length` announces more bytes than `body` has; zeros fill it up."""

    status: int
    body: bytes
    kind: str = "application/json"
    headers: Mapping[str, str] | None = None
    length: int | None = None


class PictureWeb:
    """Serves on 127.0.0.1 from a thread of its own; use it as a context manager.

    `n`: good pictures a word and service. `faults`: plant the faults of `listing.FAULTS` in what
    the first service offers. `delay`: seconds before each picture. `big`: bytes of the file that
    is too large. The same pictures for the same arguments.
    """

    def __init__(
        self,
        words: Sequence[str] = WORDS,
        *,
        n: int = 60,
        seed: int = 0,
        size: tuple[int, int] = (320, 240),
        faults: bool = True,
        delay: float = 0.0,
        big: int = 60_000_000,
    ) -> None:
        self.words = tuple(words)
        self.openverse = {w: listing(w, words, n, seed, faults=faults) for w in words}
        self.commons = {w: listing(w, words, n, seed + 1, faults=False) for w in words}
        every = (*self.openverse.values(), *self.commons.values())
        self.entries: dict[str, Entry] = {e.path: e for entries in every for e in entries}
        #: Requests by path; searches by path and query.
        self.requests: Counter[str] = Counter()
        self.port = 0
        self._size, self._delay, self._big = size, delay, big
        self._pictures: dict[str, bytes] = {}
        self._scripted: dict[str, list[Answer]] = {}
        self._was_busy: set[str] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def host(self) -> str:
        """What to put into `Settings.allow_hosts`."""
        return f"127.0.0.1:{self.port}"

    @property
    def openverse_url(self) -> str:
        return f"http://{self.host}/v1"

    @property
    def commons_url(self) -> str:
        return f"http://{self.host}/w/api.php"

    def url(self, entry: Entry) -> str:
        return f"http://{self.host}{entry.path}"

    def script(self, path: str, *answers: Answer) -> None:
        """Answer the next requests to `path` with these, one after another."""
        self._scripted.setdefault(path, []).extend(answers)

    def prepare(self) -> None:
        """Draw all pictures now instead of when they are asked for."""
        for entry in self.entries.values():
            self._picture(entry)

    # -- running ----------------------------------------------------------------------------

    def __enter__(self) -> Self:
        ready = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(0, ready)), name="picture-web", daemon=True
        )
        self._thread.start()
        ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join(10)

    def serve(self, port: int) -> None:
        """Serve in this thread until the process ends; print the address first."""
        asyncio.run(self._serve(port, None))

    async def _serve(self, port: int, ready: threading.Event | None) -> None:
        self._over = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._open: set[asyncio.StreamWriter] = set()
        server = await asyncio.start_server(self._talk, "127.0.0.1", port)
        self.port = server.sockets[0].getsockname()[1]
        if ready is None:
            print(json.dumps({"port": self.port}), flush=True)  # noqa: T201 - its purpose
        else:
            ready.set()
        await self._over.wait()
        server.close()
        for writer in self._open:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
                answer = await self._answer(target)
                await self._send(writer, answer, with_body=method != "HEAD")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError, ValueError):
            pass  # the client has gone, or speaks no HTTP
        finally:
            self._open.discard(writer)
            writer.close()

    async def _send(self, writer: asyncio.StreamWriter, answer: Answer, with_body: bool) -> None:
        length = len(answer.body) if answer.length is None else answer.length
        lines = [
            f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, 'Answer')}",
            f"Content-Type: {answer.kind}",
            f"Content-Length: {length}",
            *(f"{name}: {value}" for name, value in (answer.headers or {}).items()),
        ]
        writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n")
        if with_body:
            writer.write(answer.body)
            for _ in range((length - len(answer.body)) // 65536 + 1):
                if length > len(answer.body):
                    writer.write(bytes(65536))
                    await writer.drain()
        await writer.drain()

    # -- answers ----------------------------------------------------------------------------

    async def _answer(self, target: str) -> Answer:
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        words = query.get("q") or query.get("gsrsearch", "")
        self.requests[f"{parts.path}?{words}" if words else parts.path] += 1
        scripted = self._scripted.get(parts.path)
        if scripted:
            return scripted.pop(0)
        if parts.path == "/v1/images/":
            status, value = openverse_answer(self.openverse, query, f"http://{self.host}")
            return Answer(status, json.dumps(value).encode())
        if parts.path == "/w/api.php":
            value = commons_answer(self.commons, query, f"http://{self.host}")
            return Answer(200, json.dumps(value).encode())
        if parts.path == "/robots.txt":
            return Answer(200, _ROBOTS, "text/plain")
        if parts.path == "/requests":
            return Answer(200, json.dumps(self.requests).encode())
        if parts.path == "/truth":
            return Answer(200, json.dumps([asdict(e) for e in self.entries.values()]).encode())
        entry = self.entries.get(parts.path)
        return (
            Answer(404, b"no such page", "text/plain") if entry is None else await self._file(entry)
        )

    async def _file(self, entry: Entry) -> Answer:
        if self._delay:
            await asyncio.sleep(self._delay)
        if entry.kind == "gone":
            return Answer(404, b"gone", "text/plain")
        if entry.kind == "private_redirect":
            return Answer(302, b"", "text/plain", {"Location": _METADATA})
        if entry.kind == BUSY and entry.path not in self._was_busy:
            self._was_busy.add(entry.path)
            return Answer(429, b"slow down", "text/plain", {"Retry-After": "1"})
        body = self._picture(entry)
        headers = {"X-Robots-Tag": "noai, noimageai"} if entry.kind == "opted_out" else None
        length = self._big if entry.kind == "too_many_bytes" else None
        return Answer(200, body, "image/jpeg", headers, length)

    def _picture(self, entry: Entry) -> bytes:
        data = self._pictures.get(entry.path)
        if data is None:
            data = self._pictures[entry.path] = picture(entry, self._size)
        return data


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(prog="python -m tellapart.demo.picture_web")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--words", nargs="+", default=list(WORDS), choices=WORDS)
    parser.add_argument("-n", type=int, default=60, help="good pictures a word")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, nargs=2, default=(320, 240), help="width, height")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each picture")
    parser.add_argument("--no-faults", action="store_true")
    given: Any = parser.parse_args(arguments)
    web = PictureWeb(
        given.words,
        n=given.n,
        seed=given.seed,
        size=tuple(given.size),
        faults=not given.no_faults,
        delay=given.delay,
    )
    web.prepare()
    web.serve(given.port)


if __name__ == "__main__":
    main()
