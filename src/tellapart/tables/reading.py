"""CSV to a table: encoding, delimiter and header are found out, and what was taken is said."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tellapart.errors import InputError
from tellapart.tables.cells import Cell, clean, number_of, one_line
from tellapart.tables.table import Table

MAX_BYTES = 1 << 30
MAX_COLUMNS = 10_000
_DELIMITERS = (",", ";", "\t", "|", " ")
_WORDS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar", " ": "a blank"}
DECIMAL_COMMA = re.compile(r"[+-]?(\d+,\d+|\d+)([eE][+-]?\d+)?", re.ASCII)
_TOLD = re.compile(r"(sep=([,;\t|]))\r?\n", re.IGNORECASE)
#: Lines and rows looked at to find out the delimiter and whether there is a header.
_LOOK = 200


def read_csv(
    source: Path | str | bytes,
    *,
    header: bool | None = None,
    delimiter: str | None = None,
    target: str | int | None = None,
    name: str | None = None,
) -> Table:
    """Read a file (a `Path`) or its text (str, bytes) as a table.

    `header`: whether the first line names the columns; None: found out, and `target`, where it
    is a word of the first line, settles it. `delimiter`: None: whichever of comma, semicolon,
    tab, bar and blank divides the lines evenly. `name` is what messages call a text.

    Raises `InputError` for what is no table: no text, lines of different length, an open quote.
    """
    where = repr(str(source)) if isinstance(source, Path) else name or "The table"
    text, notes = _text(source, where)
    told = _TOLD.match(text)
    if told:
        # A spreadsheet's own line; blanked, so that the numbers of the lines stay right.
        text, delimiter = text[told.end(1) :], delimiter or told[2]
    sign = delimiter or _delimiter(text)
    rows = _rows(text, sign, where)
    while len(rows[0]) > 1 and all(row[-1] is None for row in rows):
        rows = [row[:-1] for row in rows]  # every line ends with the dividing sign
    first = [cell or "" for cell in rows[0]]
    if header is None:
        header = (isinstance(target, str) and target.strip() in first) or _has_header(rows)
    width = len(first)
    if header:
        columns, more = column_names(first)
        notes += more
        rows = rows[1:]
    else:
        columns = tuple(f"column_{i}" for i in range(width))
    if sign != ",":
        notes += _without_decimal_commas(columns, rows)
    return Table(columns, rows, header=bool(header), source=where, notes=tuple(notes))


def _text(source: Path | str | bytes, where: str) -> tuple[str, list[str]]:
    notes: list[str] = []
    if isinstance(source, str):
        text = source.removeprefix("\ufeff")
    else:
        data = _bytes(source, where) if isinstance(source, Path) else source
        wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        try:
            text = data.decode("utf-16" if wide else "utf-8-sig")
        except UnicodeDecodeError:
            # Almost every byte is a letter there; spreadsheets write it.
            text = data.decode("cp1252", errors="replace")
            # A note is for a person: the file's name says enough.
            short = repr(source.name) if isinstance(source, Path) else where
            notes.append(f"{short} is not UTF-8; it was read as Windows-1252 (Western European).")
    if "\0" in text:
        raise InputError(
            f"{where} is no text: it holds zero bytes.",
            expected="a table as text, such as CSV in UTF-8",
            do="Save the table as CSV (a spreadsheet's own format cannot be read), or as .parquet.",
        )
    return text, notes


def _bytes(path: Path, where: str) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(
                f"{where} has more than {MAX_BYTES:,} bytes.",
                expected="a table that fits into memory",
                do="Take a part of its rows.",
            )
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{where} cannot be read ({error.strerror or error}).",
            expected="a file that is there and may be read",
            do="Check the path.",
        ) from None


def _delimiter(text: str) -> str:
    """The sign that divides most of the first lines into the same number of cells."""
    lines: list[str] = []
    for line in io.StringIO(text):
        if line.strip():
            lines.append(line)
        if len(lines) == _LOOK:
            break
    best, best_score = ",", (0.0, 0)
    for sign in _DELIMITERS:
        try:
            widths = Counter(len(row) for row in _reader("".join(lines), sign) if row)
        except csv.Error:
            continue
        width, count = widths.most_common(1)[0] if widths else (1, 0)
        # The first sign wins between equals: a list of `a, b` is divided by its commas.
        score = (count / max(1, len(lines)), min(width, 2))
        if width > 1 and score > best_score:
            best, best_score = sign, score
    return best


def _reader(text: str, sign: str) -> Any:
    # `strict`: an open quote is a mistake to be told, not the rest of the file as one cell.
    return csv.reader(
        io.StringIO(text, newline=""), delimiter=sign, skipinitialspace=True, strict=True
    )


def _rows(text: str, sign: str, where: str) -> list[tuple[Cell, ...]]:
    rows: list[tuple[Cell, ...]] = []
    width, reader = 0, _reader(text, sign)
    try:
        for cells in reader:
            while sign == " " and cells and not cells[-1]:
                cells.pop()
            if not cells or (len(cells) == 1 and not cells[0].strip()):
                continue
            width = width or len(cells)
            if len(cells) != width:
                raise _ragged(where, reader.line_num, len(cells), width, sign)
            rows.append(tuple(map(clean, cells)))
    except csv.Error as error:
        raise InputError(
            f"{where}, line {reader.line_num}: {error}.",
            expected="cells divided by one sign; one that holds the sign, a quote or a line end "
            'stands in "quotes", a quote within doubled',
            do="Correct that line: often a quote is left open in it or in a line before.",
        ) from None
    if not rows:
        raise InputError(
            f"{where} holds no rows.", expected="a row a line", do="Give a table with rows."
        )
    if width > MAX_COLUMNS:
        raise InputError(
            f"{where} has {width:,} columns.",
            expected=f"at most {MAX_COLUMNS:,}",
            do="Take the columns that matter.",
        )
    return rows


def _ragged(where: str, line: int, cells: int, width: int, sign: str) -> InputError:
    return InputError(
        f"{where}, line {line}: {cells} cells, where the first line has {width}.",
        expected=f"{width} cells in every line, divided by {_WORDS.get(sign, repr(sign))}",
        do="Correct that line; a cell that holds the dividing sign must stand in quotes.",
    )


def _has_header(rows: Sequence[Sequence[Cell]]) -> bool:
    """Whether the first row names the columns: words above numbers, or words never seen again."""
    first, body = rows[0], rows[1 : 1 + _LOOK]
    named = [cell for cell in first if cell is not None]
    if not body or len(set(named)) != len(named) or any(map(_is_number, named)):
        return False
    # One name may be missing: of the column of row numbers that data frames write first.
    if None in first[1:]:
        return False
    columns = list(zip(*body, strict=True))
    if any(_mostly_numbers(column) for column in columns):
        return True
    if None in first:
        return False
    return all(cell not in column for cell, column in zip(first, columns, strict=True))


def _is_number(cell: Cell) -> bool:
    return cell is not None and (
        number_of(cell) is not None or DECIMAL_COMMA.fullmatch(cell) is not None
    )


def _mostly_numbers(column: Sequence[Cell]) -> bool:
    there = [cell for cell in column if cell is not None]
    return bool(there) and 2 * sum(map(_is_number, there)) > len(there)


def column_names(first: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Names of the columns, each once, none empty."""
    taken: list[str] = []
    twice: list[str] = []
    for i, given in enumerate(first):
        given = one_line(given)
        name = given or f"column_{i}"
        number = 2
        while name in taken:
            if given not in twice:
                twice.append(given)
            name = f"{given or 'column'}_{number}"
            number += 1
        taken.append(name)
    notes = [f"Several columns are named {name!r}: the later ones got a number." for name in twice]
    return tuple(taken), notes


def _without_decimal_commas(columns: Sequence[str], rows: list[tuple[Cell, ...]]) -> list[str]:
    """Write `1,5` as `1.5` in columns that hold nothing but such numbers; in place."""
    found = []
    for k in range(len(columns)):
        there = [row[k] for row in rows if row[k] is not None]
        if any("," in (cell or "") for cell in there) and all(
            DECIMAL_COMMA.fullmatch(cell or "") for cell in there
        ):
            found.append(k)
    if not found:
        return []
    places = set(found)
    for i, row in enumerate(rows):
        rows[i] = tuple(
            cell.replace(",", ".") if k in places and cell is not None else cell
            for k, cell in enumerate(row)
        )
    names = ", ".join(repr(columns[k]) for k in found[:5]) + (", …" if len(found) > 5 else "")
    return [f"Decimal commas were read as points in: {names}."]
