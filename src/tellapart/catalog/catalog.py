"""One project's ledger: making, opening, counting and deleting it."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from tellapart.catalog.base import now
from tellapart.catalog.derived import Derived
from tellapart.catalog.history import History
from tellapart.catalog.ledger import Ledger
from tellapart.catalog.rows import PictureRow, TableRow
from tellapart.catalog.tabular import Tabular
from tellapart.errors import InputError, NotFoundError
from tellapart.store import database, schema

_projects = schema.projects


class Catalog(Ledger, Derived, Tabular, History):
    """Everything known of one project's pictures or rows; threads and processes may share it."""

    @classmethod
    def create(cls, engine: sa.Engine, name: str, recipe: Mapping[str, Any]) -> Catalog:
        """Make a project. Raises `InputError` where one of that name exists."""
        if not name:
            raise InputError(
                "The project's name is empty.", expected="a name", do="Give it one: --name NAME"
            )
        with database.writing(engine) as connection:
            if connection.scalar(sa.select(_projects.c.id).where(_projects.c.name == name)):
                raise InputError(
                    f"There is a project {name!r} already.",
                    expected="a name that is not taken",
                    do=f"Go on with it (tellapart show {name}) or choose another: --name NAME",
                )
            values = {"name": name, "created_at": now(), "recipe": dict(recipe)}
            made = connection.execute(_projects.insert().values(**values))
            return cls(engine, name, int(made.inserted_primary_key[0]))  # type: ignore[index]

    @classmethod
    def open(cls, engine: sa.Engine, name: str) -> Catalog:
        """Open a project. Raises `NotFoundError`, with the nearest name there is."""
        with database.reading(engine) as connection:
            found = connection.scalar(sa.select(_projects.c.id).where(_projects.c.name == name))
        if found is None:
            near = difflib.get_close_matches(name, cls.names(engine), n=1)
            raise NotFoundError(
                f"There is no project {name!r}." + (f" Did you mean {near[0]!r}?" if near else ""),
                expected="the name of a project made before",
                do="List them: tellapart list",
            )
        return cls(engine, name, int(found))

    @staticmethod
    def names(engine: sa.Engine) -> list[str]:
        """The names of all projects, in alphabetical order."""
        with database.reading(engine) as connection:
            return sorted(connection.scalars(sa.select(_projects.c.name)))

    @staticmethod
    def delete(engine: sa.Engine, name: str) -> None:
        """Delete a project with all its rows; its files stay. Raises `NotFoundError`."""
        catalog = Catalog.open(engine, name)
        with database.writing(engine) as connection:
            connection.execute(_projects.delete().where(_projects.c.id == catalog.project_id))

    @staticmethod
    def shas(engine: sa.Engine) -> set[str]:
        """The SHA-256 of every picture file that some project names."""
        query = sa.select(schema.pictures.c.sha256).where(schema.pictures.c.sha256 != "")
        with database.reading(engine) as connection:
            return set(connection.scalars(query.distinct()))

    def counts(self) -> dict[str, Any]:
        """How many pictures (or rows) were found, kept and set aside, and why; see `count`."""
        return count([*self.pictures(), *self.rows()])


def count(rows: Iterable[PictureRow | TableRow]) -> dict[str, Any]:
    """Count pictures, in all and by class; JSON-able.

    `found`: pictures whose bytes are here (status `ok`), of which some are `kept` and some
    `set_aside`; `reasons`: those set aside by reason word; `statuses`: ledger rows by status;
    `failures`: failed, refused and missing rows by `status: reason`; `splits`: kept pictures by
    split (all four most first); `classes`: the same by class, in alphabetical order.
    """
    rows = list(rows)
    labels: dict[str, list[PictureRow | TableRow]] = {}
    for row in rows:
        labels.setdefault(row.label, []).append(row)
    return {**_count(rows), "classes": {label: _count(labels[label]) for label in sorted(labels)}}


def _count(rows: Sequence[PictureRow | TableRow]) -> dict[str, Any]:
    found = [row for row in rows if row.status == "ok"]
    kept = [row for row in found if row.kept]
    aside = [row for row in found if row.kept is False]
    failed = (
        f"{row.status}: {row.reason}"
        for row in rows
        if row.status in ("failed", "refused", "missing") and row.reason
    )
    return {
        "found": len(found),
        "kept": len(kept),
        "set_aside": len(aside),
        "reasons": _most_first(row.verdict for row in aside),
        "statuses": _most_first(row.status for row in rows),
        "failures": _most_first(failed),
        "splits": _most_first(row.split for row in kept if row.split),
    }


def _most_first(words: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(words).items(), key=lambda item: (-item[1], item[0])))
