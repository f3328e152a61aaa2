"""One set of loaded bundles: the workers that hold them and the jobs that wait for these."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from tellapart.errors import TellapartError
from tellapart.serving import faults
from tellapart.serving.batching import Batch, Queue, Ticket
from tellapart.serving.jobs import Answer, Job, Seconds, Told
from tellapart.serving.links import ControlLink, WorkerLink, settled
from tellapart.serving.models import ModelInfo, Models
from tellapart.serving.options import Options
from tellapart.serving.spawn import Child
from tellapart.serving.wire import error_from

Tell = Callable[..., None]
T = TypeVar("T")

#: Seconds that loading may take, and a worker until it is ready.
_LOADING = 120.0
#: Workers that may die one after the other before the first is ready.
_PATIENCE = 5
#: Seconds before another is forked after some have died while they started: at most.
_BACK_OFF = 5.0
#: How many runs of the model a map by occlusion takes, about.
_OCCLUSION = 100
#: How much of the last batch goes into the mean of what a job costs.
_NEWS = 0.1


class Generation:
    """Workers forked from one child. Lives in one event loop."""

    def __init__(self, child: Child, options: Options, tell: Tell) -> None:
        self._child = child
        self._options = options
        self._tell = tell
        self._control: ControlLink | None = None
        self._wanted = 0
        self._batches: list[Batch] = []
        self._cost: list[float] = []
        self._interval = 0.0
        self._busy_since = 0.0
        self._failures = 0
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._loaded: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        #: Workers whose process id is not known yet, in the order in which they are forked.
        self._unnamed: deque[WorkerLink] = deque()
        self.queue = Queue(options.batch_delay)
        self.links: list[WorkerLink] = []
        #: The workers that can take jobs.
        self.ready: list[WorkerLink] = []
        self.models = Models()
        #: The model that is asked where none is named.
        self.default: ModelInfo | None = None
        self._default = 0
        self.places: dict[tuple[str, int], int] = {}
        self.bundles = child.bundles
        self.closed = False
        #: Jobs answered, and how many together how often.
        self.served = 0
        self.sizes: Counter[int] = Counter()
        #: Whether the process that forks is gone: dead workers are not replaced any more.
        self.barren = False
        #: Whether another has taken its place: it gets no more jobs.
        self.retired = False

    async def start(self, *, whole: bool = False) -> None:
        """Return when a worker is ready; `whole`: when all are, or a second has passed.

        Raises what the bundles cannot be loaded for, and `WorkerError`.
        """
        self._control = ControlLink(self._child.control, self._heard, self._lost)
        facts = await self._within(self._loaded)
        self._wanted = facts["workers"]
        self._batches = [Batch(*each) for each in facts["batches"]]
        # The first alone: it is ready sooner, and leaves what it compiled for the others to load.
        self._spawn()
        await self._within(self._first)
        for _ in range(self._wanted - 1):
            self._spawn()
        if whole:
            await settled(lambda: len(self.ready) == self._wanted, 1.0)

    @staticmethod
    async def _within(future: asyncio.Future[T]) -> T:
        try:
            return await asyncio.wait_for(future, _LOADING)
        except TimeoutError:
            raise faults.too_slow(_LOADING) from None

    @property
    def held(self) -> int:
        """Jobs that workers hold."""
        return sum(link.load for link in self.links)

    @property
    def struggling(self) -> bool:
        """Whether workers die one after the other, or cannot be replaced."""
        return self.barren or self._failures > 1

    def cost(self, job: Job, info: ModelInfo) -> tuple[int, float]:
        """A model's place, and the seconds of a worker's time that a job is expected to take."""
        place = self._default if info is self.default else self.places[info.key]
        each = self._cost[place]
        if job.why and "map" not in info.outputs:
            each *= _OCCLUSION
        return place, each

    def wait(self) -> float:
        """Seconds until a job that comes now would be begun, as things go.

        By how fast jobs were done when all workers had work, and by what one of each kind takes:
        whichever is longer.
        """
        seconds, jobs = self.queue.seconds, self.queue.count
        for link in self.links:
            seconds += link.seconds
            jobs += link.load
        by_clock = jobs * self._interval
        by_cost = seconds / (len(self.ready) or 1)
        return by_clock if by_clock > by_cost else by_cost

    def push(self, ticket: Ticket) -> None:
        """Take a job: to a worker at once where one has room and nobody waits."""
        size = self._batches[ticket.place].size(self._cost[ticket.place])
        link = self.queue.straight(self.ready, size)
        if link is None:
            # No worker has room: the next that answers looks here.
            self.queue.push(ticket)
            if self.queue.delay:
                self.dispatch()
        else:
            link.send_one(ticket)

    def tickets(self) -> Iterator[Ticket]:
        """All jobs, wherever they are."""
        yield from self.queue
        for link in self.links:
            yield from link

    def dispatch(self) -> None:
        """Give waiting jobs to workers that can take some."""
        queue = self.queue
        while (first := queue.first) is not None:
            size = self._batches[first.place].size(self._cost[first.place])
            now = time.monotonic()
            if queue.delay:
                due = queue.holds_until(now, size)
                if due is not None:
                    self._call_at(due - now)
                    return
            given = queue.take(self.ready, size)
            if given is None:
                return
            link, tickets = given
            tickets = [ticket for ticket in tickets if not ticket.over]
            if tickets:
                link.send(tickets, now)

    def _call_at(self, seconds: float) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._due)

    def _due(self) -> None:
        self._timer = None
        self.dispatch()

    def adopt(self, tickets: Iterable[Ticket]) -> None:
        """Take over jobs of a generation that has no workers any more."""
        for ticket in tickets:
            if ticket.over:
                continue
            place = self.places.get(ticket.info.key)
            if place is None:
                ticket.end(faults.nobody())
                continue
            ticket.place, ticket.info = place, self.models.find(*ticket.info.key)
            self.queue.push(ticket)
        self.dispatch()

    def end_silent(self, now: float) -> None:
        """End workers that have had work, and have said nothing, for too long."""
        for link in self.links:
            limit = self._options.hang if link.ready else _LOADING
            if (link.load or not link.ready) and now - link.heard > limit:
                if not link.hung:  # else its end takes its time, and is asked for again
                    self._tell(
                        "worker_hung", pid=link.pid, jobs=link.load, seconds=now - link.heard
                    )
                link.heard, link.hung = now, True
                self._kill(link)

    def _kill(self, link: WorkerLink) -> None:
        if self._control is not None and not self.barren:
            self._control.kill(link.pid)
        elif link.pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(link.pid, signal.SIGKILL)
            link.close()

    async def close(self) -> None:
        """Let the workers go, with whatever they still hold, and wait for their end."""
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        for link in list(self.links):
            if self.barren:
                self._kill(link)  # one that hangs would not find its connection closed
            link.close()
        if self._control is not None:
            self._control.close()
        else:
            self._child.control.close()
        if not await settled(lambda: self._child.process.poll() is not None, 3.0):
            self._child.process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.process.wait(1)

    # --- what the workers' ends tell

    def worker_ready(self, worker: WorkerLink, facts: dict[str, Any]) -> None:
        self._failures = 0
        self.ready.append(worker)
        if not self.places:
            infos = [_info(item) for item in facts["models"]]
            try:
                self.models = Models(infos)
            except TellapartError as error:
                self._fail(error)
                return
            self.places = {info.key: place for place, info in enumerate(infos)}
            self.default = self.models.default
            self._default = self.places[self.default.key]
            self._cost = list(map(float, facts["seconds"]))
        if not self._first.done():
            self._first.set_result(None)
        self._tell("worker_ready", pid=worker.pid)
        self.dispatch()

    def worker_answered(
        self, worker: WorkerLink, answers: list[tuple[Ticket, Answer | Told]]
    ) -> None:
        # A worker only says of those that are late that they are.
        done = 0
        for ticket, answer in answers:
            if type(answer) is Told:
                done += 1
                # Of what could not be read nothing is learned: it takes next to no time.
                if answer.status == 200:
                    self._learn(ticket.place, answer.decode + answer.infer / answer.batch)
                ticket.end(answer)
            elif type(answer) is Answer:
                done += bool(answer.probabilities or answer.error)
                self._finish(ticket, answer)
        self._answered(done, answers[0][1].batch)

    def worker_told(self, ticket: Ticket, told: Told) -> None:
        """`worker_answered` of one: the usual."""
        if told.status == 200:
            cost = self._cost
            spent = told.decode + told.infer / told.batch
            cost[ticket.place] += _NEWS * (spent - cost[ticket.place])
        if not ticket.over:
            ticket.over = True
            ticket.done(ticket, told)
        self._answered(1, told.batch)

    def _answered(self, jobs: int, batch: int) -> None:
        """Learn how fast jobs are done, by the clock, while all have work; give out the next."""
        if jobs:
            self.served += jobs
            self.sizes[batch] += 1
        if jobs and self._busy_since:
            now = time.monotonic()
            spent = (now - self._busy_since) / jobs
            old = self._interval or spent
            weight = _NEWS if jobs == 1 else 1 - (1 - _NEWS) ** jobs
            self._interval = old + weight * (spent - old)
            self._busy_since = now
        if self.queue.count:
            self.dispatch()
        for link in self.ready:
            if not link.load:
                self._busy_since = 0.0
                return
        self._busy_since = self._busy_since or time.monotonic()

    def _learn(self, place: int, seconds: float) -> None:
        self._cost[place] += _NEWS * (seconds - self._cost[place])

    def _finish(self, ticket: Ticket, answer: Answer) -> None:
        odds = answer.probabilities
        if odds:
            self._learn(ticket.place, answer.seconds.decode + answer.seconds.infer / answer.batch)
        if ticket.over:
            return
        info = answer.info = ticket.info
        answer.model, answer.version = info.name, info.version
        if odds:
            answer.best = info.labels[odds.index(max(odds))]
            answer.label = None if answer.abstained else answer.best
        elif answer.error is None:
            ticket.end(faults.too_late(self._options.deadline))
            return
        waited = max(0.0, ticket.sent - ticket.arrived)
        answer.seconds = Seconds(waited, answer.seconds.decode, answer.seconds.infer)
        ticket.end(answer)

    def worker_lost(self, worker: WorkerLink) -> None:
        """A worker's connection has ended: its jobs are tried again, and it is replaced."""
        self.links.remove(worker)
        if worker.ready:
            self.ready.remove(worker)
        tickets = worker.take_all()
        if self.closed:
            return
        self._tell("worker_lost", pid=worker.pid, jobs=len(tickets), answered=worker.answered)
        for ticket in [one for one in tickets if one.suspect]:
            tickets.remove(ticket)
            self._tell("poison", model=ticket.info.name, id=ticket.job.id)
            self._finish(ticket, faults.poison(ticket.job.kind))
        for ticket in tickets:
            ticket.suspect = True
        self.queue.push_back(tickets)
        if not worker.ready:
            self._failures += 1
        if self._failures >= _PATIENCE:
            self._fail(faults.never_ready(self._failures))
        if not self.barren:
            self._later()
        elif self.retired and not self.links:
            for ticket in self.queue.clear():
                ticket.end(faults.nobody())
        self.dispatch()

    def _later(self) -> None:
        """Fork another worker: at once, or after a while where the last ones died early."""
        if not self._failures:
            self._spawn()
            return
        seconds = min(_BACK_OFF, 0.05 * 2**self._failures)
        asyncio.get_running_loop().call_later(seconds, self._spawn)

    def _spawn(self) -> None:
        if self.closed or self.barren or self._control is None:
            return
        link = WorkerLink(self)
        self.links.append(link)
        task = asyncio.ensure_future(self._fork(self._control, link))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _fork(self, control: ControlLink, link: WorkerLink) -> None:
        self._unnamed.append(link)
        try:
            await control.fork(link)
        except OSError:
            self.links.remove(link)
            self._lost()

    # --- what the child tells

    def _heard(self, head: dict[str, Any]) -> None:
        if "failed" in head:
            self._fail(error_from(head["failed"]))
        elif "loaded" in head and not self._loaded.done():
            self._loaded.set_result(head["loaded"])
        elif "forked" in head:
            self._unnamed.popleft().pid = head["forked"]
        elif "ended" in head:
            pid, code = head["ended"]
            self._tell("worker_ended", pid=pid, how=faults.how_ended(code))

    def _lost(self) -> None:
        """The process that forks is gone."""
        if self.closed or self.barren:
            return
        self.barren = True
        code = self._child.process.poll()
        self._fail(faults.loader_gone(code))
        self._tell("loader_lost", how=faults.how_ended(code))

    def _fail(self, error: TellapartError) -> None:
        for future in (self._loaded, self._first):
            if not future.done():
                future.set_exception(error)
                future.exception()  # looked at: whoever waits for one need not look at the other


def _info(facts: dict[str, Any]) -> ModelInfo:
    outputs = {name: (kind, tuple(shape)) for name, (kind, shape) in facts["outputs"].items()}
    lists = {name: tuple(facts[name]) for name in ("labels", "shape", "columns")}
    return ModelInfo(**{**facts, **lists, "outputs": outputs})
