"""What open pages are told: the house's health, and a run as it goes on.

Pages that show one run share one reader of it, which looks while somebody watches: a page costs
no query of its own.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from nicegui import background_tasks

from tellapart.catalog import PictureRow
from tellapart.errors import NotFoundError, TellapartError
from tellapart.report.learned import Epoch
from tellapart.runtime import Event, Run
from tellapart.runtime.desk import Desk, PictureFilter

if TYPE_CHECKING:
    from tellapart.web.visit import Visit

#: Seconds between two looks at a run, for which one look at the house serves an account's pages,
#: and after which a run that nobody watches is no longer read.
_EVERY, _FRESH, _ALONE = 0.5, 10.0, 6.0
#: Seconds between two looks at a mail on its way.
_MAIL_EVERY = 2.0
_MOST_EVENTS = 5_000
#: How many of the newest pictures are shown while they arrive, and how often they are looked up.
NEWEST, _PICTURES_EVERY = 24, 1.5
#: Steps that bring or judge pictures.
_BRINGS = frozenset(("collect", "curate"))

_warnings: dict[str, tuple[float, list[str]]] = {}


async def health(visit: Visit) -> list[str]:
    """Warnings for the banner, at most ten seconds old; a failing look warns of nothing."""
    account = visit.visitor.account
    if account is None:
        return []
    seen = _warnings.get(account.id)
    if seen is not None and time.monotonic() - seen[0] < _FRESH:
        return seen[1]
    try:
        found = (await visit.ask(visit.desk.health)).warnings
    except (TellapartError, NotImplementedError):
        found = []
    if len(_warnings) > 1_000:
        _warnings.clear()
    _warnings[account.id] = (time.monotonic(), found)
    return found


class Feed:
    """One run of one account, read for all pages that show it."""

    def __init__(self, desk: Desk, id: str, first: Run) -> None:
        self.desk, self.id, self.run = desk, id, first
        self.events: list[Event] = []
        #: Of what learns in epochs; read once for all pages, for there may be thousands.
        self.epochs: list[Epoch] = []
        self.pictures: list[PictureRow] = []
        #: Whether the run was deleted while it was watched.
        self.gone = False
        #: Counts up with every change.
        self.version = 0
        #: Whether everything has been read that there will be.
        self.complete = False
        self._seq = 0
        self._touched = time.monotonic()
        self._pictures_at, self._place = 0.0, ("", "")
        self._task: asyncio.Task[None] | None = None

    def touch(self) -> None:
        """Somebody watches: go on reading."""
        self._touched = time.monotonic()
        if not self.complete and (self._task is None or self._task.done()):
            self._task = background_tasks.create(self._follow(), name=f"run {self.id}")

    async def _follow(self) -> None:
        try:
            while not self.complete and time.monotonic() - self._touched < _ALONE:
                await self.read()
                await asyncio.sleep(_EVERY if not self.run.ended_state else _MAIL_EVERY)
        except NotFoundError:  # deleted while it was watched
            self.complete = self.gone = True
            self.version += 1
        finally:
            key = (self.desk.account.id, self.id)
            if _feeds.get(key) is self:
                del _feeds[key]

    async def read(self) -> None:
        """One look: the run, its new events, the newest pictures."""
        before = self.run
        # Events first: of an ended run they are then all read.
        now = await asyncio.to_thread(self.desk.run, self.id)
        while True:
            found = await asyncio.to_thread(self.desk.events, self.id, self._seq, 500)
            if not found:
                break
            self._seq = found[-1].seq
            # Mere progress stands in the run's steps; hours of it would push out the epochs.
            told = [event for event in found if event.kind != "progress"]
            self.events = (self.events + told)[-_MOST_EVENTS:]
            epochs = [epoch_of(event) for event in told if event.kind == "epoch"]
            self.epochs = (self.epochs + epochs)[-_MOST_EVENTS:]
            self.version += 1
        self.run = now
        if now != before:
            self.version += 1
        await self._look_at_pictures()
        # The mail goes out after the end; whoever still looks is told.
        self.complete = now.ended_state and now.mail not in ("queued", "sending")

    async def _look_at_pictures(self) -> None:
        """Look them up while a step brings or judges some, and once after every step."""
        at, place = time.monotonic(), (self.run.step, self.run.state)
        brings = self.run.step in _BRINGS or not self.pictures
        if place == self._place and not (brings and at - self._pictures_at >= _PICTURES_EVERY):
            return
        self._pictures_at, self._place = at, place
        try:
            page = await asyncio.to_thread(
                self.desk.pictures, self.run.project, PictureFilter(order="newest"), limit=NEWEST
            )
        except TellapartError:
            return  # no project yet, or none any more
        if [_seen(row) for row in page.items] != [_seen(row) for row in self.pictures]:
            self.pictures = page.items
            self.version += 1


def epoch_of(event: Event) -> Epoch:
    """An epoch's event as the charts take it."""
    data = event.data

    def figure(*names: str) -> float | None:
        for name in names:
            value = data.get(name)
            if isinstance(value, int | float) and not isinstance(value, bool):
                return float(value)
        return None

    return Epoch(
        number=int(figure("epoch") or 0),
        loss=figure("loss"),
        accuracy=figure("accuracy", "acc"),
        validation_loss=figure("validation_loss", "val_loss"),
        validation_accuracy=figure("validation_accuracy", "val_accuracy", "val_acc"),
    )


def _seen(row: PictureRow) -> tuple[str, bool | None]:
    return row.id, row.kept


_feeds: dict[tuple[str, str], Feed] = {}


async def watch(visit: Visit, id: str) -> Feed:
    """The feed of a run, read once at least. Raises `NotFoundError`."""
    desk = visit.desk
    first = await visit.ask(desk.run, id)
    key = (desk.account.id, id)
    feed = _feeds.get(key)
    if feed is None:
        feed = Feed(desk, id, first)
        await feed.read()
        if not feed.complete:
            feed = _feeds.setdefault(key, feed)
    feed.touch()
    return feed
