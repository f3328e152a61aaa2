"""Tables: reading CSV, finding out what the columns are, and rows as numbers.

Needs numpy alone: all but `inference` travels in every bundle of a table, so that a row is read
there as it was read for training.
"""

from __future__ import annotations

from tellapart.tables.cells import MISSING, Cell, Row, clean, label_of, number_of
from tellapart.tables.reading import read_csv
from tellapart.tables.schema import Column, Schema
from tellapart.tables.table import Table

__all__ = [
    "MISSING",
    "Cell",
    "Column",
    "Row",
    "Schema",
    "Table",
    "clean",
    "infer",
    "label_of",
    "number_of",
    "read_csv",
]


def infer(table: Table, target: str | int | None = None) -> Schema:
    """What the columns of a table are; `target` (default: the last one) holds the class.

    Columns whose words are all different or that number the rows tell nothing and are left out,
    empty ones too. Rows without a class are not looked at. Raises `InputError` for a target that
    is no column, `DataError` for a table without rows, without features or with fewer than two
    classes, and for a target that is measured rather than named.
    """
    from tellapart.tables import inference

    return inference.infer(table, target)
