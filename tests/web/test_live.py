"""What pages keep of a run that they watch."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from tellapart.errors import NotFoundError
from tellapart.runtime import Event, Run
from tellapart.runtime.desk import Desk
from tellapart.web.live import Feed

RUN = Run(
    *("r_1", "", "fruit", "make", "package", "running", 0, (), "", "", "", None, None, None, None),
    *("", {}, {}, "", 1, 0, "w", ""),
)


class Watched:
    """As much of a desk as a feed asks: a run with many events."""

    def __init__(self, events: list[Event]) -> None:
        self.all = events

    def run(self, id: str) -> Run:
        return RUN

    def events(self, id: str, after: int, limit: int) -> list[Event]:
        return [event for event in self.all if event.seq > after][:limit]

    def pictures(self, *args: object, **kwargs: object) -> object:
        raise NotFoundError("no project yet", expected="one", do="wait")


def test_hours_of_progress_push_out_no_epoch() -> None:
    kinds: list[Any] = ["epoch", "progress"] + ["progress"] * 6_000 + ["epoch"]
    events = [Event(n, "", kind, "train", {"epoch": n}) for n, kind in enumerate(kinds, 1)]
    feed = Feed(cast(Desk, Watched(events)), "r_1", RUN)
    asyncio.run(feed.read())
    assert [event.seq for event in feed.events] == [1, len(kinds)]
