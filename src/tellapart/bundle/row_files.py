"""Rows out of a CSV file, a line at a time: memory stays bounded however long it is.

A cell is read exactly as it was for training (`tellapart.tables`). Columns are matched by the
names in the first line, whatever their order; a file without such a line by place.
"""

from __future__ import annotations

import codecs
import csv
import io
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from tellapart.bundle.rows import RowReader, shown
from tellapart.errors import InputError, NotFoundError
from tellapart.tables import Cell, clean, label_of, number_of
from tellapart.tables.reading import DECIMAL_COMMA, column_names

_DELIMITERS = (",", ";", "\t", "|", " ")
_CHUNK = 1 << 20
_IN_MEMORY = 1 << 24
#: Characters in which the first line must end.
_FIRST = 1 << 24


@dataclass(frozen=True)
class FileRow:
    """One row of a file: its cells in the model's order, or why it cannot be read."""

    #: From 1; the line of names does not count.
    number: int
    #: Where it ends in the file, from 1.
    line: int
    cells: tuple[Cell, ...]
    #: The class that the file itself gives; None where it gives none.
    answer: str | None = None
    error: InputError | None = None


class RowFile:
    """An open file of rows; iterate once. Make it with `open_rows`."""

    def __init__(self, text: IO[str], reader: RowReader, name: str) -> None:
        self._reader = reader
        #: What messages call the file.
        self.name = name
        first = _first_line(text, name)
        self._sign = _delimiter(first, reader)
        text.seek(0)
        self._lines: Any = csv.reader(
            text, delimiter=self._sign, skipinitialspace=True, strict=True
        )
        cells = self._next()
        if cells is None:
            raise InputError(
                f"{name} holds no rows.", expected="a row a line", do="Give a file with rows."
            )
        self._width = len(cells)
        places, self.header = _places(cells, reader, name)
        target = reader.schema.target
        self._target = places.get(target)
        self._places = [places[column] for column in reader.schema.names]
        self._kept = None if self.header else cells
        extra = [c for c in places if c not in reader.schema.names and c not in reader.ignored]
        #: Columns of the file that the model does not know; they are not looked at.
        self.unused: tuple[str, ...] = tuple(extra) if self.header else ()

    @property
    def has_answers(self) -> bool:
        """Whether the file has the target column."""
        return self._target is not None

    def __iter__(self) -> Iterator[FileRow]:
        number = 0
        cells = self._kept or self._next()
        while cells is not None:
            number += 1
            yield self._row(cells, number)
            cells = self._next()

    def _next(self) -> list[str] | None:
        """The cells of the next line that is not empty; None at the end."""
        try:
            for cells in self._lines:
                while self._sign == " " and cells and not cells[-1]:
                    cells.pop()
                if len(cells) > 1 or (cells and cells[0].strip()):
                    found: list[str] = cells
                    return found
        except csv.Error as error:
            raise InputError(
                f"{self.name}, line {self._lines.line_num}: {error}.",
                expected='cells divided by one sign; one that holds it stands in "quotes"',
                do="Correct that line: often a quote is left open in it or in a line before.",
            ) from None
        except UnicodeError as error:
            raise InputError(
                f"{self.name} is damaged after line {self._lines.line_num} ({error}).",
                expected="text in UTF-8, UTF-16 or Windows-1252",
                do="Save the table anew as CSV in UTF-8.",
            ) from None
        return None

    def _row(self, cells: list[str], number: int) -> FileRow:
        line = self._lines.line_num
        if len(cells) != self._width:
            what = f"{self.name}, line {line}: {len(cells)} cells, where the first line has"
            return FileRow(
                number,
                line,
                (),
                error=InputError(
                    f"{what} {self._width}.",
                    expected=f"{self._width} cells in every line, divided by {self._sign!r}",
                    do="Correct that line; a cell that holds the dividing sign stands in quotes.",
                ),
            )
        found = tuple(
            self._cell(cells[place], column.kind == "number")
            for place, column in zip(self._places, self._reader.schema.columns, strict=True)
        )
        answer = None if self._target is None else self._reader.schema.label(cells[self._target])
        return FileRow(number, line, found, answer)

    def _cell(self, text: str, number: bool) -> Cell:
        cell = clean(text)
        if number and cell and self._sign != "," and DECIMAL_COMMA.fullmatch(cell):
            return cell.replace(",", ".")
        return cell


@contextmanager
def open_rows(source: Path | IO[bytes], reader: RowReader) -> Iterator[RowFile]:
    """Open a CSV file, or what comes through a pipe, as rows for `reader`.

    Raises `NotFoundError` and `InputError`: for what is no text, has no rows, or lacks columns.
    Reading on raises `InputError` where a quote is left open; a line with too many or too few
    cells is a `FileRow` with its `error`.
    """
    name = repr(str(source)) if isinstance(source, Path) else "The input"
    with _open(source, name) if isinstance(source, Path) else _piped(source) as stream:
        text = io.TextIOWrapper(stream, encoding=_encoding(stream, name), newline="")
        try:
            yield RowFile(text, reader, name)
        finally:
            text.detach()


@contextmanager
def _piped(stream: IO[bytes]) -> Iterator[IO[bytes]]:
    """A copy that can be wound back; on disk where it is large."""
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as copy:
        shutil.copyfileobj(stream, copy)
        copy.seek(0)
        yield cast(IO[bytes], copy)


