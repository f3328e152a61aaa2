"""A light load generator: one thread, raw sockets, no library; its own core time is reported.

A program of its own, `python -S load.py PLAN.json`, so that it shares nothing with what it
measures. The plan names an address, requests (method, path, content type, file of the body, more
headers) and phases, each begun by a line on standard input. A closed phase keeps `clients`
requests in flight; an open one (`rate` a second, Poisson) sends when the time has come, and a
latency counts from that moment, so that a server that falls behind cannot hide it. Answers are
kept whole and judged afterwards.
"""

from __future__ import annotations

import collections
import json
import random
import select
import socket
import sys
import time
from pathlib import Path
from typing import Any

clock = time.perf_counter
#: A request lost with its connection, or never answered.
LOST = 0


class Client:
    """One connection, kept open; at most one request in flight."""

    def __init__(self, address: str | list[Any], poller: select.epoll) -> None:
        self.address = address
        self.poller = poller
        self.socket: socket.socket | None = None
        self.item = -1
        self.due = self.sent = 0.0
        self.left = memoryview(b"")
        self.got = bytearray()
        self.need = 0
        self.writing = False

    def open(self) -> None:
        unix = isinstance(self.address, str)
        found = socket.socket(socket.AF_UNIX if unix else socket.AF_INET, socket.SOCK_STREAM)
        if not unix:
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        found.settimeout(10)
        found.connect(self.address if isinstance(self.address, str) else tuple(self.address))
        found.setblocking(False)
        self.socket = found
        self.poller.register(found.fileno(), select.EPOLLIN)
        self.writing = False

    def close(self) -> None:
        if self.socket is not None:
            self.poller.unregister(self.socket.fileno())
            self.socket.close()
            self.socket = None

    def begin(self, item: int, data: bytes, due: float) -> None:
        """Send a request; raises OSError where nobody answers at the address."""
        self.item, self.due = item, due
        self.got.clear()
        self.need = 0
        self.left = memoryview(data)
        if self.socket is None:
            self.open()
        self.sent = clock()
        self.write()

    def write(self) -> None:
        assert self.socket is not None
        try:
            while self.left:
                self.left = self.left[self.socket.send(self.left) :]
        except BlockingIOError:
            if not self.writing:
                self.poller.modify(self.socket.fileno(), select.EPOLLIN | select.EPOLLOUT)
            self.writing = True
            return
        except OSError:
            # Turned away before it had sent all: the answer may be there already.
            if not self.socket.recv(1, socket.MSG_PEEK):
                raise
        if self.writing:
            self.poller.modify(self.socket.fileno(), select.EPOLLIN)
        self.writing = False

    def read(self) -> tuple[int, bytes] | None:
        """The status and the body once they are whole; raises OSError where the peer is gone."""
        assert self.socket is not None
        data = self.socket.recv(1 << 18)
        if not data:
            raise ConnectionResetError
        self.got += data
        if not self.need:
            end = self.got.find(b"\r\n\r\n")
            if end < 0:
                return None
            head = bytes(self.got[:end]).lower()
            place = head.find(b"content-length:")
            if place < 0:
                raise ConnectionResetError("an answer without a length")
            self.need = end + 4 + int(head[place + 15 :].split(b"\r\n", 1)[0])
        if len(self.got) < self.need:
            return None
        head, _, body = bytes(self.got).partition(b"\r\n\r\n")
        if b"connection: close" in head.lower() or self.left:
            self.close()
        return int(head[9:12]), body


