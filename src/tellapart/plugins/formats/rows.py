"""Rows of CSV and JSON Lines files, and what their columns mean for a picture."""

from __future__ import annotations

import codecs
import csv
import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from tellapart.doors import Hit
from tellapart.errors import InputError
from tellapart.plugins.formats.places import Labels, Places, is_picture_name, split_named

PATH_COLUMNS = ("file_name", "image_path", "path", "filename", "filepath", "file", "image")
URL_COLUMNS = ("file_url", "image_url", "url")
LABEL_COLUMNS = ("label", "class", "class_name", "category", "text")
_MAX_LINE = 1_000_000
_MAX_COLUMNS = 200
_QUOTES = ('"', "|")

Row = dict[str, Any]


def read_csv(path: Path) -> Iterator[Row | None]:
    """Rows of a CSV file as dicts by lower-case column; None for a row that is not one.

    Commas, semicolons, tabs or bars; UTF-8 with or without mark, or UTF-16 with mark. A file
    without a header may hold `path,label`, `url,label`, or one of path and url a line. Bars may
    also stand for quotes, as the older program wrote them.
    Raises `InputError` for anything that is not such a file.
    """
    with _open(path) as handle:
        lines = _lines(path, handle)
        first = next(lines, "")
        while first and not first.strip():
            first = next(lines, "")
        header, delimiter = _header(path, first)
        columns = header or ["path", "label"]
        line = 1
        try:
            for at, cells in _cells(_again(header is None, first, lines), delimiter):
                line = at
                if not any(cell.strip() for cell in cells):
                    continue
                if len(cells) > len(columns) and any(c.strip() for c in cells[len(columns) :]):
                    yield None
                else:
                    yield dict(zip(columns, (cell.strip() for cell in cells), strict=False))
        except csv.Error as error:
            raise InputError(
                f"{path.name!r} cannot be read near line {line + 1}: {error}.",
                expected='a CSV file; a field with quotes or line breaks stands in "…"',
                do="Look for a quote that is not closed, and write the file anew.",
            ) from None


def read_jsonl(path: Path) -> Iterator[Row | None]:
    """Objects of a JSON Lines file by lower-case key; None for a line that is not an object."""
    with _open(path) as handle:
        for line in _lines(path, handle):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                value = None
            is_row = isinstance(value, dict)
            yield {_column(key): cell for key, cell in value.items()} if is_row else None


def to_hit(row: Mapping[str, Any] | None, rank: int, places: Places, labels: Labels) -> Hit:
    """What a row says about one picture; what is wrong with it stands in `problem`."""
    if row is None:
        return Hit(rank=rank, problem="bad_row")
    label, problem = labels.check(_first(row, LABEL_COLUMNS))
    target = _text(_first(row, PATH_COLUMNS)) or _text(_first(row, URL_COLUMNS))
    url, path = "", None
    if target.lower().startswith(("http://", "https://", "data:")):
        url = target
    else:
        path, wrong = places.find(target)
        problem = wrong or problem
    return Hit(
        rank=rank,
        file_url=url,
        path=path,
        label=label,
        page_url=_text(_first(row, ("page_url", "source_url", "landing_url"))),
        title=_text(row.get("title")),
        creator=_text(_first(row, ("creator", "author", "artist"))),
        license=_text(row.get("license")).lower(),
        license_version=_text(row.get("license_version")),
        license_url=_text(row.get("license_url")),
        attribution=_text(row.get("attribution")),
        split=split_named(_text(row.get("split"))),
        group=_text(row.get("group")) or None,
        columns={name: _text(cell) for name, cell in row.items()},
        problem=problem,
    )


def _first(row: Mapping[str, Any], columns: tuple[str, ...]) -> Any:
    return next((row[c] for c in columns if row.get(c) not in (None, "")), None)


def _text(value: Any) -> str:
    return "" if value is None or isinstance(value, (dict, list)) else str(value).strip()


def _column(name: object) -> str:
    return str(name).strip().lower().replace(" ", "_").replace("-", "_")


