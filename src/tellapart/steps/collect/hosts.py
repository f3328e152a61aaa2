"""How many pictures may be under way, in all and at one host; and which hosts hold up the others.

A host is put back while others deliver in time: when a picture of it takes eight times as long as
theirs (and a second), or when it has failed five times in a row. What is under way at it is then
given up and fetched later, if the others have not enough. No host is put back by itself: where
nobody is faster, everybody waits.
"""

from __future__ import annotations

import asyncio
import statistics
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import lru_cache
from urllib.parse import urlsplit

from tellapart.settings import Settings

#: Times the usual seconds of a picture, and seconds at least, after which its host is slow.
_TIMES, _LEAST = 8.0, 1.0
#: Failures in a row, and pictures that others must have delivered within so many seconds.
_FAILURES, _DELIVERED, _LATELY = 5, 8, 10.0
#: Seconds for which a host is put back: doubled each time.
_BACK, _LONGEST = 30.0, 600.0
_REMEMBERED = 64
#: Pictures under way at once at a host that has not delivered any yet.
_FIRST = 2
#: Seconds between two looks at how long pictures have been under way.
_REVIEW_EVERY = 0.05


class Hosts:
    """A slot is free again when the picture's row is committed."""

    def __init__(self, settings: Settings) -> None:
        self.total = max(1, settings.max_connections)
        self._all = asyncio.Semaphore(self.total)
        self._per_host = max(1, settings.max_per_host)
        self._slots: dict[str, asyncio.Semaphore] = {}
        #: How many slots each host has.
        self._opened: dict[str, int] = {}
        self._next_review = 0.0
        #: When the pictures under way at each host began.
        self._began: defaultdict[str, dict[object, float]] = defaultdict(dict)
        self._failed: Counter[str] = Counter()
        #: Host, end and seconds of the pictures delivered last.
        self._delivered: deque[tuple[str, float, float]] = deque(maxlen=_REMEMBERED)
        self._back_until: dict[str, float] = {}
        #: How often each host was put back.
        self.put_back: Counter[str] = Counter()

    @asynccontextmanager
    async def slot(self, host: str) -> AsyncIterator[None]:
        """Hold a slot of the host and one of all, in this order; `""` is no host.

        A host has two slots at first and one more for each picture that it delivers, up to the
        setting: one that holds up the others is found out with few requests.
        """
        async with AsyncExitStack() as stack:
            if host:
                await stack.enter_async_context(self._slots_of(host))
            await stack.enter_async_context(self._all)
            mark = object()
            if host:
                self._began[host][mark] = self._now()
            try:
                yield
            finally:
                began = self._began.get(host, {})
                began.pop(mark, None)
                if not began:
                    self._began.pop(host, None)

    def enough(self, host: str) -> int:
        """How many pictures of one class may be under way at the host, or wait for a slot of it."""
        return 2 * self._opened.get(host, min(_FIRST, self._per_host))

    def delivered(self, host: str, seconds: float) -> None:
        """A picture came, after that many seconds."""
        self._failed.pop(host, None)
        slots = self._slots_of(host)
        if self._opened[host] < self._per_host:
            self._opened[host] += 1
            slots.release()
        self._delivered.append((host, self._now(), seconds))

    def failed(self, host: str) -> None:
        """A picture was not given out, or was none."""
        self._failed[host] += 1
        if self._failed[host] >= _FAILURES and self._others_deliver(host):
            self._put_back(host)

    def is_back(self, host: str) -> bool:
        """Whether others are to be asked before it."""
        return self._back_until.get(host, 0.0) > self._now() if self._back_until else False

    def back(self) -> frozenset[str]:
        """All hosts that are put back now."""
        if not self._back_until:
            return frozenset()
        now = self._now()
        return frozenset(host for host, until in self._back_until.items() if until > now)

    def review(self) -> None:
        """Put back the hosts at which something has been under way for too long."""
        if self._now() < self._next_review:
            return
        self._next_review = self._now() + _REVIEW_EVERY
        for host, began in self._began.items():
            lasted = self._now() - min(began.values())
            if lasted <= _LEAST or self.is_back(host) or not self._others_deliver(host):
                continue
            usual = statistics.median(took for name, _, took in self._delivered if name != host)
            if lasted > _TIMES * usual:
                self._put_back(host)

    def _slots_of(self, host: str) -> asyncio.Semaphore:
        if host not in self._slots:
            self._opened[host] = min(_FIRST, self._per_host)
            self._slots[host] = asyncio.Semaphore(self._opened[host])
        return self._slots[host]

    def _others_deliver(self, host: str) -> bool:
        since = self._now() - _LATELY
        of_others = (name for name, at, _ in self._delivered if name != host and at >= since)
        return sum(not self.is_back(name) for name in of_others) >= _DELIVERED

    def _put_back(self, host: str) -> None:
        rest = min(_BACK * 2.0 ** self.put_back[host], _LONGEST)
        self._back_until[host] = self._now() + rest
        self.put_back[host] += 1
        self._failed.pop(host, None)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


@lru_cache(maxsize=16_384)
def host_of(url: str) -> str:
    """The host's name and port; empty where nothing is asked of any (`data:`, broken URLs)."""
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""
