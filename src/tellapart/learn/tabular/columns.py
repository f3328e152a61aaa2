"""Rows of a table as the models see them: numbers as they are, a category as one column each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tellapart.errors import DataError, InputError

#: Of a category with more values, the most frequent ones get a column each; the rest have none.
MOST_VALUES = 64


@dataclass(frozen=True)
class Columns:
    """How raw rows (n, f) become expanded ones (n, w): numbers first, then one-hot categories.

    Raw rows hold NaN where a value is missing and the index of a category. A missing or unknown
    category is 0 in all of its columns; a missing number stays NaN.
    """

    #: Raw columns that are numbers.
    numbers: tuple[int, ...]
    #: For each raw column that is a category: its number and the indices that get a column.
    categories: tuple[tuple[int, tuple[int, ...]], ...]

    @property
    def width(self) -> int:
        """Expanded columns."""
        return len(self.numbers) + sum(len(values) for _, values in self.categories)

    def expand(self, rows: ArrayLike) -> NDArray[np.float32]:
        """Expanded rows (n, w) of raw ones (n, f)."""
        raw = np.asarray(rows, dtype=np.float32)
        parts = [raw[:, list(self.numbers)]]
        for column, values in self.categories:
            wanted = np.array(values, dtype=np.float32)
            parts.append((raw[:, [column]] == wanted).astype(np.float32))
        return np.concatenate(parts, axis=1)


def learn(rows: ArrayLike, categories: Sequence[int]) -> Columns:
    """Which columns to make of raw training rows (n, f).

    `categories` holds for each raw column how many values it may have; 0: it is a number.
    Raises `InputError` where shapes do not fit or a value is infinite, `DataError` where every
    cell is empty.
    """
    raw = np.asarray(rows, dtype=np.float32)
    if raw.ndim != 2 or raw.shape[1] != len(categories) or not raw.shape[1]:
        raise InputError(
            f"Rows of shape {raw.shape} for {len(categories)} columns.",
            expected="one column of figures for each column of the table, and at least one",
            do="Encode the rows with the table's schema.",
        )
    if np.isinf(raw).any():
        row, column = (int(places[0]) for places in np.nonzero(np.isinf(raw)))
        raise InputError(
            f"Column {column} of row {row} is {raw[row, column]}.",
            expected="finite numbers, or NaN where a value is missing",
            do="Leave the cell empty, or write the number smaller than 3.4e38.",
        )
    found = Columns(
        tuple(column for column, many in enumerate(categories) if not many),
        tuple(
            (column, _frequent(raw[:, column], many))
            for column, many in enumerate(categories)
            if many
        ),
    )
    if np.isnan(raw).all():
        raise DataError(
            f"All {raw.size} cells of the rows to learn from are empty.",
            expected="at least one column that holds values",
            do="Fill the cells in, or check how missing values are written.",
        )
    return found


def _frequent(values: NDArray[np.float32], many: int) -> tuple[int, ...]:
    """The indices that occur, the most frequent `MOST_VALUES` of them, in ascending order."""
    known = values[~np.isnan(values)].astype(np.int64)
    counts = np.bincount(known[(known >= 0) & (known < many)], minlength=many)
    order = np.lexsort((np.arange(many), -counts))[:MOST_VALUES]
    return tuple(sorted(int(index) for index in order if counts[index]))
