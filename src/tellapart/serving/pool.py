"""The workers and the one queue before them: submit, shed, replace, reload, drain."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tellapart.serving.jobs import Answer, Job
from tellapart.serving.models import Models
from tellapart.serving.options import Options
from tellapart.serving.spawn import Child

#: Called in the event loop with what happened (`worker_died`, …) and the facts of it.
OnEvent = Callable[[str, dict[str, Any]], None]


class Pool:
    """All workers, and the jobs that wait for them. Lives in one event loop."""

    def __init__(
        self, options: Options, *, child: Child | None = None, on_event: OnEvent | None = None
    ) -> None:
        """`child`: what `spawn.start(options)` gave, so that workers load while the front does."""
        self.options = options
        self.models = Models()

    @property
    def ready(self) -> bool:
        """Whether a worker that has loaded and warmed up is there, and none drains."""
        raise NotImplementedError

    @property
    def full(self) -> bool:
        """Whether the next job would be turned away: asked before a body is read."""
        raise NotImplementedError

    @property
    def retry_after(self) -> float:
        """Seconds until the work at hand will be done."""
        raise NotImplementedError

    async def start(self) -> None:
        """Return when the first worker is ready.

        Raises what a bundle cannot be loaded for (`NotFoundError`, `VerificationError`,
        `MissingExtraError`, `InputError`) and `WorkerError` where workers die while they start.
        """
        raise NotImplementedError

    def enqueue(self, job: Job) -> asyncio.Future[Answer]:
        """Take a job; its answer comes as the future's result.

        The future fails with `DeadlineError` when the deadline passes and `OverloadedError` when
        the server stops. Raises at once `OverloadedError` where the queue is full or would not be
        worked off by the deadline, `NotFoundError` for an unknown model. A picture that cannot be
        used is an answer with an `error`. Cancelling the future drops the job.
        """
        raise NotImplementedError

    def enqueue_all(self, jobs: Sequence[Job]) -> list[asyncio.Future[Answer]]:
        """Take all jobs of a request, or none of them; raises as `enqueue`."""
        raise NotImplementedError

    async def submit(self, job: Job) -> Answer:
        """`enqueue` and wait."""
        return await self.enqueue(job)

    async def reload(self, bundles: Sequence[Path] | None = None) -> Models:
        """Load bundles (default: the same paths anew) beside the old ones, then switch over.

        The old workers finish what they hold. Raises as `start`; the old ones then go on.
        """
        raise NotImplementedError

    async def drain(self, seconds: float | None = None) -> bool:
        """Take nothing new, finish what is there, end the workers; False where time ran out.

        `seconds`: how long that may take; default: the option `drain`.
        """
        raise NotImplementedError

    def stats(self) -> dict[str, Any]:
        """Figures of now: waiting, in_work, workers, served, shed, late, replaced, reloads."""
        raise NotImplementedError
