"""What belongs to one owner, over all projects: for lists of projects and for quotas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tellapart.store import database, schema

_p = schema.pictures


@dataclass(frozen=True)
class ProjectRow:
    """One project in a list, with its newest version."""

    name: str
    created_at: str
    recipe: dict[str, Any]
    #: None: none yet.
    version: int | None
    metrics: dict[str, Any] | None


def projects(
    engine: sa.Engine, owner: str, *, limit: int, after: str = "", name: str | None = None
) -> tuple[list[ProjectRow], int]:
    """An owner's projects by name, from behind `after` on (or the one called `name`), and how
    many there are in all."""
    table, versions = schema.projects, schema.versions
    newest = (
        sa.select(versions.c.project_id, sa.func.max(versions.c.version).label("version"))
        .group_by(versions.c.project_id)
        .subquery()
    )
    query = (
        sa.select(
            table.c.name, table.c.created_at, table.c.recipe, versions.c.version, versions.c.metrics
        )
        .select_from(
            table.outerjoin(newest, newest.c.project_id == table.c.id).outerjoin(
                versions,
                sa.and_(
                    versions.c.project_id == table.c.id, versions.c.version == newest.c.version
                ),
            )
        )
        .where(table.c.owner == owner, table.c.name > after)
        .order_by(table.c.name)
        .limit(limit)
    )
    if name is not None:
        query = query.where(table.c.name == name)
    number = sa.select(sa.func.count()).where(table.c.owner == owner)
    with database.reading(engine) as connection:
        rows = [ProjectRow(*row) for row in connection.execute(query)]
        return rows, int(connection.scalar(number) or 0)


def holdings(engine: sa.Engine, owner: str) -> dict[str, int]:
    """How many `projects` and `pictures` an owner has, and the `bytes` of pictures fetched."""
    mine = sa.select(schema.projects.c.id).where(schema.projects.c.owner == owner)
    here = sa.and_(_p.c.project_id.in_(mine), _p.c.status == "ok")
    files = sa.select(_p.c.sha256, sa.func.max(_p.c.bytes).label("size"))
    files = files.where(here, _p.c.path == "").group_by(_p.c.sha256)
    of_files = files.subquery()
    with database.reading(engine) as connection:
        return {
            name: int(connection.scalar(query) or 0)
            for name, query in (
                ("projects", sa.select(sa.func.count()).select_from(mine.subquery())),
                ("pictures", sa.select(sa.func.count()).select_from(_p).where(here)),
                ("bytes", sa.select(sa.func.sum(of_files.c.size))),
            )
        }
