"""Who answers what, and how much at a time: no sockets and no clock here.

Jobs wait in one queue. A worker without work gets some at once; a busy one gets as many as will
fill its next batch, so that it never waits for the front, and no more, so that the others do not
wait for it. The worker makes its batch of what lies before it when it begins.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from tellapart.serving.jobs import Job, Outcome
from tellapart.serving.models import ModelInfo

#: Seconds for which a batch may keep its first job waiting for the others': on CPUs whose caches
#: hold the activations of one picture, larger batches of a large network gain nothing.
LEAD = 0.01


class Batch(NamedTuple):
    """How many items of a model go together: at most `most`, at most `lead` seconds long."""

    most: int
    #: 0: however long, where it was measured or asked for.
    lead: float = LEAD

    def size(self, seconds: float) -> int:
        """How many items that take `seconds` each make one batch: 1 to `most`."""
        if seconds <= 0 or not self.lead:
            return self.most
        return max(1, min(self.most, int(self.lead / seconds)))


class Ticket:
    """A job under way in the front."""

    __slots__ = (
        "arrived",
        "asker",
        "cost",
        "done",
        "info",
        "job",
        "number",
        "over",
        "place",
        "sent",
        "suspect",
    )

    def __init__(
        self,
        number: int,
        job: Job,
        info: ModelInfo,
        place: int,
        arrived: float,
        cost: float,
        done: Done,
        asker: Any = None,
    ) -> None:
        self.number = number
        self.job = job
        self.info = info
        #: The model's place in its generation.
        self.place = place
        self.arrived = arrived
        #: Seconds of a worker's time that it is expected to take.
        self.cost = cost
        #: Called once, with what became of it.
        self.done = done
        #: Who asked: `done`'s own.
        self.asker = asker
        self.sent = 0.0
        #: True: it was with a worker that died, and is tried once more by itself.
        self.suspect = False
        #: True: nobody waits for it any more.
        self.over = False

    def end(self, outcome: Outcome) -> None:
        """Tell who asked, unless nobody waits any more."""
        if not self.over:
            self.over = True
            self.done(self, outcome)


Done = Callable[[Ticket, Outcome], None]


class Load(Protocol):
    """What the choice of a worker looks at."""

    #: Jobs it holds.
    load: int
    #: Whether it holds a job that nobody may join.
    alone: bool


W = TypeVar("W", bound=Load)


class Queue:
    """Jobs that no worker holds yet, oldest first; suspects apart."""

    def __init__(self, delay: float = 0.0) -> None:
        #: Seconds for which a job may be kept waiting for company.
        self.delay = delay
        self._waiting: OrderedDict[int, Ticket] = OrderedDict()
        self._suspects: deque[Ticket] = deque()
        #: How many wait, the bytes of their payloads, and seconds of a worker's time.
        self.count = 0
        self.bytes = 0
        self.seconds = 0.0

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Ticket]:
        yield from self._suspects
        yield from self._waiting.values()

    def push(self, ticket: Ticket) -> None:
        self._waiting[ticket.number] = ticket
        self._count(ticket, 1)

    def push_back(self, tickets: Iterable[Ticket]) -> None:
        """Jobs of a worker that died: those that may have killed it wait apart."""
        for ticket in sorted(tickets, key=lambda ticket: ticket.number, reverse=True):
            self._count(ticket, 1)
            if ticket.suspect:
                self._suspects.appendleft(ticket)
            else:
                self._waiting[ticket.number] = ticket
                self._waiting.move_to_end(ticket.number, last=False)

    def drop(self, ticket: Ticket) -> bool:
        """Take a job out that nobody waits for any more; False where a worker holds it."""
        if ticket in self._suspects:
            self._suspects.remove(ticket)
        elif self._waiting.pop(ticket.number, None) is None:
            return False
        self._count(ticket, -1)
        return True

    def clear(self) -> list[Ticket]:
        """Take out all."""
        found = [*self._suspects, *self._waiting.values()]
        self._suspects.clear()
        self._waiting.clear()
        self.count, self.bytes, self.seconds = 0, 0, 0.0
        return found

    def holds_until(self, now: float, size: int) -> float | None:
        """When the first job has waited long enough for company; None: it need not wait."""
        if not self.delay or self._suspects or not self._waiting or len(self._waiting) >= size:
            return None
        due = next(iter(self._waiting.values())).arrived + self.delay
        return due if due > now else None

    def straight(self, workers: Sequence[W], size: int) -> W | None:
        """Who may have a job that comes now at once; None: it waits."""
        if self.count or self.delay:
            return None
        least, lowest = None, 2 * size
        for worker in workers:
            if worker.load < lowest and not worker.alone:
                least, lowest = worker, worker.load
                if not lowest:
                    break
        return least

    def take(self, workers: Sequence[W], size: int) -> tuple[W, list[Ticket]] | None:
        """The next worker to give jobs to, and the jobs; None where nobody can take any.

        `size`: how many make one batch of the first job's model.
        """
        least, lowest, idle = self._survey(workers, None)
        if self._suspects and least is not None:
            if not lowest:
                return least, [self._taken(self._suspects.popleft())]
            # It gets nothing more, so that the suspect finds it empty.
            least, lowest, idle = self._survey(workers, least)
        if least is None or not self._waiting or lowest >= 2 * size:
            return None
        if idle:
            count = min(size, math.ceil(len(self._waiting) / idle))
        else:
            count = min(2 * size - lowest, len(self._waiting))
        if count <= 0:
            return None
        return least, [self._taken(self._waiting.popitem(last=False)[1]) for _ in range(count)]

    def _taken(self, ticket: Ticket) -> Ticket:
        self._count(ticket, -1)
        return ticket

    def _count(self, ticket: Ticket, sign: int) -> None:
        self.count += sign
        self.bytes += sign * len(ticket.job.payload)
        self.seconds = self.seconds + sign * ticket.cost if self.count else 0.0

    @staticmethod
    def _survey(workers: Sequence[W], spared: W | None) -> tuple[W | None, int, int]:
        """Who holds least, how much that is, and how many hold nothing; not `spared`."""
        least, lowest, idle = None, 0, 0
        for worker in workers:
            if worker.alone or worker is spared:
                continue
            load = worker.load
            idle += not load
            if least is None or load < lowest:
                least, lowest = worker, load
        return least, lowest, idle

    @property
    def first(self) -> Ticket | None:
        """The job that is next, or None."""
        if self._suspects:
            return self._suspects[0]
        return next(iter(self._waiting.values())) if self._waiting else None
