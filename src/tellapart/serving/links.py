"""The front's ends of the sockets: to the process that forks, and to each worker."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, cast

from tellapart.serving import wire
from tellapart.serving.batching import Ticket
from tellapart.serving.jobs import Answer, Told
from tellapart.serving.wire import ANSWER, TOLD, BrokenMessage, Message, Reader

#: Socket buffers, so that a picture goes over in one piece (Linux grants at most its own limit).
_BUFFER = 4 << 20


class Owner(Protocol):
    """Whom a worker's end tells what happens."""

    def worker_ready(self, worker: WorkerLink, facts: dict[str, Any]) -> None: ...
    def worker_answered(
        self, worker: WorkerLink, answers: list[tuple[Ticket, Answer | Told]]
    ) -> None: ...
    def worker_told(self, ticket: Ticket, told: Told) -> None: ...
    def worker_lost(self, worker: WorkerLink) -> None: ...


class WorkerLink(asyncio.Protocol):
    """One worker, from its fork to its end."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._reader = Reader()
        self._transport: asyncio.Transport | None = None
        self._held: dict[int, Ticket] = {}
        self.pid = 0
        self.ready = False
        #: Jobs it holds, and the seconds that they are expected to take.
        self.load = 0
        self.seconds = 0.0
        #: Holds a suspect, which nobody joins.
        self.alone = False
        self.answered = 0
        #: Whether it was silent for too long: it is being ended.
        self.hung = False
        #: When it last gave a sign of life, or got work while it had none (monotonic).
        self.heard = time.monotonic()

    def __iter__(self) -> Iterator[Ticket]:
        return iter(self._held.values())

    def send(self, tickets: Sequence[Ticket], now: float) -> None:
        """Give it jobs."""
        if self._transport is None:
            raise RuntimeError("the worker has no connection")
        if not self._held:
            self.heard = now
        pieces: list[bytes] = []
        for ticket in tickets:
            ticket.sent = now
            self.seconds += ticket.cost
            self._held[ticket.number] = ticket
            pieces += wire.pack_task(ticket.number, ticket.place, ticket.job)
        self.load = len(self._held)
        self.alone = tickets[0].suspect
        self._transport.writelines(pieces)

    def send_one(self, ticket: Ticket) -> None:
        """`send` of one that has just come."""
        if self._transport is None:
            raise RuntimeError("the worker has no connection")
        ticket.sent = now = ticket.arrived
        if not self._held:
            self.heard = now
        self._held[ticket.number] = ticket
        self.load += 1
        self.seconds += ticket.cost
        self.alone = ticket.suspect
        self._transport.writelines(wire.pack_task(ticket.number, ticket.place, ticket.job))

    def take_all(self) -> list[Ticket]:
        """The jobs that it will not answer any more."""
        found = list(self._held.values())
        self._held.clear()
        self.load, self.seconds = 0, 0.0
        return found

    def close(self) -> None:
        """End the connection, whereupon the worker ends."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.heard = time.monotonic()
        try:
            if self._reader.empty and (one := wire.read_told_alone(data)) is not None:
                ticket = self._held.pop(one[0], None)
                if ticket is not None:
                    self._let_go(ticket)
                    self.answered += 1
                    if not self.load:
                        self.alone = False
                    self._owner.worker_told(ticket, one[1])
                return
            messages = self._reader.feed(data)
            if messages:
                self._receive(messages)
        except BrokenMessage:
            self.close()  # not to be believed any more: it is replaced

    def connection_lost(self, exc: Exception | None) -> None:
        self._owner.worker_lost(self)

    def _receive(self, messages: Sequence[Message]) -> None:
        answers: list[tuple[Ticket, Answer | Told]] = []
        try:
            for message in messages:
                if message[0] == TOLD:
                    self._answered(*wire.read_told(message), answers)
                elif message[0] == ANSWER:
                    number, answer = wire.read_answer(message)
                    self._check(number, answer)
                    self._answered(number, answer, answers)
                else:
                    self._noted(wire.read_note(message))
        finally:
            if answers:
                self.answered += len(answers)
                if self.alone and not self._held:
                    self.alone = False
                self._owner.worker_answered(self, answers)

    def _noted(self, note: dict[str, Any]) -> None:
        facts = note.get("ready")
        if facts is not None and not self.ready:  # else it is a sign of life
            self.pid, self.ready = self.pid or facts.get("pid", 0), True
            self._owner.worker_ready(self, facts)

    def _check(self, number: int, answer: Answer) -> None:
        odds = answer.probabilities
        ticket = self._held.get(number)
        if odds and ticket is not None and len(odds) != len(ticket.info.labels):
            raise BrokenMessage(f"{len(odds)} probabilities")

    def _answered(
        self, number: int, answer: Answer | Told, answers: list[tuple[Ticket, Answer | Told]]
    ) -> None:
        ticket = self._held.pop(number, None)
        if ticket is not None:
            self._let_go(ticket)
            answers.append((ticket, answer))

    def _let_go(self, ticket: Ticket) -> None:
        self.load -= 1
        # Sums of small differences would drift.
        self.seconds = self.seconds - ticket.cost if self.load else 0.0


class ControlLink:
    """Speaks with the process that forks: asks for workers, hears of those that ended."""

    def __init__(
        self,
        control: socket.socket,
        heard: Callable[[dict[str, Any]], None],
        lost: Callable[[], None],
    ) -> None:
        self._control = control
        self._heard, self._lost = heard, lost
        self._reader = Reader()
        control.setblocking(False)
        asyncio.get_running_loop().add_reader(control, self._read)

    async def fork(self, link: WorkerLink) -> None:
        """Have a worker forked that speaks with `link`. Raises `OSError` where nobody forks."""
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        with theirs:
            try:
                socket.send_fds(self._control, [wire.pack_note({"fork": 1})], [theirs.fileno()])
            except OSError:
                ours.close()
                raise
        ours.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.create_unix_connection(lambda: link, sock=ours)

    def kill(self, pid: int) -> None:
        """End a worker, whatever it does; only its parent can be sure that the number is its."""
        try:
            self._control.sendall(wire.pack_note({"kill": pid}))
        except BlockingIOError:
            pass  # it is asked again
        except OSError:
            self.close()
            self._lost()

    def close(self) -> None:
        """Let go: the process ends, and its workers with it."""
        if self._control.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._control)
            self._control.close()

    def _read(self) -> None:
        try:
            data = self._control.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            self._lost()
            return
        try:
            for message in self._reader.feed(data):
                self._heard(wire.read_note(message))
        except BrokenMessage:
            self.close()
            self._lost()


async def settled(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until something holds, looking a hundred times a second; False where it did not."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= until:
            return False
        await asyncio.sleep(0.01)
    return True
