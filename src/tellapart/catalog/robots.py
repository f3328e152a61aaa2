"""The user's named act of leaving a host's robots.txt aside, kept with the project."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from tellapart.catalog.base import Base, insert, now
from tellapart.store.schema_robots import robots_ignored as _table


def note(catalog: Base, hosts: Collection[str]) -> None:
    """Write down that a run leaves aside what the robots.txt of these hosts say."""
    if not hosts:
        return
    at = now()
    rows = [
        {"project_id": catalog.project_id, "host": host, "first_at": at, "last_at": at}
        for host in sorted(set(hosts))
    ]
    with catalog._writing() as connection:
        statement = insert(connection, _table)
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["project_id", "host"],
                set_={"last_at": statement.excluded.last_at},
            ),
            rows,
        )


def noted(catalog: Base) -> dict[str, tuple[str, str]]:
    """Host → when a run left its robots.txt aside first, and last."""
    query = (
        sa.select(_table.c.host, _table.c.first_at, _table.c.last_at)
        .where(_table.c.project_id == catalog.project_id)
        .order_by(_table.c.host)
    )
    with catalog._reading() as connection:
        return {host: (first, last) for host, first, last in connection.execute(query)}
