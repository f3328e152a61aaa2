"""Whose turn it is: one turn of a deck at a time, wherever it is taken.

The holder renews its hold with whatever it writes. A turn whose process is gone is taken over at
once within the same running system (the caller holds the deck's file lock, so nobody else there is
at it), elsewhere when its hold has run out.
"""

from __future__ import annotations

import sqlalchemy as sa

from tellapart.decks.base import Base, missing
from tellapart.errors import BusyError, Interrupted
from tellapart.store import schema_decks as schema

#: Seconds without a sign of life after which a turn is taken for dead elsewhere.
HOLD_S = 60.0
_d = schema.decks.c


class Holding(Base):
    """The hold of a turn on its deck."""

    def hold(self, turn: str, place: str) -> None:
        """Take the deck for a turn. `place`: names the lock that the caller holds meanwhile.

        Raises `BusyError` where another turn is under way.
        """
        with self._writing() as connection:
            time = clock(connection)
            free = sa.or_(_d.holder == "", _d.place == place, _d.held_until < time)
            values = {"holder": turn, "place": place, "held_until": time + HOLD_S}
            done = connection.execute(
                schema.decks.update().where(_d.id == self.id, free).values(**values)
            )
            if done.rowcount:
                return
            if connection.scalar(sa.select(_d.id).where(_d.id == self.id)) is None:
                raise missing(self.id)
        raise BusyError(
            "Another turn of this deck is under way on another machine.",
            expected="one turn of a deck at a time",
            do="Wait until it has ended.",
        )

    def renew(self, turn: str) -> None:
        """Say that the turn goes on. Raises `Interrupted` where others have taken it over."""
        with self._writing() as connection:
            self._renew(connection, turn)

    def release(self, turn: str) -> None:
        """The turn has ended."""
        mine = (_d.id == self.id, _d.holder == turn)
        with self._writing() as connection:
            free = {"holder": "", "place": "", "held_until": 0.0}
            connection.execute(schema.decks.update().where(*mine).values(**free))

    def busy(self) -> bool:
        """Whether a turn is under way, as far as can be told."""
        with self._reading() as connection:
            under_way = sa.and_(_d.holder != "", _d.held_until >= clock(connection))
            query = sa.select(_d.id).where(_d.id == self.id, under_way)
            return connection.scalar(query) is not None

    def _renew(self, connection: sa.Connection, turn: str) -> None:
        mine = (_d.id == self.id, _d.holder == turn)
        values = {"held_until": clock(connection) + HOLD_S}
        if not connection.execute(schema.decks.update().where(*mine).values(**values)).rowcount:
            raise Interrupted(
                "This turn was taken over by another one.",
                expected="a turn that gives a sign of life every minute",
                do="Nothing has to be done: the other turn goes on.",
            )


def clock(connection: sa.Connection) -> sa.ColumnElement[float]:
    """Seconds by the database's own clock."""
    if connection.dialect.name == "postgresql":
        return sa.cast(sa.func.extract("epoch", sa.func.clock_timestamp()), sa.Float)
    return sa.literal_column("(julianday('now') - 2440587.5) * 86400.0", sa.Float)
