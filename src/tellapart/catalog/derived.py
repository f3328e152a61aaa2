"""What the program derived of the pictures, and the user's word on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from tellapart.catalog import acts
from tellapart.catalog.base import Base, chunks, upsert
from tellapart.catalog.rows import Assignment, Verdict
from tellapart.store import schema

_p = schema.pictures


class Derived(Base):
    """Measurements, scores, verdicts, overrules, splits. Each method is one transaction."""

    def measurements(
        self, shas: Iterable[str], analyzer: str, version: int
    ) -> dict[str, dict[str, Any]]:
        """The figures of those files that this version of the analyzer has measured."""
        table = schema.measurements
        query = sa.select(table.c.sha256, table.c.figures).where(
            table.c.analyzer == analyzer, table.c.version == version
        )
        found: dict[str, dict[str, Any]] = {}
        with self._reading() as connection:
            for part in chunks(sorted(set(shas))):
                rows = connection.execute(query.where(table.c.sha256.in_(part)))
                found.update((row[0], row[1]) for row in rows)
        return found

    def save_measurements(
        self, analyzer: str, version: int, figures: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """Store figures by SHA-256; those of another version of the analyzer are replaced."""
        rows = [
            {"sha256": sha, "analyzer": analyzer, "version": version, "figures": dict(values)}
            for sha, values in figures.items()
        ]
        with self._writing() as connection:
            upsert(connection, schema.measurements, rows)

    def scores(self, name: str, fingerprint: str | None = None) -> dict[str, float]:
        """Scores by picture id, made from the same `fingerprint`; left out: the last there are."""
        table = schema.scores
        query = (
            sa.select(table.c.picture_id, table.c.value)
            .join(_p, _p.c.id == table.c.picture_id)
            .where(_p.c.project_id == self.project_id, table.c.name == name)
        )
        if fingerprint is not None:
            query = query.where(table.c.fingerprint == fingerprint)
        with self._reading() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def save_scores(self, name: str, fingerprint: str, values: Mapping[str, float]) -> None:
        """Store scores by picture id; those of other fingerprints under this name go."""
        table = schema.scores
        mine = sa.select(_p.c.id).where(_p.c.project_id == self.project_id)
        rows = [
            {"picture_id": id, "name": name, "value": float(value), "fingerprint": fingerprint}
            for id, value in values.items()
        ]
        with self._writing() as connection:
            connection.execute(
                table.delete().where(
                    table.c.name == name,
                    table.c.fingerprint != fingerprint,
                    table.c.picture_id.in_(mine),
                )
            )
            upsert(connection, table, rows)

    def save_verdicts(self, verdicts: Sequence[Verdict]) -> int:
        """Store the verdicts of the whole project; return how many rows changed.

        The list is complete: a picture without one in it has no verdict afterwards. Only
        differences are written.
        """
        table = schema.verdicts
        wanted = {item.id: (item.kept, item.reason, item.detail or None) for item in verdicts}
        columns = (table.c.kept, table.c.reason, table.c.detail)
        with self._writing() as connection:
            stored = self._stored(connection, table, columns)
            rows = [
                {"picture_id": id, "kept": kept, "reason": reason, "detail": detail}
                for id, (kept, reason, detail) in wanted.items()
                if stored.get(id) != (kept, reason, detail)
            ]
            upsert(connection, table, rows)
            gone = _drop(connection, table, [id for id in stored if id not in wanted])
        return len(rows) + gone

    def overrule(self, id: str, kept: bool | None) -> None:
        """Keep or set aside one picture whatever the verdict; None takes the word back. An act.

        Raises `NotFoundError`.
        """
        acts.decide(self, {id: kept})

    def save_splits(self, assignments: Sequence[Assignment]) -> int:
        """Store splits; return how many rows changed.

        Pictures that are not in the list keep theirs; an empty split takes one away. Only
        differences are written.
        """
        table = schema.splits
        with self._writing() as connection:
            stored: dict[str, tuple[Any, ...]] = {}
            for part in chunks([item.id for item in assignments]):
                query = sa.select(table.c.picture_id, table.c.split, table.c.group_id)
                found = connection.execute(query.where(table.c.picture_id.in_(part)))
                stored.update((row[0], tuple(row[1:])) for row in found)
            rows = [
                {"picture_id": item.id, "split": item.split, "group_id": item.group}
                for item in assignments
                if item.split and stored.get(item.id) != (item.split, item.group)
            ]
            upsert(connection, table, rows)
            gone = [item.id for item in assignments if not item.split and item.id in stored]
            return len(rows) + _drop(connection, table, gone)

    def _stored(
        self, connection: sa.Connection, table: sa.Table, columns: Sequence[sa.Column[Any]]
    ) -> dict[str, tuple[Any, ...]]:
        query = (
            sa.select(table.c.picture_id, *columns)
            .join(_p, _p.c.id == table.c.picture_id)
            .where(_p.c.project_id == self.project_id)
        )
        return {row[0]: tuple(row[1:]) for row in connection.execute(query)}


def _drop(connection: sa.Connection, table: sa.Table, ids: Sequence[str]) -> int:
    for part in chunks(ids):
        connection.execute(table.delete().where(table.c.picture_id.in_(part)))
    return len(ids)
