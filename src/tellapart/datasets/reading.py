"""A table file of one's own: CSV, TSV or Parquet."""

from __future__ import annotations

from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from tellapart.errors import InputError, MissingExtraError
from tellapart.tables import Table, clean, read_csv
from tellapart.tables.cells import Cell
from tellapart.tables.reading import column_names

PARQUET = (".parquet", ".pq")


def read_table(path: Path, target: str | int | None = None) -> Table:
    """Read a table; `target` helps to tell whether a CSV has a line of names.

    Raises `InputError` for a file that is no table, `MissingExtraError` for a Parquet file where
    its reader is not installed.
    """
    if path.is_dir() or not path.exists():
        raise InputError(
            f"{str(path)!r} {'is a folder' if path.is_dir() else 'does not exist'}.",
            expected="a table: a .csv, .tsv or .parquet file",
            do="Check the path for mistakes.",
        )
    if path.suffix.lower() in PARQUET:
        return read_parquet(path)
    return read_csv(path, delimiter="\t" if path.suffix.lower() == ".tsv" else None, target=target)


def read_parquet(path: Path) -> Table:
    """Read a Parquet file; numbers, truth, words and times become text as CSV would have it.

    Raises `InputError` for a damaged file and for columns of lists or bytes, `MissingExtraError`.
    """
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        raise MissingExtraError(
            f"{str(path)!r} is a Parquet file, and its reader is not installed.",
            expected="the package pyarrow",
            do="Run `pip install tellapart[parquet]`, or save the table as CSV.",
        ) from None
    try:
        # One thread and no memory mapping: the file may be damaged in any way.
        found = parquet.ParquetFile(path).read(use_threads=False)
        names, columns = found.column_names, [column.to_pylist() for column in found.columns]
    except Exception as error:  # its many kinds of errors, for damage of any kind
        raise InputError(
            f"{str(path)!r} cannot be read as Parquet ({str(error).splitlines()[0][:200]}).",
            expected="a whole Parquet file",
            do="Write the file again, or save the table as CSV.",
        ) from None
    if not names or not found.num_rows:
        raise InputError(
            f"{str(path)!r} holds no rows.",
            expected="a table with rows",
            do="Write the file again.",
        )
    unique, notes = column_names(names)
    cells = [
        [_cell(value, name, path) for value in column]
        for name, column in zip(unique, columns, strict=True)
    ]
    rows = list(zip(*cells, strict=True))
    return Table(unique, rows, source=repr(str(path)), notes=tuple(notes))


def _cell(value: Any, column: str, path: Path) -> Cell:
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, (list, dict, bytes, tuple)):
        raise InputError(
            f"The column {column!r} of {str(path)!r} holds {type(value).__name__} values.",
            expected="numbers, words, truth or times in every cell",
            do="Leave this column out of the file, or divide it into several.",
        )
    return clean(value)
