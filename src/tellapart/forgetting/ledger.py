"""The pictures' rows, and what was measured of their contents."""

from __future__ import annotations

from tellapart.catalog import people
from tellapart.catalog.base import chunks
from tellapart.forgetting.order import Order
from tellapart.store import schema


def measurements(order: Order) -> dict[str, int]:
    """Figures and faces by content, where nobody else holds it."""
    table, shas = schema.measurements, sorted(order.traces.own_shas)
    rows = 0
    with order.writing() as connection:
        for part in chunks(shas):
            rows += connection.execute(table.delete().where(table.c.sha256.in_(part))).rowcount
    faces = people.drop(order.engine, shas) if shas else 0
    return {key: number for key, number in (("figures", rows), ("faces", faces)) if number}


def pictures(order: Order) -> dict[str, int]:
    """Rows with verdicts, splits, scores; last of all, for they name everything else."""
    traces, table = order.traces, schema.pictures
    gone = 0
    with order.writing() as connection:
        for part in chunks(sorted(traces.ids)):
            gone += connection.execute(table.delete().where(table.c.id.in_(part))).rowcount
        whole = 0
        if traces.kind == "user":
            mine = schema.projects.delete().where(schema.projects.c.owner == traces.owner)
            whole = connection.execute(mine).rowcount
    return {key: number for key, number in (("pictures", gone), ("projects", whole)) if number}
