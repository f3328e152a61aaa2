"""The workers and the one queue before them: submit, shed, replace, reload, drain."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tellapart.errors import OverloadedError, TellapartError, WorkerError
from tellapart.serving import admission, faults, spawn
from tellapart.serving.batching import Done, Ticket
from tellapart.serving.deadlines import Deadlines
from tellapart.serving.generation import Generation
from tellapart.serving.jobs import Answer, Job, Outcome
from tellapart.serving.links import settled
from tellapart.serving.models import ModelInfo, Models
from tellapart.serving.options import Options
from tellapart.serving.spawn import Child

#: Called in the event loop with what happened (`worker_lost`, …) and the facts of it.
OnEvent = Callable[[str, dict[str, Any]], None]

#: Seconds between looks for workers that hang.
_LOOK = 0.25
#: Seconds before bundles that could not be loaded anew are tried again; doubled up to a minute.
_PAUSE = 1.0
#: How often a child that died while it loaded is started again.
_TRIES = 3


class Pool:
    """All workers, and the jobs that wait for them. Lives in one event loop.

    Events: `worker_ready`, `worker_lost` (pid, jobs), `worker_ended` (pid, how), `worker_hung`,
    `poison` (model, id), `shed` (jobs, waiting), `late` (model, id), `reloaded` (models),
    `reload_failed` (error), `loader_lost` (how).
    """

    def __init__(
        self, options: Options, *, child: Child | None = None, on_event: OnEvent | None = None
    ) -> None:
        """`child`: what `spawn.start(options)` gave, so that workers load while the front does."""
        self.options = options
        self._child = child
        self._on_event = on_event
        self._numbers = itertools.count(1)
        self._current: Generation | None = None
        self._retired: set[Generation] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._reloading = asyncio.Lock()
        self._closing = False
        self._deadlines = Deadlines(self._tickets, self._late)
        self._ended_served = 0
        self._ended_sizes: Counter[int] = Counter()
        self._counts = dict.fromkeys(("shed", "late", "replaced", "hung", "poison", "reloads"), 0)

    @property
    def models(self) -> Models:
        """The models that are served now."""
        return self._current.models if self._current is not None else Models()

    @property
    def ready(self) -> bool:
        """Whether a worker that has loaded and warmed up is there, and the server goes on."""
        return not self._closing and self._current is not None and bool(self._current.ready)

    @property
    def full(self) -> bool:
        """Whether the next job would be turned away: asked before a body is read."""
        current = self._current
        if self._closing or current is None:
            return True
        if not current.ready and current.struggling:
            return True
        return current.queue.count > 0 and admission.full(current, self.options)

    @property
    def default(self) -> ModelInfo:
        """The model that is asked where none is named. Raises `OverloadedError`, as `enqueue`."""
        if self._current is None or self._current.default is None:
            raise faults.closed()
        return self._current.default

    @property
    def waiting(self) -> int:
        """Jobs that no worker holds yet."""
        return len(self._current.queue) if self._current is not None else 0

    @property
    def retry_after(self) -> float:
        """Seconds until the work at hand will be done, as things go: 0.1 up."""
        wait = self._current.wait() if self._current is not None and self.ready else 1.0
        return max(0.1, wait)

    async def start(self) -> None:
        """Return when the first worker is ready.

        Raises what a bundle cannot be loaded for (`NotFoundError`, `VerificationError`,
        `MissingExtraError`, `InputError`) and `WorkerError` where workers die while they start.
        """
        child, self._child = self._child, None
        self._current = await self._load(self.options.bundles, child)
        self._run(self._look())

    async def _load(
        self, bundles: Sequence[Path], child: Child | None = None, *, whole: bool = False
    ) -> Generation:
        for attempt in itertools.count(1):
            if child is None:
                try:
                    child = await asyncio.to_thread(spawn.start, self.options, bundles)
                except OSError as error:
                    raise faults.not_started(error) from error
            generation = Generation(child, self.options, self._tell)
            try:
                await generation.start(whole=whole)
            except WorkerError:
                # The loader died, which may have been the kernel's doing: out of memory.
                await generation.close()
                if attempt == _TRIES or not generation.barren:
                    raise
            except BaseException:
                await generation.close()
                raise
            else:
                return generation
            child = None
            await asyncio.sleep(0.2 * attempt)
        raise AssertionError  # never: the loop ends by itself alone

    def enqueue(self, job: Job) -> asyncio.Future[Answer]:
        """Take a job; its answer comes as the future's result.

        The future fails with `DeadlineError` when the deadline passes and `OverloadedError` when
        the server stops. Raises at once `OverloadedError` where the queue is full or would not be
        worked off by the deadline, `NotFoundError` for an unknown model, `InputError` for a job
        that the model does not take. A picture that cannot be used is an answer with an `error`.
        Cancelling the future drops the job.
        """
        return self.enqueue_all((job,))[0]

    def enqueue_all(self, jobs: Sequence[Job]) -> list[asyncio.Future[Answer]]:
        """Take all jobs of a request, or none of them; raises as `enqueue`."""
        generation = self._generation()
        infos = [self._checked(generation, job) for job in jobs]
        now = time.monotonic()
        # Where nothing waits, it is begun at once, or next, however many it is.
        if len(generation.queue) or not generation.ready:
            deadline = min((job.deadline for job in jobs), default=math.inf)
            self._admit(generation, len(jobs), deadline, now)
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[Answer]] = []
        tickets = []
        for job, info in zip(jobs, infos, strict=True):
            future: asyncio.Future[Answer] = loop.create_future()
            ticket = self._ticket(generation, job, info, now, _resolve, future)
            future.add_done_callback(partial(self._cancelled, ticket))
            tickets.append(ticket)
            futures.append(future)
        if len(tickets) == 1:
            generation.push(tickets[0])
        else:
            for ticket in tickets:
                generation.queue.push(ticket)
            generation.dispatch()
        return futures

    def begin(
        self, job: Job, done: Done, asker: Any = None, info: ModelInfo | None = None
    ) -> Ticket:
        """Take a job; `done` is called once with its ticket, which names `asker`, and what became
        of it: the short way, without a future. Raises as `enqueue`.

        `info`: the model, where it was looked up since the last `await` and takes such a job.
        """
        generation = self._current
        if generation is None or self._closing:
            raise faults.closed()
        info = info or self._checked(generation, job)
        now = time.monotonic()
        if generation.queue.count or not generation.ready:
            self._admit(generation, 1, job.deadline, now)
        ticket = self._ticket(generation, job, info, now, done, asker)
        generation.push(ticket)
        return ticket

    def drop(self, ticket: Ticket) -> None:
        """Nobody waits for a job any more."""
        ticket.over = True
        for generation in self._generations():
            if generation.queue.drop(ticket):
                break
        ticket.job.payload = b""  # where a worker has it, it is not tried again

    def _cancelled(self, ticket: Ticket, future: asyncio.Future[Answer]) -> None:
        if future.cancelled() and not ticket.over:
            self.drop(ticket)

    def _generation(self) -> Generation:
        if self._closing or self._current is None:
            raise faults.closed()
        return self._current

    @staticmethod
    def _checked(generation: Generation, job: Job) -> ModelInfo:
        info = generation.models.find(job.model, job.version)
        if job.kind != info.kind or job.why or job.outputs:
            admission.check(job, info)
        return info

    def _ticket(
        self,
        generation: Generation,
        job: Job,
        info: ModelInfo,
        now: float,
        done: Done,
        asker: Any,
    ) -> Ticket:
        if job.deadline < self._deadlines.due:
            self._deadlines.watch(job.deadline, now)
        place, cost = generation.cost(job, info)
        return Ticket(next(self._numbers), job, info, place, now, cost, done, asker)

    def _admit(self, generation: Generation, jobs: int, deadline: float, now: float) -> None:
        try:
            admission.admit(generation, jobs, deadline, self.options, now)
        except OverloadedError:
            self._counts["shed"] += jobs
            self._tell("shed", jobs=jobs, waiting=len(generation.queue))
            raise

    async def submit(self, job: Job) -> Answer:
        """`enqueue` and wait."""
        return await self.enqueue(job)

    def _late(self, ticket: Ticket) -> None:
        self._counts["late"] += 1
        self._tell("late", model=ticket.info.name, id=ticket.job.id)
        ticket.end(faults.too_late(self.options.deadline))
        self.drop(ticket)

    async def reload(self, bundles: Sequence[Path] | None = None) -> Models:
        """Load bundles (default: the same paths anew) beside the old ones, then switch over.

        The old workers finish what they hold. Raises as `start`; the old ones then go on.
        """
        async with self._reloading:
            old = self._current
            if self._closing or old is None:
                raise faults.closed()
            try:
                new = await self._load(old.bundles if bundles is None else bundles, whole=True)
            except TellapartError as error:
                self._tell("reload_failed", error=error.to_dict()["error"])
                raise
            try:
                self._generation()
            except OverloadedError:  # it was told to stop meanwhile
                await new.close()
                raise
            self._current, old.retired = new, True
            self._retired.add(old)
            if not old.ready:
                new.adopt(old.queue.clear())
            self._run(self._retire(old))
            self._counts["reloads"] += 1
            self._tell("reloaded", models=[info.key for info in new.models])
            return new.models

    async def _retire(self, old: Generation) -> None:
        most = self.options.deadline + self.options.hang
        await settled(lambda: not (len(old.queue) or old.held), most)
        await self._end(old)
        self._retired.discard(old)

    async def drain(self, seconds: float | None = None) -> bool:
        """Take nothing new, finish what is there, end the workers; False where time ran out.

        `seconds`: how long that may take; default: the option `drain`.
        """
        self._closing = True
        most = self.options.drain if seconds is None else seconds
        done = await settled(lambda: not self._busy(), most)
        self._deadlines.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(self._end(one) for one in self._generations()))
        if self._child is not None:  # never started
            self._child.control.close()
            self._child = None
        self._current = None
        return done

    def _busy(self) -> bool:
        return any(len(one.queue) or one.held for one in self._generations())

    async def _end(self, generation: Generation) -> None:
        left = generation.queue.clear()
        for link in generation.links:
            left += link.take_all()
        for ticket in left:
            ticket.end(faults.closed())
        self._ended_served += generation.served
        self._ended_sizes += generation.sizes
        generation.served = 0
        generation.sizes.clear()
        await generation.close()

    def stats(self) -> dict[str, Any]:
        """Figures of now.

        `waiting`, `in_work`, `workers` (each pid, ready, jobs, answered), and counts since the
        start: `batches` (how often by how many were answered together), `served`, `shed`, `late`,
        `replaced`, `hung`, `poison`, `reloads`.
        """
        return {
            **self._counts,
            "served": self._ended_served + sum(one.served for one in self._generations()),
            "batches": sum((one.sizes for one in self._generations()), self._ended_sizes),
            "waiting": sum(len(one.queue) for one in self._generations()),
            "in_work": sum(one.held for one in self._generations()),
            "workers": [
                {
                    "pid": link.pid,
                    "ready": link.ready,
                    "jobs": link.load,
                    "answered": link.answered,
                }
                for one in self._generations()
                for link in one.links
            ],
        }

    def _tickets(self) -> Iterator[Ticket]:
        for generation in self._generations():
            yield from generation.tickets()

    def _generations(self) -> list[Generation]:
        return [*([self._current] if self._current is not None else []), *self._retired]

    async def _look(self) -> None:
        """Replace workers that hang, and all of them where nobody is left to fork new ones."""
        step = min(_LOOK, self.options.hang / 4)
        again, pause = 0.0, _PAUSE
        last = time.monotonic()
        while True:
            await asyncio.sleep(step)
            now = time.monotonic()
            if now - last < step + self.options.hang / 2:
                for generation in self._generations():
                    generation.end_silent(now)
            # Else we stood still ourselves, and what the workers said meanwhile is not read yet.
            last = now
            if self._current is None or not self._current.barren or self._reloading.locked():
                continue
            if now >= again:
                try:
                    await self.reload()
                    pause = _PAUSE
                except Exception as error:  # whatever it is, hung workers must be looked for on
                    if not isinstance(error, TellapartError):  # of which reload has told
                        self._tell("reload_failed", error={"code": "error", "what": repr(error)})
                    pause = min(60.0, 2 * pause)
                again = time.monotonic() + pause

    def _run(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _tell(self, event: str, **facts: Any) -> None:
        counted = _COUNTED.get(event)
        if counted:
            self._counts[counted] += 1
        if self._on_event is not None:
            # A failing observer must not fail what it observes.
            with contextlib.suppress(Exception):
                self._on_event(event, facts)


def _resolve(ticket: Ticket, outcome: Outcome) -> None:
    """Give a future what became of its job."""
    future: asyncio.Future[Answer] = ticket.asker
    if future.done():
        return
    if type(outcome) is Answer:
        future.set_result(outcome)
    elif isinstance(outcome, TellapartError):
        future.set_exception(outcome)
    else:
        future.set_exception(TypeError("a job with a future is answered with numbers"))


_COUNTED = {
    "worker_lost": "replaced",
    "worker_hung": "hung",
    "poison": "poison",
}
