"""One project's ledger: making, opening, counting and deleting it."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from tellapart.catalog import looking
from tellapart.catalog.base import insert, now
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
    def create(
        cls, engine: sa.Engine, name: str, recipe: Mapping[str, Any], owner: str = ""
    ) -> Catalog:
        """Make a project. Raises `InputError` where its owner has one of that name."""
        if not name:
            raise InputError(
                "The project's name is empty.", expected="a name", do="Give it one: --name NAME"
            )
        values = {"name": name, "created_at": now(), "recipe": dict(recipe), "owner": owner}
        with database.writing(engine) as connection:
            # One statement: another process may make the same project at this moment.
            statement = insert(connection, _projects).values(**values)
            statement = statement.on_conflict_do_nothing(index_elements=["owner", "name"])
            made = connection.scalar(statement.returning(_projects.c.id))
        if made is None:
            raise InputError(
                f"There is a project {name!r} already.",
                expected="a name that is not taken",
                do=f"Go on with it (tellapart show {name}) or choose another: --name NAME",
            )
        return cls(engine, name, int(made), owner)

    @classmethod
    def open(cls, engine: sa.Engine, name: str, owner: str = "") -> Catalog:
        """Open an owner's project. Raises `NotFoundError`, with the nearest name there is."""
        query = sa.select(_projects.c.id).where(_projects.c.name == name)
        with database.reading(engine) as connection:
            found = connection.scalar(query.where(_projects.c.owner == owner))
        if found is None:
            near = difflib.get_close_matches(name, cls.names(engine, owner), n=1)
            raise NotFoundError(
                f"There is no project {name!r}." + (f" Did you mean {near[0]!r}?" if near else ""),
                expected="the name of a project made before",
                do="List them: tellapart list",
            )
        return cls(engine, name, int(found), owner)

    @staticmethod
    def names(engine: sa.Engine, owner: str = "") -> list[str]:
        """The names of an owner's projects, in alphabetical order."""
        query = sa.select(_projects.c.name).where(_projects.c.owner == owner)
        with database.reading(engine) as connection:
            return sorted(connection.scalars(query))

    @staticmethod
    def everyone(engine: sa.Engine) -> list[tuple[str, str]]:
        """All projects of all owners as (owner, name), sorted."""
        query = sa.select(_projects.c.owner, _projects.c.name)
        with database.reading(engine) as connection:
            return sorted((str(owner), str(name)) for owner, name in connection.execute(query))

    @staticmethod
    def delete(engine: sa.Engine, name: str, owner: str = "") -> None:
        """Delete a project with all its rows; its files stay. Raises `NotFoundError`."""
        catalog = Catalog.open(engine, name, owner)
        with database.writing(engine) as connection:
            connection.execute(_projects.delete().where(_projects.c.id == catalog.project_id))

    @staticmethod
    def shas(engine: sa.Engine) -> set[str]:
        """The SHA-256 of every picture file that some project of any owner names."""
        query = sa.select(schema.pictures.c.sha256).where(schema.pictures.c.sha256 != "")
        with database.reading(engine) as connection:
            return set(connection.scalars(query.distinct()))

    def counts(self) -> dict[str, Any]:
        """How many pictures (or rows) were found, kept and set aside, and why; see `count`."""
        return looking.tally(self)


def count(rows: Iterable[PictureRow | TableRow]) -> dict[str, Any]:
    """Count pictures, in all and by class; JSON-able.

    `found`: pictures whose bytes are here (status `ok`), of which some are `kept` and some
    `set_aside`; `reasons`: those set aside by reason word; `statuses`: ledger rows by status;
    `failures`: failed, refused and missing rows by `status: reason`; `splits`: kept pictures by
    split (all four most first); `classes`: the same by class, in alphabetical order; `sources`:
    pictures `found`, `kept` and `not_had` by the source that offered them, most first.
    """
    rows = list(rows)
    labels: dict[str, list[PictureRow | TableRow]] = {}
    for row in rows:
        labels.setdefault(row.label, []).append(row)
    classes = {label: _count(labels[label]) for label in sorted(labels)}
    return {**_count(rows), "classes": classes, "sources": _by_source(rows)}


def _by_source(rows: Iterable[PictureRow | TableRow]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        if isinstance(row, TableRow):
            continue
        one = found.setdefault(row.source, {"found": 0, "kept": 0, "not_had": 0})
        one["found"] += row.status == "ok"
        one["kept"] += row.status == "ok" and bool(row.kept)
        one["not_had"] += row.status in ("failed", "refused", "missing")
    return dict(sorted(found.items(), key=lambda item: (-item[1]["found"], item[0])))


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
