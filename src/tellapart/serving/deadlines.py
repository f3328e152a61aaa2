"""When jobs are too late: one timer for all of them, set for the earliest."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterator

from tellapart.serving.batching import Ticket

#: Seconds between looks for late jobs: at least.
_SOON = 0.005


class Deadlines:
    """Looks after the deadlines of jobs. One event loop's."""

    def __init__(
        self, tickets: Callable[[], Iterator[Ticket]], late: Callable[[Ticket], None]
    ) -> None:
        """`tickets`: all jobs, wherever they are; `late` is called with each that is too late."""
        self._tickets = tickets
        self._late = late
        self._timer: asyncio.TimerHandle | None = None
        #: When late jobs are looked for next (monotonic).
        self.due = math.inf

    def watch(self, deadline: float, now: float) -> None:
        """Look again at that time; to be called where it is before `due`."""
        self.close()
        self.due = deadline
        wait = max(_SOON, deadline - now)
        self._timer = asyncio.get_running_loop().call_later(wait, self._look)

    def close(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self.due = None, math.inf

    def _look(self) -> None:
        self._timer, self.due = None, math.inf
        now = time.monotonic()
        earliest = math.inf
        for ticket in list(self._tickets()):
            if ticket.over:
                continue
            if ticket.job.deadline <= now:
                self._late(ticket)
            else:
                earliest = min(earliest, ticket.job.deadline)
        if earliest < self.due:
            self.watch(earliest, now)
