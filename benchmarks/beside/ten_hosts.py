"""Ten hosts of pictures and a search over them, in a process of their own; some do not behave.

    python ten_hosts.py HITS [slow failing limiting lying]

prints one line of JSON: the ports of the search and of the hosts. `GET /counts` at the search
tells what each host saw. A host that limits gives out so many pictures a second and else answers
429 with a pause that it wants kept; the failing one breaks off or answers 500; the slow one takes
20 seconds; the lying one sends pages as pictures, or less than it announces.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass
from urllib.parse import parse_qs, urlsplit

from benchmarks.beside.picture_server import pictures

HOSTS = 10
#: Seconds before each picture, as if the host were far away.
AWAY = 0.02
SLOW, A_SECOND, PAUSE = 20.0, 5, 2
_PAGE_LIKE = b"<!doctype html><title>Sorry</title>" + b"<p>Not here.</p>" * 40


@dataclass
class Seen:
    """What one host saw."""

    kind: str
    requests: int = 0
    at_once: int = 0
    most_at_once: int = 0
    #: Requests that came while the host had asked to be left alone, later than those that were
    #: on their way when it said so.
    in_a_pause: int = 0
    refused: int = 0


class Host:
    """One host: answers for pictures in its own way, and counts."""

    def __init__(self, kind: str, drawn: list[bytes]) -> None:
        self.seen = Seen(kind)
        self._drawn = drawn
        self._second, self._given = 0, 0
        self._said, self._until = 0.0, 0.0

    async def answer(self, path: str) -> tuple[int, bytes, dict[str, str], int | None] | None:
        """Status, body, headers and announced length; None: the connection is broken off."""
        if path == "/robots.txt":
            return 200, b"User-agent: *\nDisallow: /private\n", {}, None
        seen, number = self.seen, int(path.rsplit("/", 1)[1].split(".")[0])
        seen.requests += 1
        seen.at_once += 1
        seen.most_at_once = max(seen.most_at_once, seen.at_once)
        try:
            return await self._picture(number)
        finally:
            seen.at_once -= 1

    async def _picture(self, number: int) -> tuple[int, bytes, dict[str, str], int | None] | None:
        kind, seen, now = self.seen.kind, self.seen, time.monotonic()
        # Half a second: what had been sent before our answer was read.
        if self._said + 0.5 < now < self._until - 0.05:
            seen.in_a_pause += 1
        if kind == "slow":
            await asyncio.sleep(SLOW)
        await asyncio.sleep(AWAY)
        if kind == "failing":
            return None if number % 2 else (500, b"oops", {}, None)
        if kind == "limiting":
            if int(now) != self._second:
                self._second, self._given = int(now), 0
            self._given += 1
            if self._given > A_SECOND or now < self._until:
                if now >= self._until:
                    self._said, self._until = now, now + PAUSE
                seen.refused += 1
                return 429, b"slow down", {"Retry-After": str(PAUSE)}, None
        body = marked(self._drawn[number % len(self._drawn)], number)
        if kind == "lying":
            return (200, _PAGE_LIKE, {}, None) if number % 2 else (200, body, {}, len(body) + 500)
        return 200, body, {}, None


def marked(jpeg: bytes, number: int) -> bytes:
    """The same picture with other bytes: a comment behind its first two."""
    comment = b"number %d" % number
    return jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg[2:]


class Site:
    """Plain HTTP over a function from a target to an answer."""

    def __init__(self, answer: object) -> None:
        self._answer = answer

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                target = head.split(b" ", 2)[1].decode("latin-1")
                found = await self._answer(target)  # type: ignore[operator]
                if found is None:
                    break
                status, body, headers, length = found
                lines = [f"HTTP/1.1 {status} Answer", "Content-Type: image/jpeg"]
                lines += [f"Content-Length: {len(body) if length is None else length}"]
                lines += [f"{name}: {value}" for name, value in headers.items()]
                writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
                await writer.drain()
                if length is not None:
                    break  # it has promised more than it has
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()


class Search:
    """Openverse's shape: each word's hits lie on the ten hosts in turns."""

    def __init__(self, hosts: list[Host], hits: int) -> None:
        self._hosts, self._hits = hosts, hits
        self.ports: list[int] = []
        self._first: dict[str, int] = {}

    async def answer(self, target: str) -> tuple[int, bytes, dict[str, str], None]:
        if target.startswith("/counts"):
            return 200, json.dumps([asdict(host.seen) for host in self._hosts]).encode(), {}, None
        query = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
        page, size = int(query["page"]), int(query["page_size"])
        first = self._first.setdefault(query["q"], len(self._first) * self._hits)
        ranks = range((page - 1) * size, min(page * size, self._hits))
        results = [self._hit(rank, first + rank) for rank in ranks]
        pages = -(-self._hits // size)
        return 200, json.dumps({"page_count": pages, "results": results}).encode(), {}, None

    def _hit(self, rank: int, number: int) -> dict[str, object]:
        # 7 and 10 have no common factor: every host comes once in ten, in a mixed order.
        port = self.ports[rank * 7 % len(self.ports)]
        url = f"http://127.0.0.1:{port}/pictures/{number}.jpg"
        return {"url": url, "license": "cc0", "title": f"picture {rank}", "creator": "a bench"}


async def main(hits: int, kinds: list[str]) -> None:
    drawn = pictures(10)
    hosts = [Host(kind, drawn) for kind in [*kinds, *["good"] * (HOSTS - len(kinds))]]
    search = Search(hosts, hits)
    for host in hosts:
        server = await asyncio.start_server(Site(host.answer).talk, "127.0.0.1", 0)
        search.ports.append(server.sockets[0].getsockname()[1])
    server = await asyncio.start_server(Site(search.answer).talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    print(json.dumps({"search": port, "hosts": search.ports}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2:]))
