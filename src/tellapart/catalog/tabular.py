"""The rows of a project's table. Each method is one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from tellapart.catalog.base import Base
from tellapart.catalog.rows import NewRow, RowSplit, RowVerdict, TableRow
from tellapart.store import schema

_r = schema.rows
_READ = [column for column in _r.columns if column.name != "project_id"]
_ONE = sa.and_(
    _r.c.project_id == sa.bindparam("of_project"), _r.c.number == sa.bindparam("at_number")
)


class Tabular(Base):
    """Storing and reading rows, their verdicts and splits."""

    def save_rows(self, rows: Iterable[NewRow]) -> int:
        """Store the whole table; return how many rows are new or changed.

        The list is complete: rows that are not in it are forgotten. What was decided of a row
        goes with its content, not with its place: a row that moved keeps its split.
        """
        wanted = {row.number: row for row in rows}
        with self._writing() as connection:
            old = {row.number: row for row in self._read_rows(connection)}
            known = {(row.sha256, row.label): row for row in old.values()}
            places = {row.sha256: row for row in old.values() if row.split}
            fresh = [row for row in wanted.values() if not _same(row, old.get(row.number))]
            gone = [
                number
                for number in old
                if number not in wanted or not _same(wanted[number], old[number])
            ]
            self._each_row(connection, _r.delete().where(_ONE), [{"number": n} for n in gone])
            values = [self._row_values(row, known, places) for row in fresh]
            if values:
                connection.execute(_r.insert(), values)
        return len(fresh)

    def rows(self, *, kept: bool | None = None, split: str | None = None) -> list[TableRow]:
        """The rows, all or those that match, in the order of the table."""
        with self._reading() as connection:
            found = self._read_rows(connection)
        return [
            row
            for row in found
            if (kept is None or row.kept is kept) and (split is None or row.split == split)
        ]

    def save_row_verdicts(self, verdicts: Sequence[RowVerdict]) -> int:
        """Store verdicts, differences only; return how many rows changed."""
        with self._writing() as connection:
            known = self._decided(connection, _r.c.kept, _r.c.reason)
            changed = [
                {"number": one.number, "kept": one.kept, "reason": one.reason}
                for one in verdicts
                if one.number in known and known[one.number] != (one.kept, one.reason)
            ]
            statement = _r.update().where(_ONE).values(kept=_new("kept"), reason=_new("reason"))
            self._each_row(connection, statement, changed)
        return len(changed)

    def save_row_splits(self, splits: Sequence[RowSplit]) -> int:
        """Store splits, differences only; return how many rows changed. Others keep theirs."""
        with self._writing() as connection:
            known = self._decided(connection, _r.c.split, _r.c.group_id)
            changed = [
                {"number": one.number, "split": one.split, "group_id": one.group}
                for one in splits
                if one.number in known and known[one.number] != (one.split, one.group)
            ]
            statement = (
                _r.update().where(_ONE).values(split=_new("split"), group_id=_new("group_id"))
            )
            self._each_row(connection, statement, changed)
        return len(changed)

    def _read_rows(self, connection: sa.Connection) -> list[TableRow]:
        query = sa.select(*_READ).where(_r.c.project_id == self.project_id).order_by(_r.c.number)
        return [
            TableRow(row[0], tuple(row[1]), *row[2:]) for row in connection.execute(query).all()
        ]

    def _decided(
        self, connection: sa.Connection, *columns: sa.Column[Any]
    ) -> dict[int, tuple[Any, ...]]:
        """What is stored of each row, by number, without its cells."""
        query = sa.select(_r.c.number, *columns).where(_r.c.project_id == self.project_id)
        return {row[0]: tuple(row[1:]) for row in connection.execute(query)}

    def _row_values(
        self,
        row: NewRow,
        known: Mapping[tuple[str, str], TableRow],
        places: Mapping[str, TableRow],
    ) -> dict[str, Any]:
        before = known.get((row.sha256, row.label))
        place = places.get(row.sha256)
        return {
            "project_id": self.project_id,
            "number": row.number,
            "cells": list(row.cells),
            "label": row.label,
            "sha256": row.sha256,
            "split_hint": row.split_hint,
            "kept": before.kept if before else None,
            "reason": before.reason if before else "",
            "split": place.split if place else "",
            "group_id": place.group if place else "",
        }

    def _each_row(
        self, connection: sa.Connection, statement: Any, values: Sequence[Mapping[str, Any]]
    ) -> None:
        """Run one statement for many rows; `number` names the row, the others its new values."""
        if values:
            named = [
                {
                    "of_project": self.project_id,
                    "at_number": each["number"],
                    **{f"new_{key}": value for key, value in each.items() if key != "number"},
                }
                for each in values
            ]
            connection.execute(statement, named)


def _new(name: str) -> sa.BindParameter[Any]:
    return sa.bindparam(f"new_{name}")


def _same(new: NewRow, old: TableRow | None) -> bool:
    return old is not None and (new.cells, new.label, new.sha256, new.split_hint) == (
        old.cells,
        old.label,
        old.sha256,
        old.split_hint,
    )
