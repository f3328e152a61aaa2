"""The rows of one class that are still to be fetched, in their order."""

from __future__ import annotations

from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Mapping
from operator import attrgetter

from tellapart.steps.collect.candidates import Candidate, Order
from tellapart.steps.collect.hosts import Hosts, host_of

_order = attrgetter("order")


class Pending:
    """Gives out the next rows: none of a host that is put back or has enough to do already."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts
        #: Rows that may be fetched, and those of hosts that are put back.
        self._rows: list[Candidate] = []
        self._held: list[Candidate] = []
        self._back: frozenset[str] = frozenset()
        #: Rows given out and not yet settled, by host.
        self._out: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._rows) + len(self._held)

    def rows(self) -> list[Candidate]:
        """All of them, in no particular order."""
        return [*self._rows, *self._held]

    def add(self, rows: Iterable[Candidate]) -> None:
        """Take in new rows, or such as were given out and have not been fetched."""
        back = self._back
        for row in rows:
            (self._held if back and host_asked(row) in back else self._rows).append(row)
        self._rows.sort(key=_order)

    def hold_back(self, back: frozenset[str]) -> bool:
        """Hold the rows of these hosts, and no others; whether these were others till now."""
        if back == self._back:
            return False
        self._back, rows = back, self.rows()
        self._rows, self._held = [], []
        self.add(rows)
        return True

    def ready(self, heads: Mapping[int, Order]) -> int:
        """How many may be fetched now: in the groups of `heads` none that come behind its head."""
        return len(self._ready(heads)) if heads else len(self._rows)

    def take(
        self, heads: Mapping[int, Order], before: Order | None, first: int, most: int
    ) -> list[Candidate]:
        """Give out `most` of the `first` that are ready, in order.

        None that comes behind `before`, and none of a host that has enough to do: a later one
        goes instead.
        """
        if most <= 0:
            return []
        ready = self._ready(heads) if heads else range(len(self._rows))
        end = len(self._rows) if before is None else bisect(self._rows, before, key=_order)
        places: list[int] = []
        for place in ready[:first]:
            if place >= end or len(places) == most:
                break
            host = host_asked(self._rows[place])
            if not host or self._out[host] < self._hosts.enough(host):
                self._out[host] += 1
                places.append(place)
        taken = [self._rows[place] for place in places]
        for place in reversed(places):
            del self._rows[place]
        return taken

    def settled(self, row: Candidate) -> None:
        """What was given out is done with, or comes back by `add`."""
        self._out[host_asked(row)] -= 1

    def _ready(self, heads: Mapping[int, Order]) -> list[int]:
        """Their places."""
        return [
            place
            for place, row in enumerate(self._rows)
            if row.order[0] not in heads or row.order <= heads[row.order[0]]
        ]


def host_asked(row: Candidate) -> str:
    """The host that is asked for a picture; empty for one that is here."""
    return "" if row.sha256 or row.path else host_of(row.url)
