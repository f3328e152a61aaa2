"""How often somebody may try to log in, sign up or ask for a mail.

Tries are counted before they are judged and stored in the database, so that neither many at the
same moment nor many server processes get more. What is counted has a key that is a keyed hash:
people type passwords into the field of the name.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from tellapart.accounts.base import Base
from tellapart.errors import RequestError
from tellapart.store import schema_accounts as schema
from tellapart.store.database import reading, writing
from tellapart.store.inserting import insert_new
from tellapart.store.keys import Keys

_table = schema.attempts


@dataclass(frozen=True, order=True)
class Limit:
    """`free` tries, then a pause that doubles from one second up to `longest`."""

    free: int
    longest: float
    #: Seconds after which the count begins anew.
    memory: float = 86_400.0


#: A name tried from one address.
PAIR = Limit(5, 900.0)
#: Any names tried from one address (of IPv6: from one network).
ADDRESS = Limit(30, 900.0)
#: A name tried from anywhere: slow guessing from many addresses. Short pauses only, or strangers
#: could lock its owner out; addresses from which the owner has logged in are not counted.
NAME = Limit(100, 60.0)
#: Accounts asked for from one address.
SIGN_UP = Limit(5, 3600.0)
#: Links and mails asked for, by name and by address.
MAIL = Limit(3, 3600.0)
#: Seconds for which an address is remembered as its owner's.
KNOWN = 90 * 86_400.0


class Limits:
    """The counters of one database."""

    def __init__(self, base: Base) -> None:
        self._base = base

    def key(self, *parts: str) -> str:
        """What is stored instead of names and addresses."""
        secret = Keys(self._base.settings).derive("attempts")[0]
        return hmac.new(
            secret, "\0".join(parts).encode("utf-8", "replace"), hashlib.sha256
        ).hexdigest()

    def take(self, *wanted: tuple[str, Limit]) -> None:
        """Count one try under each key. Raises `RequestError` (429) where one must pause."""
        now = self._base._clock()
        keys = [key for key, _ in wanted]
        with reading(self._base.engine) as connection:
            # First without writing: who floods us during a pause fills no table.
            query = sa.select(sa.func.max(_table.c.until)).where(_table.c.key.in_(keys))
            wait = (connection.scalar(query) or 0.0) - now
        if wait > 0:
            raise _too_many(wait)
        with writing(self._base.engine) as connection:
            # In one order always, so that two transactions never wait for each other.
            counters = [_Counter(connection, key, limit) for key, limit in sorted(wanted)]
            wait = max(counter.until for counter in counters) - now
            # What comes too early is not counted: asking again does not lengthen the pause.
            if wait <= 0:
                for counter in counters:
                    counter.count(now)
        if wait > 0:
            raise _too_many(wait)

    def right(self, forgive: str, refund: Sequence[tuple[str, Limit]], know: str) -> None:
        """A try was the right person's: forget those before it, give one back, remember them.

        Only one is given back of an address's tries: who has one account must not be able to
        wipe out what was counted for guessing at others.
        """
        values = {"count": 0, "until": 0.0, "forget": self._base._clock() + KNOWN}
        c = _table.c
        with writing(self._base.engine) as connection:
            connection.execute(_table.delete().where(c.key == forgive))
            for key, limit in sorted(refund):
                fewer = _table.update().where(c.key == key, c.count > 0)
                connection.execute(fewer.values(count=c.count - 1))
                free = _table.update().where(c.key == key, c.count < limit.free)
                connection.execute(free.values(until=0.0))
            if not insert_new(connection, _table, {"key": know, **values}):
                connection.execute(_table.update().where(c.key == know).values(**values))

    def knows(self, key: str) -> bool:
        """Whether `right` told to remember this key within the last 90 days."""
        now = self._base._clock()
        with reading(self._base.engine) as connection:
            query = sa.select(_table.c.key).where(_table.c.key == key, _table.c.forget > now)
            return connection.scalar(query) is not None

    def prune(self) -> None:
        """Drop counters that have run out."""
        with writing(self._base.engine) as connection:
            connection.execute(_table.delete().where(_table.c.forget <= self._base._clock()))


def _too_many(wait: float) -> RequestError:
    return RequestError(
        "There were too many tries.",
        expected="fewer tries",
        do=f"Try again in {max(1, round(wait))} seconds.",
        status=429,
        retry_after=wait,
    )


def network(address: str) -> str:
    """What counts as one address: of IPv6 the /64, which one subscriber has all of."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


class _Counter:
    """One counter, locked until the transaction ends."""

    def __init__(self, connection: sa.Connection, key: str, limit: Limit) -> None:
        self._connection, self._key, self._limit = connection, key, limit
        insert_new(connection, _table, {"key": key, "count": 0, "until": 0.0, "forget": 0.0})
        query = sa.select(_table.c.count.label("tries"), _table.c.until, _table.c.forget)
        self._row = connection.execute(query.where(_table.c.key == key).with_for_update()).one()
        self.until = float(self._row.until)

    def count(self, now: float) -> None:
        count = 1 if self._row.forget <= now else self._row.tries + 1
        over, limit = count - self._limit.free, self._limit
        until = now + min(2.0 ** min(over, 30), limit.longest) if over >= 0 else 0.0
        values = {"count": count, "until": until, "forget": now + limit.memory}
        which = _table.c.key == self._key
        self._connection.execute(_table.update().where(which).values(**values))
