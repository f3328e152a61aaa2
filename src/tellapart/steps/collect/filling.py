"""Fills one class: fetches in rank order until the wanted number of different pictures is here."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tellapart import images
from tellapart.catalog import Outcome
from tellapart.errors import FetchError, RefusedError
from tellapart.forgetting import REASON, Refusals
from tellapart.settings import Settings
from tellapart.steps.collect.candidates import PASSING, Candidate, changed
from tellapart.steps.collect.searching import ClassSearch
from tellapart.steps.collect.writing import Writer, arrived, examine

if TYPE_CHECKING:
    from tellapart.fetch import Fetcher

#: Fetch failures that say something about the file, not about the network.
_UNUSABLE = frozenset(("not_a_picture", "too_large", "empty", "bad_url"))
_MANY = 10**9


class Slots:
    """How many pictures may be under way: a slot is free again when the row is committed."""

    def __init__(self, settings: Settings) -> None:
        self.total = max(1, settings.max_connections)
        self._all = asyncio.Semaphore(self.total)
        self._per_host = max(1, settings.max_per_host)
        self._hosts: dict[str, asyncio.Semaphore] = {}

    async def enter(self, stack: AsyncExitStack, url: str) -> None:
        """Wait for a slot of the URL's host and one of all, in this order."""
        host = _host(url)
        if host:
            limit = self._hosts.setdefault(host, asyncio.Semaphore(self._per_host))
            await stack.enter_async_context(limit)
        await stack.enter_async_context(self._all)


class Filling:
    """One class on its way to `wanted` pictures (None: all there are).

    A picture is fetched only if fewer than `wanted` of those before it are, or may yet be, good
    ones: so which are fetched and taken is the same for every order of arrival. Exact duplicates
    do not count.
    """

    def __init__(
        self,
        wanted: int | None,
        rows: Iterable[Candidate],
        *,
        search: ClassSearch,
        fetcher: Fetcher,
        writer: Writer,
        slots: Slots,
        tell: Callable[[], None],
        refusals: Refusals,
    ) -> None:
        self.wanted = _MANY if wanted is None else wanted
        self._search: ClassSearch | None = search
        self._fetcher = fetcher
        self._writer = writer
        self._slots = slots
        self._tell = tell
        self._refusals = refusals
        self.shas: set[str] = set()
        self.refused = 0
        self._known: set[str] = set()
        self._pending: list[Candidate] = []
        self._under_way: dict[asyncio.Task[Outcome], Candidate] = {}
        self._sort_in(sorted(rows, key=lambda row: row.order))

    @property
    def done(self) -> int:
        """Different pictures that are here."""
        return len(self.shas)

    async def fill(self) -> None:
        """Fetch until enough are here or no source has more; then mark the rest `surplus`."""
        try:
            while self.done < self.wanted:
                self._start()
                if self._free > len(self._pending) and await self._look_further():
                    continue
                if not self._under_way:
                    break
                await self._settle()
        finally:
            await self._stop()
        await self._close()

    @property
    def _free(self) -> int:
        """Pictures wanted beyond those here and under way."""
        return self.wanted - self.done - len(self._under_way)

    def _sort_in(self, rows: list[Candidate]) -> None:
        """Good ones count, up to the wanted number; the others wait for their turn."""
        self._known.update(row.id for row in rows)
        for row in rows:
            if row.status == "ok" and self.done < self.wanted:
                self.shas.add(row.sha256)
            elif row.status in {"ok", "pending", "surplus"} or row.reason in PASSING:
                self._pending.append(row)
            else:
                self.refused += 1
        self._pending.sort(key=lambda row: row.order)

    async def _look_further(self) -> bool:
        """Ask for one more page; False where there is none left to ask for."""
        if self._search is None:
            return False
        found = await self._search.more()
        if found is None:
            self._search = None
            return False
        fresh = [row for row in found if row.id not in self._known]
        self._sort_in(fresh)
        self._tell()
        return True

    def _start(self) -> None:
        # Twice the slots keeps them busy; more would only wait.
        room = 2 * self._slots.total - len(self._under_way)
        number = max(0, min(self._free, room, len(self._pending)))
        for row in self._pending[:number]:
            self._under_way[asyncio.create_task(self._obtain(row))] = row
        del self._pending[:number]

    async def _settle(self) -> None:
        done, _ = await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            row = self._under_way.pop(task)
            outcome = task.result()
            row.status, row.sha256 = outcome.status, outcome.sha256
            if outcome.status == "ok":
                self.shas.add(outcome.sha256)
            else:
                self.refused += 1
        self._tell()

    async def _obtain(self, row: Candidate) -> Outcome:
        """Bring one picture here and commit what became of it."""
        if row.sha256:  # here already, from a time when more were wanted
            return await self._writer.commit(changed(row, "ok"))
        async with AsyncExitStack() as stack:
            await self._slots.enter(stack, row.url)
            if row.path:
                outcome = await asyncio.to_thread(read_local, row)
                if self._refusals.picture(sha256=outcome.sha256):
                    return await self._forget(row)
                return await self._writer.commit(outcome)
            try:
                fetched = await self._fetcher.get(row.url, expect="picture")
            except FetchError as error:
                return await self._writer.commit(_failure(row.id, error))
            if self._refusals.picture(sha256=fetched.sha256):
                # The same under another address: that one is not asked again either.
                await self._writer.do(self._refusals.add, "url", [row.url])
                return await self._forget(row)
            return await self._writer.commit(arrived(row.id, fetched), fetched.data)

    async def _forget(self, row: Candidate) -> Outcome:
        """What was forgotten leaves no row."""
        await self._writer.forget(row.id)
        return Outcome(id=row.id, status="refused", reason=REASON)

    async def _stop(self) -> None:
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _close(self) -> None:
        """What was found and is not wanted stays in the ledger as `surplus`."""
        rest = [row for row in self._pending if row.status in {"ok", "pending"}]
        await self._writer.record([changed(row, "surplus", "enough") for row in rest])


def read_local(row: Candidate) -> Outcome:
    """Look at a file of one's own, in place; one that no picture can be is not read at all."""
    path = Path(row.path)
    try:
        there = path.stat()
        if there.st_size > images.MAX_BYTES:
            size, mtime = there.st_size, there.st_mtime_ns
            return Outcome(
                id=row.id, status="refused", reason="too_large", bytes=size, mtime_ns=mtime
            )
        data = path.read_bytes()
    except FileNotFoundError:
        return Outcome(id=row.id, status="missing", reason="no_such_file")
    except OSError:
        return Outcome(id=row.id, status="failed", reason="unreadable")
    return examine(row.id, data, hashlib.sha256(data).hexdigest(), there.st_mtime_ns)


def _host(url: str) -> str:
    """The host's name and port; empty where nothing is asked of any (`data:`, broken URLs)."""
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""


def _failure(id: str, error: FetchError) -> Outcome:
    refused = isinstance(error, RefusedError) or error.reason in _UNUSABLE
    return Outcome(id=id, status="refused" if refused else "failed", reason=error.reason)
