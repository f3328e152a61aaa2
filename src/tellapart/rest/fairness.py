"""Turns and rates: one busy account must not make the others wait.

A request needs a turn while it is worked on, until its answer begins; turns go round the accounts,
so that whoever asks once comes soon, however many requests another one has waiting. Accounts that
ask for more while their last request is not answered yet share one turn, and a part of the time, as
long as others ask too: cores are few, and what is worked on beside a request slows it down. Beside
that each account has a rate: what goes beyond it waits, and what would wait too long is refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from tellapart.errors import RequestError

#: Requests worked on at once: in all, of one account, and of all that press while others ask.
TOTAL, EACH, PRESSING = 12, 4, 1
#: Requests of one account that wait for a turn.
WAITING = 256
#: Seconds for which an account counts as pressing, and for which others count as asking.
_PRESSED, _ASKED = 2.0, 1.0
#: How long those that press then rest, in times of what their last request took, and the most.
REST, LONGEST_REST = 3.0, 1.0
#: Seconds that a request beyond its rate is made to wait before it is refused.
PATIENCE = 2.0
_MOST_KEYS = 10_000


@dataclass
class _Line:
    active: int = 0
    #: When the last of them began.
    began: float = 0.0
    #: Until when it counts as pressing.
    pressing: float = 0.0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)


class Turns:
    """Who is worked on next. One event loop's."""

    def __init__(
        self,
        total: int = TOTAL,
        each: int = EACH,
        waiting: int = WAITING,
        pressing: int = PRESSING,
    ) -> None:
        self._free, self._each, self._waiting = total, each, waiting
        self._pressing = pressing
        self._lines: dict[str, _Line] = {}
        #: Whose turn it is: keys with somebody waiting, the next one first.
        self._round: deque[str] = deque()
        #: When those who do not press had a turn last: of two keys, the latest last.
        self._calm: dict[str, float] = {}
        #: Until when those that press rest, and who calls them then.
        self._resting = 0.0
        self._waker: asyncio.TimerHandle | None = None

    async def take(self, key: str) -> None:
        """Wait for a turn of `key`; give it back by `give`. Raises `RequestError` (429)."""
        line = self._lines.setdefault(key, _Line())
        if line.active or line.waiting:
            line.pressing = time.monotonic() + _PRESSED
        if not line.waiting and self._may(key, line):
            self._start(key, line)
            return
        if len(line.waiting) >= self._waiting:
            raise RequestError(
                f"{len(line.waiting)} requests of yours are waiting.",
                expected=f"at most {self._waiting} at once",
                do="Wait for answers before you ask more.",
                status=429,
                retry_after=1.0,
            )
        mine = asyncio.get_running_loop().create_future()
        if not line.waiting:
            self._round.append(key)
        line.waiting.append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():  # given at the last moment
                self.give(key)
            else:
                with contextlib.suppress(ValueError):
                    line.waiting.remove(mine)
                self._drop_empty(key)
            raise

    def give(self, key: str) -> None:
        """The turn of `key` is over."""
        line = self._lines[key]
        line.active -= 1
        self._free += 1
        now = time.monotonic()
        if line.pressing > now:
            self._rest(now, min(REST * (now - line.began), LONGEST_REST))
        self._drop_empty(key)
        self._next()

    def _rest(self, now: float, seconds: float) -> None:
        """Let those that press wait; they are called afterwards, for maybe nothing else will."""
        if now + seconds <= self._resting:
            return
        self._resting = now + seconds
        if self._waker is not None:
            self._waker.cancel()
        self._waker = asyncio.get_running_loop().call_later(seconds, self._wake)

    def _wake(self) -> None:
        """Their rest is over; no clock is asked, for it may be a little behind the loop's."""
        self._resting, self._waker = 0.0, None
        self._next()

    def _may(self, key: str, line: _Line) -> bool:
        """Whether one more of these may be worked on now."""
        if self._free <= 0 or line.active >= self._each:
            return False
        now = time.monotonic()
        others = any(now - at <= _ASKED for one, at in self._calm.items() if one != key)
        if line.pressing <= now or not others:
            return True
        pressing = (one.active for one in self._lines.values() if one.pressing > now)
        return self._resting <= now and sum(pressing) < self._pressing

    def _start(self, key: str, line: _Line) -> None:
        self._free, line.active = self._free - 1, line.active + 1
        line.began = now = time.monotonic()
        if line.pressing <= now:
            self._calm.pop(key, None)
            self._calm[key] = now
            if len(self._calm) > 2:
                del self._calm[next(iter(self._calm))]

    def _drop_empty(self, key: str) -> None:
        line = self._lines.get(key)
        # One that presses is remembered: else it would begin anew with each answer.
        if line is None or line.active or line.waiting:
            return
        if line.pressing <= time.monotonic() or len(self._lines) > _MOST_KEYS:
            del self._lines[key]

    def _next(self) -> None:
        """Call those who wait: who does not press first, then round the others."""
        for pressing in (False, True):
            going_on = True
            while going_on:
                going_on = False
                for _ in range(len(self._round)):
                    if self._free <= 0:
                        return
                    going_on |= self._call(self._round.popleft(), pressing)

    def _call(self, key: str, pressing: bool) -> bool:
        """Let one of `key` begin, if it may; it then goes to the end of the round."""
        line = self._lines.get(key)
        while line is not None and line.waiting and line.waiting[0].done():
            line.waiting.popleft()  # gave up
        if line is None or not line.waiting:
            self._drop_empty(key)
            return False
        its_turn = (line.pressing > time.monotonic()) is pressing and self._may(key, line)
        if its_turn:
            line.waiting.popleft().set_result(None)
            self._start(key, line)
        if line.waiting:
            self._round.append(key)
        return its_turn

    @contextlib.asynccontextmanager
    async def turn(self, key: str) -> AsyncIterator[None]:
        """A turn for the block."""
        await self.take(key)
        try:
            yield
        finally:
            self.give(key)


class Rates:
    """How much each key may ask for: a bucket that fills `rate` a second, up to `burst`."""

    def __init__(self, rate: float, burst: float, patience: float = PATIENCE) -> None:
        self._rate, self._burst, self._patience = rate, burst, patience
        #: When each bucket would be full again.
        self._full: dict[str, float] = {}

    async def take(self, key: str, cost: float = 1.0) -> None:
        """Count `cost`; waits where the bucket is empty. Raises `RequestError` (429)."""
        wait = self.count(key, cost)
        if wait > self._patience:
            raise RequestError(
                f"More requests than {self._rate:g} a second were sent for a while.",
                expected=f"at most {self._rate:g} a second",
                do="Ask more slowly; Retry-After says when to go on.",
                status=429,
                retry_after=wait,
            )
        if wait > 0:
            await asyncio.sleep(wait)

    def count(self, key: str, cost: float = 1.0) -> float:
        """Count `cost`, unless it would wait too long; the seconds that it has to wait."""
        now = time.monotonic()
        full = max(now, self._full.get(key, 0.0)) + cost / self._rate
        wait = full - now - self._burst / self._rate
        if wait <= self._patience:
            if len(self._full) >= _MOST_KEYS:
                self._full = {k: at for k, at in self._full.items() if at > now}
            self._full[key] = full
        return max(0.0, wait)
