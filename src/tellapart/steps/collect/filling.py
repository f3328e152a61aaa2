"""Fills one class: fetches in rank order until the wanted number of different pictures is here."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tellapart import images
from tellapart.catalog import Outcome
from tellapart.catalog.sources import PASSING
from tellapart.errors import FetchError, RefusedError
from tellapart.forgetting import REASON, Refusals
from tellapart.steps.collect.candidates import Candidate, Order, changed
from tellapart.steps.collect.cassette import Tape
from tellapart.steps.collect.hosts import Hosts
from tellapart.steps.collect.pending import Pending, host_asked
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
        self._pending = Pending(hands.hosts)
        #: Not to be fetched in this run, whatever is missing.
        self._aside: list[Candidate] = []
        self._under_way: dict[asyncio.Task[Outcome | None], Candidate] = {}
        #: Rows whose request is over: what came of it is being committed.
        self._committing: set[str] = set()
        #: The next page, where it is being asked for.
        self._looking: asyncio.Task[list[Candidate] | None] | None = None
        #: Places of the first pictures that pages may yet bring: by group, and of the one that is
        #: being asked for. What comes behind them waits.
        self._heads: dict[int, Order] = {}
        self._before: Order | None = None
        #: Pages in a row that held nothing of hosts that are not put back.
        self._barren = 0
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
                await self._heed_hosts()
                self._look()
                self._start()
                if self._under_way or self._looking is not None:
                    await self._settle()
                elif self._pending and not self._patient:
                    self._patient = True
                else:
                    break
            if self._looking is not None:  # what it brings stays in the ledger too
                self._take_in(await self._looking)
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
        pending: list[Candidate] = []
        for row in rows:
            if row.status == "ok" and self.done < self.wanted:
                self.shas.add(row.sha256)
            elif row.status in {"ok", "pending", "surplus"} or row.reason in PASSING:
                here = row.sha256 or row.path or _is_data(row.url)
                offered = here or self._hands.tape.offers(self.label, row.url)
                (self._aside if row.barred or not offered else pending).append(row)
            else:
                self.refused += 1
        self._pending.add(pending)

    def _look(self) -> None:
        """Ask for the next page where those known and wanted are too few; fetching goes on."""
        if self._looking is not None:
            return
        self._heads = self._search.heads() if self._searching else {}
        ready = self._pending.ready(self._heads)
        if self._searching and self._free > ready and self._may_look(ready):
            self._before = self._search.head()
            self._looking = asyncio.create_task(self._search.more())

    def _may_look(self, ready: int) -> bool:
        """Not for ever, only because a host is slow: its pictures are better than none."""
        behind = ready < self._pending.ready({})
        return self._free > len(self._pending) or behind or self._barren < _BARREN

    def _take_in(self, found: list[Candidate] | None) -> None:
        """What the page brought; None: there was none left to ask for."""
        self._looking = self._before = None
        if found is None:
            self._searching = False
            return
        before = self._pending.ready(self._heads)
        self._sort_in([row for row in found if row.id not in self._known])
        gained = self._pending.ready(self._search.heads()) > before
        self._barren = self._barren + 1 if self._back() and not gained else 0
        self._hands.tell()

    def _back(self) -> frozenset[str]:
        return frozenset() if self._patient else self._hands.hosts.back()

    def _start(self) -> None:
        """Begin with as many as there is room for."""
        # Twice the slots keeps them busy; more would only wait.
        room = 2 * self._hands.hosts.total - len(self._under_way)
        most = min(room, self._free)
        for row in self._pending.take(self._heads, self._before, self._free, most):
            self._under_way[asyncio.create_task(self._obtain(row))] = row

    async def _settle(self) -> None:
        """Wait for what comes next, a picture or a page."""
        looking = self._looking
        tasks = (*self._under_way, *(() if looking is None else (looking,)))
        done, _ = await asyncio.wait(
            tasks, return_when=asyncio.FIRST_COMPLETED, timeout=_LOOK_EVERY
        )
        for task in done & self._under_way.keys():
            row = self._under_way.pop(task)
            self._pending.settled(row)
            self._committing.discard(row.id)
            outcome = task.result()
            if outcome is None:
                self._pending.add([row])
                continue
            row.status, row.sha256 = outcome.status, outcome.sha256
            if outcome.status == "ok":
                self.shas.add(outcome.sha256)
            else:
                self.refused += 1
        if looking is not None and looking in done:
            self._take_in(looking.result())
        self._hands.hosts.review()
        self._hands.tell()

    async def _heed_hosts(self) -> None:
        """Give up for now what is under way at hosts that hold up the others."""
        back = self._back()
        if not self._pending.hold_back(back):
            return
        left = {
            task: row
            for task, row in self._under_way.items()
            if row.id not in self._committing and not task.done() and host_asked(row) in back
        }
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        given_up = [row for task, row in left.items() if task.cancelled()]
        for row in given_up:
            self._pending.settled(row)
        self._pending.add(given_up)
        self._under_way = {t: row for t, row in self._under_way.items() if not t.cancelled()}

    async def _obtain(self, row: Candidate) -> Outcome | None:
        """Bring one picture here and commit what became of it; None: it waits a while longer."""
        hands = self._hands
        if row.sha256:  # here already, from a time when more were wanted
            return await hands.writer.commit(changed(row, "ok"))
        host = host_asked(row)
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
        left = [*self._under_way, *([] if self._looking is None else [self._looking])]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _close(self) -> None:
        """What was found and is not wanted stays in the ledger as `surplus`."""
        while self._search.is_played and (found := await self._search.more()) is not None:
            # A page was asked for that a quicker world would not have needed.
            self._sort_in([row for row in found if row.id not in self._known])
        left = [*self._pending.rows(), *self._aside]
        rest = [row for row in left if row.status in {"ok", "pending"}]
        await self._hands.writer.record([changed(row, "surplus", "enough") for row in rest])


def read_local(row: Candidate) -> Outcome:
    """Look at a file of one's own, in place; one that no picture can be is not read at all."""
    try:
        # `Path.read_bytes` takes three times as long: as much as hashing a small picture.
        with open(row.path, "rb", buffering=0) as file:  # noqa: PTH123
            there = os.fstat(file.fileno())
            if there.st_size > images.MAX_BYTES:
                size, mtime = there.st_size, there.st_mtime_ns
                return Outcome(
                    id=row.id, status="refused", reason="too_large", bytes=size, mtime_ns=mtime
                )
            data = file.read()
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
