"""What rules say of pictures, beside the label that each has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from tellapart.catalog.base import Base, chunks, upsert
from tellapart.store import schema
from tellapart.store.schema_labels import rule_labels

_p = schema.pictures


@dataclass(frozen=True, slots=True)
class Ruled:
    """What the rules say of one picture; an empty `label`: it is left out."""

    label: str
    rule: str
    #: The older catalog's status code.
    code: int


def ruled(catalog: Base) -> dict[str, Ruled]:
    """What was stored last, by picture id."""
    columns = (rule_labels.c.picture_id, rule_labels.c.label, rule_labels.c.rule)
    query = (
        sa.select(*columns, rule_labels.c.code)
        .join(_p, _p.c.id == rule_labels.c.picture_id)
        .where(_p.c.project_id == catalog.project_id)
    )
    with catalog._reading() as connection:
        return {row[0]: Ruled(row[1], row[2], row[3]) for row in connection.execute(query)}


def rule(
    catalog: Base, said: Mapping[str, Ruled], labels: Mapping[str, str], gone: Iterable[str] = ()
) -> None:
    """Store what the rules say (all at once, or nothing) and the `labels` that change with it.

    `gone`: pictures of which the rules say nothing any more.
    """
    rows = [
        {"picture_id": id, "label": one.label, "rule": one.rule, "code": one.code}
        for id, one in said.items()
    ]
    label = (
        _p.update()
        .where(_p.c.id == sa.bindparam("b_id"), _p.c.project_id == catalog.project_id)
        .values(label=sa.bindparam("b_label"))
    )
    with catalog._writing() as connection:
        upsert(connection, rule_labels, rows)
        for part in chunks(sorted(gone)):
            connection.execute(rule_labels.delete().where(rule_labels.c.picture_id.in_(part)))
        if labels:
            values = [{"b_id": id, "b_label": label} for id, label in labels.items()]
            connection.execute(label, values)