def _open(path: Path, name: str) -> IO[bytes]:
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise NotFoundError(
            f"There is no file {name}.", expected="the path of a CSV file", do="Check the path."
        ) from None
    except OSError as error:
        raise InputError(
            f"{name} cannot be read ({error.strerror or error}).",
            expected="a CSV file that may be read",
            do="Check the path.",
        ) from None


def _encoding(stream: IO[bytes], name: str) -> str:
    """As tables are read for training: UTF-16 by its mark, else UTF-8, else Windows-1252."""
    start = stream.read(_CHUNK)
    utf16 = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if not utf16 and b"\0" in start:
        raise InputError(
            f"{name} is no text: it holds zero bytes.",
            expected="a table as text, such as CSV in UTF-8",
            do="Save the table as CSV (a spreadsheet's own format cannot be read).",
        )
    decoder = codecs.getincrementaldecoder("utf-8")()
    encoding = "utf-16" if utf16 else "utf-8-sig"
    try:
        while start and not utf16:
            decoder.decode(start)
            start = stream.read(_CHUNK)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        encoding = "cp1252"
    stream.seek(0)
    return encoding


def _first_line(text: IO[str], name: str) -> str:
    """The first line that is not empty; a quoted name may hold a line end, which does no harm."""
    try:
        line = text.readline(_FIRST)
        while line and not line.strip():
            line = text.readline(_FIRST)
    except UnicodeError:
        line = ""
    if len(line) == _FIRST:
        raise InputError(
            f"{name} has a first line of more than {_FIRST:,} characters.",
            expected="a row a line",
            do="Give a CSV file.",
        )
    return line


def _delimiter(line: str, reader: RowReader) -> str:
    """The sign that gives the most of the columns' names, or else as many cells as columns."""
    wanted, width = frozenset(reader.schema.names), len(reader.schema.names)
    best, best_score = ",", (-1, False, 0)
    for sign in _DELIMITERS:
        try:
            cells = next(csv.reader([line], delimiter=sign, skipinitialspace=True), [])
        except csv.Error:
            continue
        named = len(wanted & {cell.strip() for cell in cells})
        score = (named, 0 <= len(cells) - width <= 1, min(len(cells), 2))
        if score > best_score:
            best, best_score = sign, score
    return best


def _places(first: Sequence[str], reader: RowReader, name: str) -> tuple[dict[str, int], bool]:
    """Where each column stands in the file, and whether its first line names them.

    Raises `InputError` where columns are missing.
    """
    schema = reader.schema
    cells = [cell.strip() for cell in first]
    named, _ = column_names(cells)
    absent, strange = reader.compare(named)
    if not absent:
        return {column: place for place, column in enumerate(named)}, True
    loose = _loosely(named, reader)
    if loose is not None:
        return loose, True
    places = _by_place(cells, reader)
    if places is not None and len(absent) == len(schema.names):
        return places, False
    raise InputError(
        f"{name} lacks the column{'s' if len(absent) > 1 else ''} {shown(absent)}"
        + (
            f", and its column{'s' if len(strange) > 1 else ''} {shown(strange)} "
            f"{'are' if len(strange) > 1 else 'is'} not known."
            if strange
            else "."
        ),
        expected=f"a first line with the names {shown(schema.names)}, in any order; or, without "
        f"such a line, {len(schema.names)} cells in this order",
        do=reader.advice(absent, strange),
    )


def _by_place(cells: Sequence[str], reader: RowReader) -> dict[str, int] | None:
    """Places in a file whose first line holds values; None where it does not look like that."""
    schema = reader.schema
    width, count = len(cells), len(schema.names)
    everything = (*schema.names, *reader.ignored)
    numbered = {f"column_{place}": place for place in range(width)}
    places = None
    if all(name in numbered for name in schema.names) and width >= len(everything):
        # Names as a table without names got them for training.
        places = {name: numbered[name] for name in everything if name in numbered}
    elif width == count:
        places = {name: place for place, name in enumerate(schema.names)}
    elif width == count + 1:
        last = label_of(clean(cells[-1]), schema.classes) in schema.classes
        start = 0 if last else 1
        if last or label_of(clean(cells[0]), schema.classes) in schema.classes:
            places = {name: start + place for place, name in enumerate(schema.names)}
            places[schema.target] = count if last else 0
    if places is None:
        return None
    for column in schema.columns:
        text = clean(cells[places[column.name]])
        number = text is None or text in column.words or number_of(text.replace(",", "."))
        if column.kind == "number" and number is None:
            return None
    return places


def _loosely(named: Sequence[str], reader: RowReader) -> dict[str, int] | None:
    """Columns by their names without case and signs, where that leaves no doubt."""

    def bare(name: str) -> str:
        return "".join(sign for sign in name.casefold() if sign.isalnum())

    given = {bare(name): place for place, name in enumerate(named)}
    wanted = (*reader.schema.names, *reader.ignored)
    if len(given) < len(named) or len({bare(name) for name in wanted}) < len(wanted):
        return None
    places = {name: given[bare(name)] for name in wanted if bare(name) in given}
    found = places if all(name in places for name in reader.schema.names) else None
    taken = set(places.values())
    if found is not None:
        found |= {name: at for at, name in enumerate(named) if at not in taken}
    return found