def _open(path: Path) -> TextIO:
    try:
        with path.open("rb") as raw:
            start = raw.read(4)
        wide = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return path.open(encoding="utf-16" if wide else "utf-8-sig", newline="")
    except OSError as error:
        raise InputError(
            f"{str(path)!r} cannot be read: {error.strerror}.",
            expected="a readable file",
            do="Check the path and its permissions.",
        ) from None


def _lines(path: Path, handle: TextIO) -> Iterator[str]:
    number = 0
    while True:
        number += 1
        try:
            line = handle.readline(_MAX_LINE)
        except UnicodeError:
            raise InputError(
                f"{path.name!r} is not text in UTF-8 (line {number}).",
                expected="UTF-8, or UTF-16 with its mark",
                do="Save the file as UTF-8.",
            ) from None
        if not line:
            return
        if len(line) >= _MAX_LINE:
            raise InputError(
                f"Line {number} of {path.name!r} has {_MAX_LINE:,} characters or more.",
                expected="one picture a line",
                do="Check that this is the list of pictures and that its lines end.",
            )
        yield line


def _header(path: Path, line: str) -> tuple[list[str] | None, str]:
    """(columns or None without a header, delimiter) from the first line."""
    known = {*PATH_COLUMNS, *URL_COLUMNS}
    best: tuple[list[str] | None, str] | None = None
    for delimiter in ",;\t|":
        cells = next(csv.reader([line], delimiter=delimiter), [])
        if len(cells) > _MAX_COLUMNS:
            raise InputError(
                f"The first line of {path.name!r} has {len(cells):,} columns.",
                expected=f"at most {_MAX_COLUMNS} columns, one picture a line",
                do="Give a CSV with the columns path and label.",
            )
        # The older program may have quoted the header too.
        columns = [_column(cell.strip("|") if delimiter != "|" else cell) for cell in cells]
        if known & set(columns):
            return columns, delimiter
        # Addresses hold commas and semicolons: a second cell such as `b.jpg` is no class.
        bare = len(cells) <= 2 and _names_a_picture(cells[0] if cells else "")
        bare = bare and not (len(cells) == 2 and is_picture_name(cells[1].strip()))
        if bare and (best is None or len(cells) == 2):
            best = None, delimiter
    if best is None:
        start = line.strip()[:60]
        raise InputError(
            f"{path.name!r} starts with {start!r}, which names no column of pictures.",
            expected=f"a first line with one of {', '.join((*PATH_COLUMNS, *URL_COLUMNS))}, "
            f"and one of {', '.join(LABEL_COLUMNS)}",
            do="Write `path,label` as the first line and one picture a line below it.",
        )
    return best


def _cells(lines: Iterator[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(number of its last line, cells) of each row.

    What quotes a field shows at the first one that is quoted: `"`, or the older program's `|`.
    """
    for number, line in enumerate(lines):
        quote = _quote(line, delimiter)
        if quote:
            rest = csv.reader(itertools.chain([line], lines), delimiter=delimiter, quotechar=quote)
            for cells in rest:
                yield number + rest.line_num, cells
            return
        yield number + 1, next(csv.reader([line], delimiter=delimiter), [])


def _quote(line: str, delimiter: str) -> str:
    """The sign with which some field of the line begins, where that is one that quotes."""
    starts = [line.find(sign) for sign in _QUOTES]
    if max(starts) < 0:
        return ""
    signs = [sign for sign in _QUOTES if sign != delimiter]
    found = [
        (place, sign)
        for sign in signs
        if (place := 0 if line.startswith(sign) else line.find(delimiter + sign)) >= 0
    ]
    return min(found)[1] if found else ""


def _names_a_picture(cell: str) -> bool:
    cell = cell.strip()
    is_url = cell.lower().startswith(("http://", "https://", "data:"))
    return is_url or is_picture_name(cell.replace("\\", "/").rsplit("/", 1)[-1])


def _again(wanted: bool, first: str, rest: Iterator[str]) -> Iterator[str]:
    if wanted:
        yield first
    yield from rest
