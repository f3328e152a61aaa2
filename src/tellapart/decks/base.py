"""What all parts of a deck's ledger share: the database, the deck, transactions."""

from __future__ import annotations

import contextlib
import sqlite3
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tellapart.decks.shapes import now
from tellapart.errors import NotFoundError
from tellapart.store import database
from tellapart.store import schema_decks as schema

#: Rows of a deck's log that are kept.
_LOG = 2_000


@dataclass(frozen=True)
class Erased:
    """What was deleted for good: how many, the service's names of those acted upon, and whether
    one of them had been labelled."""

    number: int = 0
    acted: tuple[str, ...] = ()
    learned: bool = False


class Base:
    """One deck in one database."""

    def __init__(self, engine: sa.Engine, id: str) -> None:
        self.engine = engine
        self.id = id

    def _reading(self) -> AbstractContextManager[sa.Connection]:
        return database.reading(self.engine)

    def _writing(self, *, durable: bool = False) -> AbstractContextManager[sa.Connection]:
        return database.writing(self.engine, durable=durable)

    def _update(self, connection: sa.Connection, **values: Any) -> None:
        table = schema.decks
        done = connection.execute(table.update().where(table.c.id == self.id).values(**values))
        if not done.rowcount:
            raise missing(self.id)

    def _erase(self, connection: sa.Connection, *which: Any) -> Erased:
        """Delete candidates so that the file's free pages hold nothing of them.

        Heads that may have learned from them go too, and the deck is off until it is retrained.
        """
        self._overwriting(connection)
        table, acts, said = schema.deck_candidates, schema.deck_actions.c, schema.deck_feedback.c
        mine = (table.c.deck_id == self.id, *which)
        acted = sa.select(acts.id).where(acts.candidate_id == table.c.id, acts.intent == "act")
        refs = list(connection.scalars(sa.select(table.c.ref).where(*mine, acted.exists())))
        taught = sa.select(said.id).where(said.candidate_id == table.c.id)
        taught_by = sa.or_(taught.exists(), table.c.picked == schema.TAKEN_BACK)
        learned = connection.scalar(sa.select(table.c.id).where(*mine, taught_by).limit(1))
        if learned is not None:
            heads = schema.deck_heads
            gone = connection.execute(heads.delete().where(heads.c.deck_id == self.id)).rowcount
            back = (table.c.deck_id == self.id, table.c.picked == schema.TAKEN_BACK)
            connection.execute(table.update().where(*back).values(picked=""))
            self._update(connection, corrected=schema.decks.c.corrected + 1)
            if gone:
                why = "Somebody that its heads may have learned from is gone: retrain it, and "
                why += "delete the project of its deeper training, if there is one."
                off = {"mode": "off", "why": why, "switched_at": now(), "next_turn": ""}
                self._update(connection, **off)
                self._log(connection, "switch", why, mode="off")
        number = connection.execute(table.delete().where(*mine)).rowcount
        return Erased(number, tuple(refs), learned is not None)

    def _overwriting(self, connection: sa.Connection) -> None:
        """What is deleted on this connection is overwritten (SQLite's free pages)."""
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA secure_delete=ON")

    def settle(self) -> None:
        """Leave nothing of what was erased in the database's log either (SQLite's)."""
        if self.engine.dialect.name == "sqlite":
            with contextlib.suppress(sqlite3.OperationalError), self.engine.connect() as connection:
                raw = connection.connection.cursor()
                raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                raw.close()

    def _log(self, connection: sa.Connection, kind: str, text: str, **data: Any) -> None:
        table = schema.deck_log
        row = {"deck_id": self.id, "at": now(), "kind": kind, "text": text, "data": data}
        id = connection.scalar(table.insert().values(**row).returning(table.c.id))
        if id is not None and id % 100 == 0:
            mine = sa.select(table.c.id).where(table.c.deck_id == self.id)
            last = mine.order_by(table.c.id.desc()).offset(_LOG).limit(1).scalar_subquery()
            old = (table.c.deck_id == self.id) & (table.c.id <= last)
            connection.execute(table.delete().where(old))

    def _count(self, connection: sa.Connection, day: str, **numbers: int) -> None:
        """Add to the day's counts."""
        table = schema.deck_days
        for what, number in numbers.items():
            which = (table.c.deck_id == self.id, table.c.day == day, table.c.what == what)
            add = table.update().where(*which).values(number=table.c.number + number)
            if not connection.execute(add).rowcount:
                row = {"deck_id": self.id, "day": day, "what": what, "number": number}
                connection.execute(table.insert().values(**row))


def missing(name: str, what: str = "deck") -> NotFoundError:
    """There is no such thing."""
    return NotFoundError(
        f"There is no {what} {name!r}.",
        expected=f"a {what} of this owner",
        do="List the decks: tellapart deck list" if what == "deck" else "Look at the deck again.",
    )
