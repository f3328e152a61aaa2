"""What was done: finished steps, packaged versions, the recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from tellapart.catalog import acts
from tellapart.catalog.base import Base, now, upsert
from tellapart.catalog.rows import Version
from tellapart.store import schema


class History(Base):
    """Steps, versions and the recipe. Each method is one transaction."""

    def finished(self, step: str, fingerprint: str | None = None) -> dict[str, Any] | None:
        """The stored result of a step, None where it has to run.

        With a `fingerprint`, only a result that was made from the same inputs counts. A result
        may be an empty dict: compare with None.
        """
        table = schema.steps
        query = sa.select(table.c.result).where(
            table.c.project_id == self.project_id, table.c.step == step
        )
        if fingerprint is not None:
            query = query.where(table.c.fingerprint == fingerprint)
        with self._reading() as connection:
            row = connection.execute(query).first()
        return None if row is None else dict(row[0])

    def finish(self, step: str, fingerprint: str, result: Mapping[str, Any]) -> None:
        """Store that a step is done; an earlier result of the same step is replaced."""
        row = {
            "project_id": self.project_id,
            "step": step,
            "fingerprint": fingerprint,
            "result": dict(result),
            "finished_at": now(),
        }
        with self._writing() as connection:
            upsert(connection, schema.steps, [row])

    def step_fingerprint(self, step: str) -> str | None:
        """What the step's stored result was made from, None where it never finished."""
        table = schema.steps
        query = sa.select(table.c.fingerprint).where(
            table.c.project_id == self.project_id, table.c.step == step
        )
        with self._reading() as connection:
            return connection.scalar(query)

    def save_version(
        self, version: int, fingerprint: str, file: str, metrics: Mapping[str, Any]
    ) -> None:
        """Store a packaged version; `file` is its name in the project's `versions` folder."""
        row = {
            "project_id": self.project_id,
            "version": version,
            "fingerprint": fingerprint,
            "file": file,
            "metrics": dict(metrics),
            "created_at": now(),
        }
        with self._writing() as connection:
            upsert(connection, schema.versions, [row])

    def versions(self) -> list[Version]:
        """All packaged versions, oldest first."""
        table = schema.versions
        query = (
            sa.select(
                table.c.version,
                table.c.fingerprint,
                table.c.file,
                table.c.metrics,
                table.c.created_at,
            )
            .where(table.c.project_id == self.project_id)
            .order_by(table.c.version)
        )
        with self._reading() as connection:
            rows = connection.execute(query).all()
        return [
            Version(
                version=row[0], fingerprint=row[1], file=row[2], metrics=row[3], created_at=row[4]
            )
            for row in rows
        ]

    def latest_version(self) -> Version | None:
        """The newest packaged version, None where there is none."""
        found = self.versions()
        return found[-1] if found else None

    @property
    def recipe(self) -> dict[str, Any]:
        """The recipe as it was saved last."""
        table = schema.projects
        query = sa.select(table.c.recipe).where(table.c.id == self.project_id)
        with self._reading() as connection:
            return dict(connection.scalar(query) or {})

    def save_recipe(self, recipe: Mapping[str, Any]) -> int:
        """Store what is asked for. Thresholds that change are an act: its number, else 0."""
        table = schema.projects
        which = table.c.id == self.project_id
        with self._writing() as connection:
            stored = connection.scalar(sa.select(table.c.recipe).where(which)) or {}
            number = acts.settle(connection, self, acts.as_texts(stored), acts.as_texts(recipe))
            connection.execute(table.update().where(which).values(recipe=dict(recipe)))
        return number
