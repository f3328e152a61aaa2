"""Data sets by name: what is known of them, and reading them as arrays or as a table.

Light to import: what reads them is loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tellapart.datasets.arrays import Arrays, Watch, silent
from tellapart.datasets.facts import FACTS, Facts, canonical
from tellapart.errors import NotFoundError

if TYPE_CHECKING:
    from tellapart.settings import Settings
    from tellapart.tables import Table

__all__ = ["FACTS", "Arrays", "Facts", "Watch", "canonical", "load_arrays", "load_table"]


def load_arrays(name: str, settings: Settings, watch: Watch = silent) -> Arrays:
    """The picture data set `name`: from scikit-learn, from the folder that `TELLAPART_DATASETS`
    names, from the cache, or fetched from the first mirror that has it unharmed.

    Raises `NotFoundError` where no picture data set has that name, `FetchError` where it cannot
    be had, `DataError` for files that are no such data set.
    """
    _require(name, "pictures")
    from tellapart.datasets import pictures

    return pictures.load(name, settings, watch)


def load_table(name: str, seed: int = 0) -> Table:
    """The table data set `name`; its class stands in the last column, `target`.

    `seed` draws the points of `circles` and `moons`. Raises `NotFoundError` where no table
    data set has that name.
    """
    _require(name, "table")
    from tellapart.datasets import rows

    return rows.load(name, seed)


def _require(name: str, kind: str) -> None:
    facts = FACTS.get(name)
    if facts is not None and facts.kind == kind:
        return
    names = ", ".join(each.name for each in FACTS.values() if each.kind == kind)
    raise NotFoundError(
        f"There is no data set {name!r} of {'pictures' if kind == 'pictures' else 'rows'}.",
        expected=f"one of {names}",
        do="Name one of these, or give the path of a file or folder.",
    )