class Phase:
    """One measurement: who is at work, what came back."""

    def __init__(self, plan: dict[str, Any], phase: dict[str, Any], requests: list[bytes]) -> None:
        self.requests = requests
        self.address = plan["address"]
        self.poller = select.epoll()
        self.rate = phase.get("rate")
        self.seconds = phase.get("seconds", 1e9)
        self.count = phase.get("count", 10**12)
        #: A file whose coming ends the phase, not before its seconds are over.
        self.until = Path(phase["until"]) if "until" in phase else None
        self.patience = phase.get("patience", 30.0)
        order = random.Random(phase.get("seed", 0))
        self.order = order
        self.turn: list[int] = []
        # An open loop takes as many connections as it needs, up to these.
        self.idle = [Client(self.address, self.poller) for _ in range(phase["clients"])]
        self.busy: dict[int, Client] = {}
        self.records: list[tuple[int, int, float, float]] = []
        self.answers: dict[int, collections.Counter[bytes]] = collections.defaultdict(
            collections.Counter
        )
        self.given = 0

    def _next(self) -> int:
        if not self.turn:
            self.turn = list(range(len(self.requests)))
            self.order.shuffle(self.turn)
        return self.turn.pop()

    def _begin(self, due: float) -> None:
        client = self.idle.pop()
        item = self._next()
        self.given += 1
        for attempt in (0, 1):
            try:
                client.begin(item, self.requests[item], due)
            except OSError:
                client.close()  # closed by the other side while it was idle: once more
                if attempt:
                    client.sent = clock()
                    self._end(client, LOST, b"")
                    time.sleep(0.005)
                    return
            else:
                break
        assert client.socket is not None
        self.busy[client.socket.fileno()] = client

    def _end(self, client: Client, status: int, body: bytes) -> None:
        now = clock()
        self.records.append((client.item, status, client.due - self.start, now - client.due))
        if status != LOST:
            self.answers[client.item][bytes([status // 100]) + body] += 1
        self.idle.append(client)

    def _step(self, timeout: float) -> None:
        # epoll counts in milliseconds, select in microseconds.
        if timeout > 0 and not select.select([self.poller.fileno()], [], [], timeout)[0]:
            return
        for number, event in self.poller.poll(0):
            client = self.busy.get(number)
            if client is None:  # idle, and closed by the other side
                for other in self.idle:
                    if other.socket is not None and other.socket.fileno() == number:
                        other.close()
                continue
            try:
                if event & select.EPOLLOUT:
                    client.write()
                found = client.read() if event & ~select.EPOLLOUT else None
            except BlockingIOError:
                continue
            except OSError:
                found = (LOST, b"")
                client.close()
            if found is not None:
                del self.busy[number]
                self._end(client, *found)

    def _give_up(self, now: float) -> None:
        for number, client in list(self.busy.items()):
            if now - client.sent > self.patience:
                del self.busy[number]
                client.close()
                self._end(client, LOST, b"")

    def run(self) -> dict[str, Any]:
        cpu = time.process_time()
        self.start = clock()
        end = self.start + self.seconds
        due = self.start
        while True:
            now = clock()
            if now >= end and self.until is not None and not self.until.exists():
                end = now + 0.05
            going = now < end and self.given < self.count
            wait = 0.5
            if self.rate is None:
                while going and self.idle and self.given < self.count:
                    self._begin(clock())
            else:
                while going and due <= now and self.idle and self.given < self.count:
                    self._begin(due)
                    due += self.order.expovariate(self.rate)
                if going and self.idle:
                    wait = max(0.0, due - clock())
            if not going and not self.busy:
                break
            self._step(min(wait, 0.5))
            self._give_up(now)
        seconds = min(clock(), end) - self.start
        for client in self.idle:
            client.close()
        return {
            "start": self.start,
            "seconds": round(seconds, 4),
            "cpu_s": round(time.process_time() - cpu, 4),
            "records": [
                [item, status, round(at, 4), round(took * 1000, 3)]
                for item, status, at, took in self.records
            ],
            "answers": {
                str(item): [[body[0], body[1:].decode("latin-1"), n] for body, n in found.items()]
                for item, found in self.answers.items()
            },
        }


def request(method: str, path: str, kind: str, body: bytes, headers: str = "") -> bytes:
    """One HTTP/1.1 request, whole."""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}"
    if method == "POST":
        head += f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}\r\n".encode() + body


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text())
    requests = [
        request(
            each.get("method", "POST"),
            each["path"],
            each.get("type", "image/jpeg"),
            Path(each["file"]).read_bytes() if each.get("file") else b"",
            each.get("headers", ""),
        )
        for each in plan["requests"]
    ]
    for phase, _ in zip(plan["phases"], sys.stdin, strict=False):  # a line of input starts each
        print(json.dumps(Phase(plan, phase, requests).run()), flush=True)


if __name__ == "__main__":
    main()
