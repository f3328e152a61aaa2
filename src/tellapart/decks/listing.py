"""Decks themselves: made, found, switched, changed, forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import sqlalchemy as sa

from tellapart.decks.base import Base, missing
from tellapart.decks.shapes import DeckRow, LogRow, Mode, new_id, now
from tellapart.errors import InputError
from tellapart.store import database
from tellapart.store import schema_decks as schema
from tellapart.store.inserting import insert_new

_d = schema.decks.c
_COLUMNS = [_d[item.name] for item in fields(DeckRow)]


class Listing(Base):
    """The deck's own row and its log."""

    def row(self) -> DeckRow:
        """Raises `NotFoundError` where it was deleted."""
        with self._reading() as connection:
            found = connection.execute(sa.select(*_COLUMNS).where(_d.id == self.id)).first()
        if found is None:
            raise missing(self.id)
        return DeckRow(*found)

    def change(self, **values: Any) -> None:
        """Change columns of the deck, such as `title` or `every_s`."""
        with self._writing() as connection:
            self._update(connection, **values)

    def switch(self, mode: Mode, why: str, error: Mapping[str, Any] | None = None) -> DeckRow:
        """Turn the switch. Every intent is stored under the same row's lock, so that none is
        stored after this has returned for a deck that is off."""
        at = now()
        values: dict[str, Any] = {"mode": mode, "why": why, "switched_at": at}
        values["next_turn"] = "" if mode == "off" else at
        if error is not None:
            values["error"] = {**error, "at": at}
        elif mode != "off":
            values |= {"error": None, "out_until": ""}
        with self._writing(durable=True) as connection:
            self._update(connection, **values)
            self._log(connection, "switch", why or f"switched {mode}", mode=mode)
        return self.row()

    def went_wrong(self, error: Mapping[str, Any]) -> None:
        """Keep what a turn met, to be shown until a turn goes well."""
        with self._writing() as connection:
            self._update(connection, error={**error, "at": now()})
            self._log(connection, "error", str(error.get("what", "")), **error)

    def turned(self, report: Mapping[str, Any], **values: Any) -> None:
        """Note what a turn did."""
        with self._writing() as connection:
            self._update(connection, last_turn=dict(report), **values)
            self._log(connection, "turn", str(report.get("end", "")), **report)

    def note(self, kind: str, text: str, **data: Any) -> None:
        """Write one line into the deck's log."""
        with self._writing() as connection:
            self._log(connection, kind, text, **data)

    def log(self, limit: int = 50, kind: str = "") -> list[LogRow]:
        """What happened, newest first."""
        table = schema.deck_log.c
        query = sa.select(table.id, table.at, table.kind, table.text, table.data)
        query = query.where(table.deck_id == self.id).order_by(table.id.desc()).limit(limit)
        if kind:
            query = query.where(table.kind == kind)
        with self._reading() as connection:
            return [LogRow(*row) for row in connection.execute(query)]

    def day(self, day: str = "") -> dict[str, int]:
        """Counts of one day (`2026-01-31`), or of all days together."""
        table = schema.deck_days.c
        query = sa.select(table.what, sa.func.sum(table.number)).group_by(table.what)
        query = query.where(table.deck_id == self.id)
        if day:
            query = query.where(table.day == day)
        with self._reading() as connection:
            return {what: int(number) for what, number in connection.execute(query)}

    def delete(self) -> None:
        """Forget the deck with all that hangs on it."""
        with self._writing() as connection:
            self._overwriting(connection)
            connection.execute(schema.decks.delete().where(_d.id == self.id))
        self.settle()


def create(engine: sa.Engine, owner: str, name: str, values: Mapping[str, Any]) -> str:
    """Make a deck, switched off; its id. Raises `InputError` where the name is taken."""
    id, at = new_id("d"), now()
    row = {"id": id, "owner": owner, "name": name, "created_at": at, "switched_at": at, **values}
    with database.writing(engine) as connection:
        if insert_new(connection, schema.decks, row):
            return id
    raise InputError(
        f"There is a deck {name!r} already.",
        expected="a new name",
        do="Choose another one, or go on with that deck.",
    )


def find(engine: sa.Engine, owner: str, name: str) -> str:
    """The id of an owner's deck. Raises `NotFoundError`."""
    query = sa.select(_d.id).where(_d.owner == owner, _d.name == name)
    with database.reading(engine) as connection:
        id = connection.scalar(query)
    if id is None:
        raise missing(name)
    return str(id)


def listed(engine: sa.Engine, owner: str | None = None) -> list[DeckRow]:
    """An owner's decks by name; None: everybody's."""
    query = sa.select(*_COLUMNS).order_by(_d.owner, _d.name)
    if owner is not None:
        query = query.where(_d.owner == owner)
    with database.reading(engine) as connection:
        return [DeckRow(*row) for row in connection.execute(query)]


def confirm(engine: sa.Engine, owner: str, source: str, terms: str) -> None:
    """An account has read a service's terms and wants it all the same; '' takes it back."""
    table = schema.deck_confirmations
    which = (table.c.owner == owner, table.c.source == source)
    with database.writing(engine) as connection:
        connection.execute(table.delete().where(*which))
        if terms:
            row = {"owner": owner, "source": source, "at": now(), "terms": terms}
            connection.execute(table.insert().values(**row))


def confirmed(engine: sa.Engine, owner: str, source: str, terms: str | None = None) -> str:
    """When an account confirmed a service's terms (these very `terms`); empty: it did not."""
    table = schema.deck_confirmations.c
    query = sa.select(table.at).where(table.owner == owner, table.source == source)
    if terms is not None:
        query = query.where(table.terms == terms)
    with database.reading(engine) as connection:
        return str(connection.scalar(query) or "")
