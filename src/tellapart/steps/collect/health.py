"""Which sources may be asked: a circuit breaker each, kept for the whole machine.

A source that fails three times in a row rests, at first five minutes. While it rests the others
are asked before it. Where they have no more it is tried once in a run all the same: nobody who
typed a command should hear that something was not even tried.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from tellapart.catalog.sources import OPENS, SourceState
from tellapart.errors import FetchError

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


class Health:
    """The states of a run's sources, by the names under which they are known."""

    def __init__(self, states: Mapping[str, SourceState], clock: Clock = utc_now) -> None:
        self._states = dict(states)
        self._clock = clock
        self._changed: set[str] = set()
        self._trying: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        #: Sources that rest and were tried in this run all the same: when they rested until.
        self._tried: dict[str, str] = {}

    def state(self, name: str) -> SourceState:
        return self._states.get(name) or SourceState(name)

    def rests(self, name: str) -> bool:
        """Whether others are to be asked first."""
        return self.state(name).rests(self._clock())

    @asynccontextmanager
    async def asking(self, name: str) -> AsyncIterator[bool]:
        """Hold the right to ask `name`; False where it rests and was tried already.

        One at a time tries a source whose breaker is open; the others wait for what comes of it.
        """
        if not self.state(name).is_open:
            yield True
            return
        async with self._trying[name]:
            state = self.state(name)
            allowed = not state.rests(self._clock()) or self._tried.get(name) is None
            if allowed and state.is_open:
                self._tried[name] = state.rests_until
            yield allowed

    def answered(self, name: str, *, found: bool) -> None:
        """It gave a page; `found`: with a picture in it."""
        self._tried.pop(name, None)
        self._put(self.state(name).answered(self._clock(), found=found))

    def failed(self, name: str, reason: str) -> None:
        """It gave none."""
        self._put(self.state(name).failed(self._clock(), reason))

    def refusal(self, name: str) -> FetchError:
        """Why a source that rests is not asked."""
        state = self.state(name)
        return FetchError(
            f"The source {name!r} has failed {state.failures} times in a row ({state.reason}); "
            f"it rests until {state.rests_until}.",
            expected=f"fewer than {OPENS} failures in a row",
            do="Run the same command later: it goes on where it stopped. "
            "`tellapart sources check` tries it now.",
            reason=state.reason or "resting",
        )

    def changed(self) -> list[SourceState]:
        """The states that differ from those given, once."""
        names, self._changed = sorted(self._changed), set()
        return [self._states[name] for name in names]

    def _put(self, state: SourceState) -> None:
        self._states[state.name] = state
        self._changed.add(state.name)
