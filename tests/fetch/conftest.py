"""A real HTTP server on loopback, and a network on which every address leads to it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpcore
import pytest

from tellapart.errors import FetchError
from tellapart.fetch import Fetched, Fetcher, Limits
from tellapart.settings import Settings

JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 4
QUICK = Limits(seconds=5, max_bytes=200_000, grace=0.3, backoff=0.01, max_retry_after=3)


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    writer: asyncio.StreamWriter

    async def send(
        self,
        body: bytes = JPEG,
        status: int = 200,
        headers: dict[str, str] | None = None,
        length: int | None = None,
    ) -> None:
        fields = {"Content-Type": "image/jpeg", "Content-Length": str(length or len(body))}
        await self.write(
            f"HTTP/1.1 {status} Word\r\n".encode()
            + "".join(f"{k}: {v}\r\n" for k, v in {**fields, **(headers or {})}.items()).encode()
            + b"\r\n"
            + body
        )

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


Handler = Callable[[Request], Awaitable[None]]


@dataclass
class Web:
    """Answers by path: `on(path, handler)`; anything else is a small JPEG; robots.txt is 404."""

    port: int = 0
    requests: list[Request] = field(default_factory=list)
    #: Names the TLS clients asked for.
    sni: list[str | None] = field(default_factory=list)
    under_way: int = 0
    most_at_once: int = 0
    handlers: dict[str, Handler] = field(default_factory=dict)
    jpeg: bytes = JPEG
    quick: Limits = QUICK

    def url(self, path: str = "/a.jpg") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def on(self, path: str, handler: Handler) -> None:
        self.handlers[path] = handler

    def page(self, path: str, body: bytes = JPEG, status: int = 200, **headers: str) -> None:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        self.on(path, lambda request: request.send(body, status, fields))

    @property
    def paths(self) -> list[str]:
        return [request.path for request in self.requests]

    def seen(self, path: str) -> int:
        return self.paths.count(path)

    def settings(self, **options: Any) -> Settings:
        """Settings that open the guard for this server and nothing else."""
        return Settings(allow_hosts=(f"127.0.0.1:{self.port}",), **options)

    def detour(self, *dead: str) -> Detour:
        return Detour(self.port, dead)

    def get(self, *urls: str, **options: Any) -> list[Fetched | FetchError]:
        """Fetch all `urls` (or paths) at once with one fetcher; errors come in their places."""
        fetcher_options = {
            name: options.pop(name)
            for name in ("limits", "resolver", "network", "ssl_context")
            if name in options
        }
        settings = options.pop("settings", None) or self.settings()

        async def work() -> list[Any]:
            async with Fetcher(settings, **{"limits": QUICK, **fetcher_options}) as fetcher:
                calls = [
                    fetcher.get(self.url(url) if url[:1] == "/" else url, **options) for url in urls
                ]
                return await asyncio.gather(*calls, return_exceptions=True)

        found = asyncio.run(work())
        for answer in found:
            if not isinstance(answer, (Fetched, FetchError)):
                raise answer
        return found

    def one(self, url: str = "/a.jpg", **options: Any) -> Fetched:
        """Fetch one URL or path, or raise its error."""
        (answer,) = self.get(url, **options)
        if isinstance(answer, FetchError):
            raise answer
        return answer

    def reasons(self, *urls: str, **options: Any) -> list[str]:
        """The reason for which each URL or path fails; `ok` where it does not."""
        found = self.get(*urls, **options)
        return [a.reason if isinstance(a, FetchError) else "ok" for a in found]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ssl.SSLError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                first, *lines = head.strip().split("\r\n")
                method, path, _ = first.split(" ")
                pairs = [line.split(": ", 1) for line in lines]
                request = Request(method, path, {k.lower(): v for k, v in pairs}, writer)
                self.requests.append(request)
                self.under_way += 1
                self.most_at_once = max(self.most_at_once, self.under_way)
                try:
                    handler = self.handlers.get(path)
                    if handler is not None:
                        await handler(request)
                    elif path == "/robots.txt":
                        await request.send(b"none", 404)
                    else:
                        await request.send()
                finally:
                    self.under_way -= 1
                if writer.is_closing():
                    break
        writer.close()


@contextlib.contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[Web]:
    """Run a `Web` in a thread of its own, with TLS where a context is given."""
    web = Web()
    ready, stop = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []
    if context is not None:
        context.sni_callback = lambda _socket, name, _context: web.sni.append(name)

    async def main() -> None:
        tasks: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(web.serve(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context, limit=2**20)
        web.port = server.sockets[0].getsockname()[1]
        loops.append(asyncio.get_running_loop())
        ready.set()
        await stop.wait()
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    thread = threading.Thread(target=asyncio.run, args=(main(),), daemon=True)
    thread.start()
    assert ready.wait(5)
    try:
        yield web
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join(5)


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as server:
        yield server


class Detour(httpcore.AsyncNetworkBackend):
    """A network on which every address leads to one local server; notes what was asked for."""

    def __init__(self, port: int, dead: Iterable[str] = ()) -> None:
        self.port = port
        self.dead = set(dead)
        self.asked: list[tuple[str, int]] = []
        self._real = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.asked.append((host, port))
        if host in self.dead:
            raise httpcore.ConnectError("dead")
        return await self._real.connect_tcp("127.0.0.1", self.port, timeout)


def names(**table: Sequence[str] | list[Sequence[str]]) -> Any:
    """A resolver with fixed answers (`_` for a dot in a name); a list answers in turn."""
    turns = {name.replace("_", "."): answer for name, answer in table.items()}

    async def resolve(host: str, port: int) -> Sequence[str]:
        resolve.calls.append(host)  # type: ignore[attr-defined]
        answer = turns.get(host)
        if answer is None:
            raise OSError(f"no such name: {host}")
        if isinstance(answer, list):
            return answer.pop(0) if len(answer) > 1 else answer[0]
        return answer

    resolve.calls = []  # type: ignore[attr-defined]
    return resolve


@pytest.fixture(name="serving")
def serving_() -> Any:
    return serving


@pytest.fixture(name="names")
def names_() -> Any:
    return names
