"""How the sources are, for the whole machine: who answered when, who failed, who rests."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import sqlalchemy as sa

from tellapart.catalog.base import upsert
from tellapart.store import database
from tellapart.store.schema_sources import source_states as _table

#: After so many failures in a row a source rests: first this many seconds, then twice as many
#: each time, up to the last figure.
OPENS, REST, LONGEST = 3, 300.0, 21_600.0
#: Reasons that may pass by themselves: what failed so is tried again by the same command.
PASSING = frozenset(
    (
        *("connection", "dns", "rate_limited", "timeout", "too_slow", "tls"),
        *(f"http_{status}" for status in (408, 425, 429, 500, 502, 503, 504)),
    )
)
#: Reasons that say that an answer came, and could not be read: the service has changed its shape.
UNREADABLE = frozenset(("bad_answer", "not_json"))
#: Reasons that say that the user must do something first; no rest mends them.
NOT_SET_UP = frozenset(("no_key", "http_401", "no_browser"))

Word = Literal["unknown", "works", "empty", "not_set_up", "unreadable", "failing", "resting"]
#: What each word means to a person.
WORDS: dict[Word, str] = {
    "unknown": "not asked yet",
    "works": "works",
    "empty": "answers, but has found nothing yet",
    "not_set_up": "needs something first: a key, or a browser",
    "unreadable": "answers in a shape that is not known",
    "failing": "does not answer",
    "resting": "rests after several failures",
}


@dataclass(frozen=True)
class SourceState:
    """One source. Times are UTC, such as `2026-01-31T09:30:00Z`; empty: never."""

    name: str
    #: When it last answered at all.
    answered_at: str = ""
    #: When an answer last held a picture that could be read: its parser worked then.
    found_at: str = ""
    failed_at: str = ""
    #: Why it failed last, one word; empty where it has answered since.
    reason: str = ""
    #: Failures in a row.
    failures: int = 0
    rests_until: str = ""

    @property
    def is_open(self) -> bool:
        """Whether the circuit breaker is: it has failed too often to be asked like the others."""
        return self.failures >= OPENS

    def rests(self, at: datetime) -> bool:
        """Whether it is to be left alone at that time."""
        return self.is_open and self.rests_until > stamp(at)

    def word(self, at: datetime) -> Word:
        """Its state in one word of `WORDS`."""
        if self.reason in NOT_SET_UP:
            return "not_set_up"
        if self.rests(at):
            return "resting"
        if self.reason:
            return "unreadable" if self.reason in UNREADABLE else "failing"
        if self.found_at:
            return "works"
        return "empty" if self.answered_at else "unknown"

    def answered(self, at: datetime, *, found: bool) -> SourceState:
        """Its state after an answer; `found`: with a picture in it.

        One without any does not show that what could not be read can be read again.
        """
        now = stamp(at)
        if not found and self.reason in UNREADABLE:
            return replace(self, answered_at=now)
        found_at = now if found else self.found_at
        return SourceState(self.name, now, found_at, self.failed_at)

    def failed(self, at: datetime, reason: str) -> SourceState:
        """Its state after a failure of that reason."""
        if reason in NOT_SET_UP:  # nobody was asked too often
            return replace(self, failed_at=stamp(at), reason=reason)
        failures = self.failures + 1
        rest = min(REST * 2.0 ** min(failures - OPENS, 30), LONGEST) if failures >= OPENS else 0.0
        until = stamp(at + timedelta(seconds=rest)) if rest else ""
        answered = stamp(at) if reason in UNREADABLE else self.answered_at
        return replace(
            self,
            answered_at=answered,
            failed_at=stamp(at),
            reason=reason,
            failures=failures,
            rests_until=until,
        )


def stamp(at: datetime) -> str:
    """A time as the table holds it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def states(engine: sa.Engine) -> dict[str, SourceState]:
    """What is known of each source, by name."""
    with database.reading(engine) as connection:
        rows = connection.execute(sa.select(_table).order_by(_table.c.name)).mappings()
        return {row["name"]: SourceState(**row) for row in rows}


def save(engine: sa.Engine, found: Iterable[SourceState]) -> None:
    """Store these sources' states in place of the older ones."""
    rows = [asdict(state) for state in found]
    if rows:
        with database.writing(engine) as connection:
            upsert(connection, _table, rows)
