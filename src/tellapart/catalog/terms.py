"""Under which terms the pictures stand, counted by the database."""

from __future__ import annotations

import sqlalchemy as sa

from tellapart.catalog.base import Base
from tellapart.catalog.ledger import KEPT
from tellapart.store import schema

_p, _v, _o = schema.pictures, schema.verdicts, schema.overrules


def licenses(catalog: Base) -> dict[str, tuple[int, int]]:
    """License as its source named it (empty: unknown) → pictures that are here, and kept."""
    judged = _p.outerjoin(_v, _v.c.picture_id == _p.c.id).outerjoin(_o, _o.c.picture_id == _p.c.id)
    kept = sa.func.sum(sa.case((KEPT.is_(True), 1), else_=0))
    query = (
        sa.select(_p.c.license, sa.func.count(), kept)
        .select_from(judged)
        .where(_p.c.project_id == catalog.project_id, _p.c.status == "ok")
        .group_by(_p.c.license)
    )
    with catalog._reading() as connection:
        rows = connection.execute(query).all()
    found = {str(row[0] or ""): (int(row[1]), int(row[2] or 0)) for row in rows}
    return dict(sorted(found.items(), key=lambda item: (-item[1][0], item[0])))
