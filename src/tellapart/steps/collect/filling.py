"""Fills one class: fetches in rank order until the wanted number of different pictures is here."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tellapart import images
from tellapart.catalog import Outcome
from tellapart.catalog.sources import PASSING
from tellapart.errors import FetchError, RefusedError
from tellapart.forgetting import REASON, Refusals
from tellapart.steps.collect.candidates import Candidate, changed
from tellapart.steps.collect.cassette import Tape
from tellapart.steps.collect.hosts import Hosts, host_of
from tellapart.steps.collect.searching import ClassSearch
from tellapart.steps.collect.writing import Writer, arrived, examine

if TYPE_CHECKING:
    from tellapart.fetch import Fetched, Fetcher

#: Fetch failures that say something about the file, not about the network.
_UNUSABLE = frozenset(("not_a_picture", "too_large", "empty", "bad_url"))
_MANY = 10**9
#: Seconds after which slow hosts are looked for though nothing has come.
_LOOK_EVERY = 0.5
#: Pages asked for in a row that bring nothing of hosts that keep up.
_BARREN = 3


@dataclass(frozen=True)
class Hands:
    """What the fillings of all classes work with."""

    fetcher: Fetcher
    writer: Writer
    hosts: Hosts
    refusals: Refusals
    tape: Tape
    tell: Callable[[], None]


class Filling:
    """One class on its way to `wanted` pictures (None: all there are).

    A picture is fetched only if fewer than `wanted` of those before it are, or may yet be, good
    ones: so which are fetched and taken is the same for every order of arrival, as long as no host
    holds up the others. Those of a host that does come last. Exact duplicates do not count.
    """

    def __init__(
        self,
        label: str,
        wanted: int | None,
        rows: Iterable[Candidate],
        search: ClassSearch,
        hands: Hands,
    ) -> None:
        self.label = label
        self.wanted = _MANY if wanted is None else wanted
        self._search = search
        self._searching = True
        self._hands = hands
        self.shas: set[str] = set()
        self.refused = 0
        self._known: set[str] = set()
        self._pending: list[Candidate] = []
        #: Not to be fetched in this run, whatever is missing.
        self._aside: list[Candidate] = []
        self._under_way: dict[asyncio.Task[Outcome | None], Candidate] = {}
        #: Rows whose request is over: what came of it is being committed.
        self._committing: set[str] = set()
        #: Pages in a row that held nothing of hosts that are not put back.
        self._barren = 0
        #: Whether rows wait for pages that may bring something before them.
        self._waiting = False
        #: Whether hosts that hold up the others are waited for: there is nobody else.
        self._patient = False
        self._sort_in(sorted(rows, key=lambda row: row.order))

    @property
    def done(self) -> int:
        """Different pictures that are here."""
        return len(self.shas)

    @property
    def is_exhausted(self) -> bool:
        """Whether it is short, and no source has more."""
        return self.done < self.wanted and self._search.ended

    async def fill(self) -> None:
        """Fetch until enough are here or no source has more; then mark the rest `surplus`."""
        try:
            while self.done < self.wanted:
                ready = self._start()
                if self._free > ready and self._may_look() and await self._look_further(ready):
                    continue
                if not self._under_way:
                    if self._pending and not self._patient:
                        self._patient = True
                        continue
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
                here = row.sha256 or row.path or _is_data(row.url)
                offered = here or self._hands.tape.offers(self.label, row.url)
                (self._aside if row.barred or not offered else self._pending).append(row)
            else:
                self.refused += 1
        self._pending.sort(key=lambda row: row.order)

    def _may_look(self) -> bool:
        """Not for ever, only because a host is slow: its pictures are better than none."""
        return self._free > len(self._pending) or self._waiting or self._barren < _BARREN

    async def _look_further(self, ready: int) -> bool:
        """Ask for one more page; False where there is none left to ask for."""
        if not self._searching:
            return False
        found = await self._search.more()
        if found is None:
            self._searching = False
            return False
        fresh = [row for row in found if row.id not in self._known]
        self._sort_in(fresh)
        ready_now = self._ready(_MANY)
        gained = ready_now is None or len(ready_now) > ready
        self._barren = 0 if gained else self._barren + 1
        self._hands.tell()
        return True

    def _ready(self, most: int) -> list[int] | None:
        """Places in `_pending` of rows that may be fetched now, the first `most`; None: of all."""
        hosts, heads = self._hands.hosts, self._search.heads() if self._searching else {}
        back = frozenset[str]() if self._patient else hosts.back()
        self._waiting = False
        if not heads and not back:
            return None
        found: list[int] = []
        for at, row in enumerate(self._pending):
            if len(found) >= most:
                break
            if row.order[0] in heads and row.order > heads[row.order[0]]:
                self._waiting = True
            elif not back or host_of(row.url) not in back:
                found.append(at)
        return found

    def _start(self) -> int:
        """Begin with as many as there is room for; return how many more could be begun with."""
        # Twice the slots keeps them busy; more would only wait.
        room = 2 * self._hands.hosts.total - len(self._under_way)
        number = max(0, min(self._free, room, len(self._pending)))
        places = self._ready(number + max(0, self._free))
        if places is None:
            begun = self._pending[:number]
            del self._pending[:number]
            left = len(self._pending)
        else:
            chosen = places[:number]
            begun = [self._pending[at] for at in chosen]
            for at in reversed(chosen):
                del self._pending[at]
            left = len(places) - len(chosen)
        for row in begun:
            self._under_way[asyncio.create_task(self._obtain(row))] = row
        return left

    async def _settle(self) -> None:
        done, _ = await asyncio.wait(
            self._under_way, return_when=asyncio.FIRST_COMPLETED, timeout=_LOOK_EVERY
        )
        for task in done:
            row = self._under_way.pop(task)
            self._committing.discard(row.id)
            outcome = task.result()
            if outcome is None:
                self._pending.append(row)
                self._pending.sort(key=lambda row: row.order)
                continue
            row.status, row.sha256 = outcome.status, outcome.sha256
            if outcome.status == "ok":
                self.shas.add(outcome.sha256)
            else:
                self.refused += 1
        self._hands.hosts.review()
        await self._retreat()
        self._hands.tell()

    async def _retreat(self) -> None:
        """Give up for now what is under way at hosts that hold up the others."""
        back = self._hands.hosts.back()
        if self._patient or not back:
            return
        left = {
            task: row
            for task, row in self._under_way.items()
            if row.id not in self._committing and not task.done() and host_of(row.url) in back
        }
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        for task, row in left.items():
            if task.cancelled():
                del self._under_way[task]
                self._pending.append(row)
        self._pending.sort(key=lambda row: row.order)

    async def _obtain(self, row: Candidate) -> Outcome | None:
        """Bring one picture here and commit what became of it; None: it waits a while longer."""
        hands = self._hands
        if row.sha256:  # here already, from a time when more were wanted
            return await hands.writer.commit(changed(row, "ok"))
        host = host_of(row.url)
        async with hands.hosts.slot(host):
            if not self._patient and hands.hosts.is_back(host):
                return None  # it was put back while this one waited for its turn
            if row.path:
                outcome = await asyncio.to_thread(read_local, row)
                self._committing.add(row.id)
                if hands.refusals.picture(sha256=outcome.sha256):
                    return await self._forget(row)
                return await hands.writer.commit(outcome)
            began = asyncio.get_running_loop().time()
            found = await self._download(row.url)
            self._committing.add(row.id)
            if isinstance(found, FetchError):
                await self._keep(row, found)
                if not isinstance(found, RefusedError):
                    hands.hosts.failed(host)
                return await hands.writer.commit(_failure(row.id, found))
            hands.hosts.delivered(host, asyncio.get_running_loop().time() - began)
            if hands.refusals.picture(sha256=found.sha256):
                # The same under another address: that one is not asked again either.
                await hands.writer.do(hands.refusals.add, "url", [row.url])
                return await self._forget(row)
            await self._keep(row, found)
            return await hands.writer.commit(arrived(row.id, found), found.data)

    async def _download(self, url: str) -> Fetched | FetchError:
        hands = self._hands
        try:
            if hands.tape.plays and not _is_data(url):
                return await asyncio.to_thread(hands.tape.picture, self.label, url)
            return await hands.fetcher.get(url, expect="picture")
        except FetchError as error:
            return error

    async def _keep(self, row: Candidate, found: Fetched | FetchError) -> None:
        if not _is_data(row.url):
            await self._hands.tape.keep_picture(self._hands.writer, self.label, row.url, found)

    async def _forget(self, row: Candidate) -> Outcome:
        """What was forgotten leaves no row."""
        await self._hands.writer.forget(row.id)
        return Outcome(id=row.id, status="refused", reason=REASON)

    async def _stop(self) -> None:
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _close(self) -> None:
        """What was found and is not wanted stays in the ledger as `surplus`."""
        while self._search.is_played and (found := await self._search.more()) is not None:
            # A page was asked for that a quicker world would not have needed.
            self._sort_in([row for row in found if row.id not in self._known])
        left = [*self._pending, *self._aside]
        rest = [row for row in left if row.status in {"ok", "pending"}]
        await self._hands.writer.record([changed(row, "surplus", "enough") for row in rest])


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


def _is_data(url: str) -> bool:
    return url[:5].lower() == "data:"


def _failure(id: str, error: FetchError) -> Outcome:
    refused = isinstance(error, RefusedError) or error.reason in _UNUSABLE
    return Outcome(id=id, status="refused" if refused else "failed", reason=error.reason)
