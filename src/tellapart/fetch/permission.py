"""What each site's robots.txt allows, looked up once an origin."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tellapart.errors import FetchError
from tellapart.fetch.guard import Target
from tellapart.fetch.reasons import problem, shorten
from tellapart.fetch.robots import Robots

#: Seconds for which a failed look stands before the next one.
_FAILURE_STANDS = 60.0
#: The site itself cannot be reached: said with this reason, it says more than `robots`.
_UNREACHABLE = frozenset(
    ("private_address", "scheme", "port", "dns", "tls", "connection", "timeout", "too_slow")
)

_Look = tuple[Robots | FetchError, float]


class Permissions:
    """Asks each origin's robots.txt once; `read` fetches one (guarded) and returns its bytes."""

    def __init__(self, read: Callable[[str], Awaitable[bytes]]) -> None:
        self._read = read
        self._looks: dict[str, asyncio.Task[_Look]] = {}

    async def delay(self, target: Target) -> float:
        """Return the seconds to leave between requests to `target`'s origin; 0 where none asked.

        Raises `RefusedError` (`robots`) where the site says no, or where its robots.txt
        answers with a server's error (RFC 9309, 2.3.1.4); the site's own failure where it
        cannot be reached.
        """
        loop = asyncio.get_running_loop()
        task = self._looks.get(target.origin)
        if task is None or (task.done() and (task.cancelled() or task.result()[1] < loop.time())):
            task = loop.create_task(self._look(target.origin))
            self._looks[target.origin] = task
        # Others may wait for the same look: it goes on where this caller is cancelled.
        found, _ = task.result() if task.done() else await asyncio.shield(task)
        if isinstance(found, FetchError):
            # A new error each time: one raised twice would gather tracebacks.
            raise problem(found.reason, found.what)
        if not found.allows(target.path.decode("ascii")):
            raise problem("robots", f"{target.origin}/robots.txt closes {shorten(target.url)!r}.")
        return found.crawl_delay or 0.0

    async def aclose(self) -> None:
        tasks, self._looks = list(self._looks.values()), {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self, origin: str) -> _Look:
        url = f"{origin}/robots.txt"
        soon = asyncio.get_running_loop().time() + _FAILURE_STANDS
        try:
            data = await self._read(url)
        except FetchError as error:
            if error.reason in _UNREACHABLE:
                return error, soon
            if error.reason == "redirects" or error.reason.startswith(("http_3", "http_4")):
                return Robots(), float("inf")
            return problem("robots", f"{url} cannot be read for now. {error.what}"), soon
        return Robots.parse(data.decode("utf-8", "replace")), float("inf")
