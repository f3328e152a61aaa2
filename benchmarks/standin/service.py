"""The stand-in service: what it holds, what it does, and how it misbehaves."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import threading
import time
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from benchmarks.standin import shapes
from benchmarks.standin.habits import ENTRANCE, FAULTS, CutError, Fault, Reply, misbehave
from benchmarks.standin.people import Person, crowd
from benchmarks.standin.wire import Asked, read, understood, written
from tellapart.demo.drawing import draw
from tellapart.settings import Settings

TOKEN = "standin-0d1e2c3b-4a59-4877-b6a5-c4d3e2f10918"
_SUPER_LIKES, _BATCH = 1, 10
_ACTIONS = ("like", "pass", "super_like")


@dataclass(frozen=True)
class Logged:
    """One request, as the service saw it."""

    number: int
    #: Seconds since 1970, by this machine's clock.
    at: float
    #: `next`, `act`, `has`, `results`, `picture` or `other`.
    where: str
    path: str
    ref: str = ""
    action: str = ""
    key: str = ""
    #: The service has done the act (not: has said so).
    done: bool = False
    fault: str = ""


class Standin:
    """Serves on 127.0.0.1 from a thread of its own; use it as a context manager."""

    def __init__(
        self,
        people: Sequence[Person] | None = None,
        *,
        likes: int = 100,
        size: tuple[int, int] = (160, 120),
        log: Path | None = None,
        token: str = TOKEN,
        are_people: bool = True,
        closed: bool = False,
        port: int = 0,
    ) -> None:
        self.people = {p.ref: p for p in (crowd(40) if people is None else people)}
        self.token, self.port = token, port
        self.likes_left, self.super_likes_left = likes, _SUPER_LIKES
        self.are_people = are_people
        #: Crawlers are kept out by robots.txt, and pictures out of data sets by a header.
        self.closed = closed
        #: Everything that it was asked, in order.
        self.log: list[Logged] = []
        #: Tokens and other headers that came with requests for pictures.
        self.picture_headers: list[Mapping[str, str]] = []
        self._size, self._file = size, log
        self._judged: dict[str, list[str]] = {}
        self._keys: dict[str, Reply | None] = {}
        self._matched: list[tuple[str, float]] = []
        self._shown: set[str] = set()
        self._faults: list[Fault] = []
        self._drawn: dict[str, bytes] = {}
        self._lock = threading.RLock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    # -- for tests --------------------------------------------------------------------------

    @property
    def host(self) -> str:
        """What to put into `Settings.allow_hosts`."""
        return f"127.0.0.1:{self.port}"

    @property
    def tinder_url(self) -> str:
        return f"http://{self.host}"

    @property
    def deck_url(self) -> str:
        return f"http://{self.host}/deck/v1"

    def settings(self, **values: Any) -> Settings:
        """Settings that open the guard for this server and nothing else."""
        return Settings(allow_hosts=(self.host,), tinder_url=self.tinder_url, **values)

    def tell(
        self,
        kind: str,
        where: str = "any",
        *,
        times: int | None = None,
        after: int = 0,
        done: bool = False,
        seconds: float = 1.0,
    ) -> None:
        """Misbehave in one of the ways of `FAULTS` at `next`, `act`, `has`, `results`, `picture`.

        `times`: so often, else until `mend`. `after`: so many right answers first. `done`: do
        the act before misbehaving.
        """
        if kind not in FAULTS:
            raise ValueError(kind)
        with self._lock:
            self._faults.append(Fault(kind, where, times, after, done, seconds))

    def mend(self) -> None:
        """Behave again."""
        with self._lock:
            self._faults.clear()

    def change(self, ref: str, **facts: Any) -> None:
        """Change what is said of a candidate."""
        with self._lock:
            self.people[ref] = replace(self.people[ref], **facts)

    def withdraw(self, ref: str) -> None:
        """Take a candidate out of the stream."""
        with self._lock:
            del self.people[ref]

    def acts(self) -> list[Logged]:
        """What the service has done, in order."""
        with self._lock:
            return [entry for entry in self.log if entry.done]

    def asked(self, where: str) -> list[Logged]:
        """The requests of one kind, in order."""
        with self._lock:
            return [entry for entry in self.log if entry.where == where]

    def twice(self) -> list[str]:
        """Candidates on whom the service has acted more than once: there must be none."""
        counted = Counter(entry.ref for entry in self.acts())
        return [ref for ref, times in counted.items() if times > 1]

    # -- running ----------------------------------------------------------------------------

    def __enter__(self) -> Self:
        ready = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(ready)), name="stand-in", daemon=True
        )
        self._thread.start()
        if not ready.wait(10):
            raise RuntimeError("the stand-in service does not start")
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Be gone; its port answers nobody any more."""
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join(10)
        self._loop = None

    async def _serve(self, ready: threading.Event) -> None:
        self._over = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        tasks: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._talk(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        server = await asyncio.start_server(accept, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._over.wait()
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                asked = await read(reader)
                try:
                    status, value = await self._answer(asked)
                    headers = {"X-Robots-Tag": "noai, noimageai"} if self.closed else {}
                    writer.write(written(status, value, headers))
                except CutError as cut:
                    writer.write(cut.sent)
                    await writer.drain()
                    return
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError, ValueError):
            pass  # the client has gone, or speaks no HTTP
        finally:
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    # -- answers ----------------------------------------------------------------------------

    async def _answer(self, asked: Asked) -> Reply:
        if asked.path == "/robots.txt":
            return 200, b"User-agent: *\nDisallow: /\n" if self.closed else b""
        if asked.path == "/log":
            with self._lock:
                return 200, [asdict(entry) for entry in self.log]
        if asked.path == "/tell":
            said = json.loads(asked.body)
            self.mend() if said.get("mend") else self.tell(**said)
            return 200, {}
        where, ref, action, key = understood(asked)
        with self._lock:
            fault = self._due(where)
            kind = fault.kind if fault is not None else ""
            does = where == "act" and (not kind or kind == "slow" or (fault and fault.done))
            if (kind in ENTRANCE and not (fault and fault.done)) or not self._admitted(
                asked, where
            ):
                does = False
            right = self._right(asked, where, ref, action, key, does)
            done = bool(does and right[0] < 300 and ref and self._last_done == ref)
            self._note(
                Logged(len(self.log), time.time(), where, asked.path, ref, action, key, done, kind)
            )
        if fault is None:
            return right
        return await misbehave(fault, right, asked, where, self._over)

    def _right(
        self, asked: Asked, where: str, ref: str, action: str, key: str, does: bool
    ) -> Reply:
        self._last_done = ""
        if not self._admitted(asked, where):
            return 401, {"meta": {"status": 401}, "error": "unauthorized"}
        if where == "picture":
            self.picture_headers.append(asked.headers)
            return self._picture(asked.path)
        protocol = asked.path.startswith("/deck/v1/")
        if where == "act":
            return self._act(ref, action, key, protocol) if does else (200, {})
        if protocol:
            return self._protocol(asked, where, key)
        return self._tinder(asked, where)

    def _admitted(self, asked: Asked, where: str) -> bool:
        given = (asked.headers.get("x-auth-token"), asked.headers.get("authorization"))
        return where == "picture" or given in ((self.token, None), (None, f"Bearer {self.token}"))

    def _act(self, ref: str, action: str, key: str, protocol: bool) -> Reply:
        if protocol and key in self._keys:
            return self._keys[key] or (409, {"error": "void_key"})
        if ref not in self.people or action not in _ACTIONS:
            return self._kept(key, (404, {"error": "gone"}))
        if protocol and ref in self._judged:
            return self._kept(key, (409, {"error": "judged_before"}))
        if action == "like" and self.likes_left <= 0:
            until = int((time.time() + 12 * 3600) * 1000)
            if protocol:
                return 409, {"error": "exhausted", "retry_after": 12 * 3600, "likes_left": 0}
            return 200, {"match": False, "likes_remaining": 0, "rate_limited_until": until}
        if action == "super_like" and self.super_likes_left <= 0:
            if protocol:
                return self._kept(key, (409, {"error": "none_left", "super_likes_left": 0}))
            return 200, {"status": 200, "limit_exceeded": True, "super_likes": {"remaining": 0}}
        self.likes_left -= action == "like"
        self.super_likes_left -= action == "super_like"
        self._judged.setdefault(ref, []).append(action)
        self._last_done = ref
        match = action != "pass" and self.people[ref].likes_back
        if match:
            self._matched.append((ref, time.time()))
        if not protocol:
            return 200, shapes.tinder_answer(action, match, self.likes_left, self.super_likes_left)
        answer = {
            "state": "done",
            "match": match,
            "likes_left": self.likes_left,
            "super_likes_left": self.super_likes_left,
        }
        return self._kept(key, (200, answer))

    def _kept(self, key: str, reply: Reply) -> Reply:
        if key:
            self._keys[key] = reply
        return reply

    def _protocol(self, asked: Asked, where: str, key: str) -> Reply:
        if where == "has":
            kept = self._keys.setdefault(key, None)
            return kept if kept is not None else (404, {"error": "no_such_key"})
        if where == "results":
            since = asked.query.get("since", "")
            found = [
                {
                    "candidate": ref,
                    "action": self._judged[ref][-1],
                    "match": True,
                    "at": shapes.iso(at),
                }
                for ref, at in self._matched
                if shapes.iso(at) >= since.replace("+00:00", "")
            ]
            return 200, {"results": found, "next": None}
        if asked.path == "/deck/v1/deck":
            about = {"protocol": 1, "name": "Stand-in", "people": self.are_people}
            return 200, {**about, "likes_left": self.likes_left}
        if where != "next":
            return 404, {"error": "no_such_path"}
        start, limit = int(asked.query.get("after", 0)), int(asked.query.get("limit", 20))
        refs = list(self.people)
        page = refs[start : start + limit]
        offered = [shapes.candidate(self.people[ref]) for ref in page if ref not in self._judged]
        following = str(start + limit) if start + limit < len(refs) else None
        return 200, {"candidates": offered, "next": following, "likes_left": self.likes_left}

    def _tinder(self, asked: Asked, where: str) -> Reply:
        if where == "results":
            start = int(asked.query.get("page_token", 0))
            count = min(int(asked.query.get("count", 60)), 60)
            page = self._matched[start : start + count]
            more = start + count < len(self._matched)
            matches = [shapes.tinder_match(self.people.get(ref), ref, at) for ref, at in page]
            token = {"next_page_token": str(start + count)} if more else {}
            return 200, {"meta": {"status": 200}, "data": {"matches": matches, **token}}
        if where != "next":
            return (200, {"user": {}}) if asked.path in ("/meta", "/profile") else (404, {})
        # Whoever is not judged comes again, once everybody has been shown.
        left = [ref for ref in self.people if ref not in self._judged and ref not in self._shown]
        page = left[:_BATCH]
        self._shown = self._shown | set(page) if page else set()
        if not page:
            return 200, {"meta": {"status": 200}, "data": {}}
        recs = [
            shapes.rec(self.people[ref], i, f"http://{self.host}") for i, ref in enumerate(page)
        ]
        ad = {"type": "ad", "ad": {"campaign": "none"}}
        return 200, {"meta": {"status": 200}, "data": {"results": [*recs, ad]}}

    def _picture(self, path: str) -> Reply:
        if path not in self._drawn:
            _, _, ref, name = path.split("/", 3)
            person, number = self.people.get(ref), int(name.removesuffix(".jpg"))
            if person is None or number >= len(person.words):
                return 404, {}
            seed = zlib.crc32(path.encode()) % 2**31
            with io.BytesIO() as file:
                draw(person.words[number], seed, self._size).save(file, "JPEG", quality=90)
                self._drawn[path] = file.getvalue()
        return 200, self._drawn[path]

    # -- misbehaviour -----------------------------------------------------------------------

    def _due(self, where: str) -> Fault | None:
        for fault in self._faults:
            if fault.where not in (where, "any") or (fault.where == "any" and where == "picture"):
                continue
            if fault.after > 0:
                fault.after -= 1
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self._faults.remove(fault)
            return fault
        return None

    def _note(self, entry: Logged) -> None:
        self.log.append(entry)
        if self._file is not None and entry.where == "act":
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(entry)) + "\n")


def _result(ref: str, action: str, at: float) -> dict[str, Any]:
    return {"candidate": ref, "action": action, "match": True, "at": shapes.iso(at)}
