"""How often one host is asked: slots, pauses it names, the pause of its robots.txt."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC
from email.utils import parsedate_to_datetime

from tellapart.fetch.reasons import problem

#: After so many pictures in a row that a host would not give out, whatever the waits, it is
#: left alone for so many seconds: the rest of its pictures fail at once.
_STRIKES, _REST = 8, 600.0


class Host:
    """What is under way at one host, and when it may be asked again."""

    def __init__(self, name: str, slots: int) -> None:
        self.name = name
        self._slots = asyncio.Semaphore(slots)
        #: Loop times: nothing is sent before.
        self._pause_ends = 0.0
        self._next_turn = 0.0
        self._strikes = 0

    def answered(self, *, rate_limited: bool) -> None:
        """Count what came of one URL in the end."""
        self._strikes = self._strikes + 1 if rate_limited else 0
        if self._strikes >= _STRIKES:
            self.pause(_REST)

    def pause(self, seconds: float) -> None:
        """Send nothing to this host for `seconds`: it said so."""
        self._pause_ends = max(self._pause_ends, asyncio.get_running_loop().time() + seconds)

    @asynccontextmanager
    async def slot(
        self, everyone: asyncio.Semaphore, *, delay: float, longest: float
    ) -> AsyncIterator[None]:
        """Hold one of the host's slots and one of all, once the host may be asked.

        `delay` seconds lie between the starts of two requests. Raises `FetchError`
        (`rate_limited`) at once where the host wants to be left alone for more than `longest`
        seconds.
        """
        loop = asyncio.get_running_loop()
        # The host's slot first: a slow host's queue must not take the slots of all.
        async with self._slots:
            while (wait := self._pause_ends - loop.time()) > 0:
                if wait > longest:
                    raise problem(
                        "rate_limited",
                        f"The host {self.name!r} asks to be left alone for {wait:,.0f} s more.",
                    )
                await asyncio.sleep(wait)
            if delay > 0:
                turn = max(self._next_turn, loop.time())
                self._next_turn = turn + delay
                await asyncio.sleep(turn - loop.time())
            async with everyone:
                yield


def retry_after(value: str | None) -> float | None:
    """Read a Retry-After header, seconds or an HTTP date; `None` where there is none to read."""
    if not value:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        # A number too long to be meant is read as its first digits: still far too long to wait.
        return float(value[:12])
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, IndexError, TypeError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - time.time())


def backoff(url: str, attempt: int, base: float) -> float:
    """Seconds before try `attempt` + 1: doubled each time, spread by ±50 %.

    The spread comes from the URL, so that many pictures do not come back at one moment and a
    run still behaves the same each time.
    """
    digest = hashlib.sha256(f"{attempt} {url}".encode("utf-8", "surrogatepass")).digest()
    return base * 2.0 ** (attempt - 1) * (0.5 + digest[0] / 255)
