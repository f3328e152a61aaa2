"""A table as it was read."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from tellapart.errors import InputError
from tellapart.tables.cells import Cell


@dataclass(frozen=True)
class Table:
    """Cells as they were written, without blanks around them; a missing one is None."""

    columns: tuple[str, ...]
    rows: list[tuple[Cell, ...]]
    #: Whether the names of the columns were given; else they are column_0, column_1, …
    header: bool = True
    #: Where it came from, for messages.
    source: str = "the table"
    notes: tuple[str, ...] = ()

    def place(self, column: str | int) -> int:
        """The place of a column, by name or by number (from 0, negative from the end).

        A number may also be a text that is no column's name. Raises `InputError`.
        """
        if isinstance(column, str) and column in self.columns:
            return self.columns.index(column)
        number = column if isinstance(column, int) else _whole(column)
        if number is not None and -len(self.columns) <= number < len(self.columns):
            return number % len(self.columns)
        near = difflib.get_close_matches(str(column), self.columns, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        more = ", …" if len(self.columns) > 12 else ""
        raise InputError(
            f"{self.source} has no column {column!r}.{hint}",
            expected=f"a number from 0 to {len(self.columns) - 1} (negative: from the end), or "
            f"one of: {', '.join(self.columns[:12])}{more}",
            do="Name the column that holds the class as `target`."
            + ("" if self.header else " The file has no line of names: give its number."),
        )

    def cells(self, column: int) -> list[Cell]:
        """One column, from the first row to the last."""
        return [row[column] for row in self.rows]


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[+-]?\d{1,9}", text.strip(), re.ASCII) else None
