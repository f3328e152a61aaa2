"""The column of a given list whose equal values must stay in one split."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace

from tellapart.doors import Hit
from tellapart.errors import InputError


def grouped(hits: Sequence[Hit], group_by: str | None) -> list[Hit]:
    """`hits` with the value of the column `group_by` as their group; None: as they are.

    Raises `InputError`, with the nearest name there is, for a column that no row has.
    """
    if group_by is None:
        return list(hits)
    column = group_by.strip().lower().replace(" ", "_").replace("-", "_")
    there = sorted({name for hit in hits for name in hit.columns})
    if column not in there:
        near = difflib.get_close_matches(column, there, n=1)
        raise InputError(
            f"The data set has no column {group_by!r} to group by."
            + (f" Did you mean {near[0]!r}?" if near else ""),
            expected=f"one of {', '.join(there)}" if there else "a list with columns, such as CSV",
            do="Correct `split.group_by` in the recipe, or leave it out.",
        )
    return [replace(hit, group=hit.columns.get(column) or None) for hit in hits]
