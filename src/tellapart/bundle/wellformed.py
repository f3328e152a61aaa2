"""What a `manifest.json` must hold, format by format; every fault is named by its key."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

#: The newest bundle format this program reads. Heads on pictures are still written as format 1.
FORMAT = 2
HEAD_FORMAT = 1
VIEWS = ("squash", "crop", "pad", "face", "both")
COLORS = ("RGB", "gray")
TASKS = ("image-classification", "tabular-classification")
_LARGEST = 4096
_MOST_COLUMNS = 100_000
_MOST_CATEGORIES = 1_000_000


def _whole(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _words(value: Any, most: int) -> bool:
    """Whether `value` is a list of different texts."""
    return (
        isinstance(value, list)
        and len(value) <= most
        and all(isinstance(word, str) for word in value)
        and len(set(value)) == len(value)
    )


class _Check:
    """Collects what is wrong, key by key."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw
        self.found: list[str] = []
        labels = raw.get("labels")
        words = isinstance(labels, list) and all(isinstance(n, str) and n for n in labels)
        self.labels: list[str] = labels if isinstance(labels, list) and words else []

    def __call__(self, good: bool, key: str, expected: str) -> None:
        if not good:
            self.found.append(f"manifest.json: `{key}` is not {expected}")


def problems(raw: Mapping[str, Any]) -> list[str]:
    """What is wrong with a manifest of a format that is known."""
    check = _Check(raw)
    check(_whole(raw.get("format"), 1, FORMAT), "format", f"a whole number up to {FORMAT}")
    check(isinstance(raw.get("name"), str) and bool(raw["name"]), "name", "a word")
    check(_whole(raw.get("version"), 1, 2**31), "version", "a whole number from 1 up")
    different = 1 < len(check.labels) == len(set(check.labels))
    check(different, "labels", "two or more different words")
    thresholds = raw.get("thresholds")
    for key in ("familiarity", "probability"):
        value = thresholds.get(key, "") if isinstance(thresholds, dict) else ""
        check(value is None or _number(value), f"thresholds.{key}", "a number or null")
    if raw.get("format") == FORMAT:
        _check_kinds(check)
    else:
        given = raw.get("input")
        given = given if isinstance(given, dict) else {}
        side = _whole(given.get("size"), 1, _LARGEST)
        check(side, "input.size", "a whole number of pixels")
        check(given.get("view") in VIEWS, "input.view", "one of " + ", ".join(VIEWS))
        outputs = raw.get("outputs", ["probabilities", "familiarity"])
        named = _words(outputs, 100) and {"probabilities", "familiarity"} <= set(outputs)
        check(named, "outputs", "a list of names with `probabilities` and `familiarity` among them")
        _check_golden(check, rows=False, familiarity=True)
    return check.found


def _check_kinds(check: _Check) -> None:
    """What format 2 adds: the kind of input, the outputs, and whether training was finished."""
    raw, given = check.raw, check.raw.get("input")
    given = given if isinstance(given, dict) else {}
    kind, outputs = given.get("kind"), raw.get("outputs", [])
    check(kind in ("picture", "row"), "input.kind", "picture or row")
    check(raw.get("task") in TASKS, "task", "one of " + ", ".join(TASKS))
    check(isinstance(raw.get("finished"), bool), "finished", "true or false")
    named = isinstance(outputs, list) and _words(outputs, 100) and "probabilities" in outputs
    check(named, "outputs", "a list of names with `probabilities` among them")
    if kind == "row":
        _check_columns(check, given)
    else:
        size = given.get("size")
        sides = isinstance(size, list) and len(size) == 2
        sides = sides and all(_whole(side, 1, _LARGEST) for side in size or ())
        check(sides, "input.size", "[height, width] in pixels")
        check(given.get("view") in VIEWS, "input.view", "one of " + ", ".join(VIEWS))
        check(given.get("color") in COLORS, "input.color", "one of " + ", ".join(COLORS))
    known = isinstance(outputs, list) and "familiarity" in outputs
    _check_golden(check, rows=kind == "row", familiarity=known)


def _check_columns(check: _Check, given: Mapping[str, Any]) -> None:
    columns = given.get("columns")
    some = isinstance(columns, list) and 0 < len(columns) <= _MOST_COLUMNS
    check(some, "input.columns", "a list of columns")
    check(isinstance(given.get("target", ""), str), "input.target", "a word")
    left_out = _words(given.get("left_out", []), _MOST_COLUMNS)
    check(left_out, "input.left_out", "a list of different words")
    seen: set[str] = set()
    for index, column in enumerate(columns if isinstance(columns, list) and some else []):
        key = f"input.columns[{index}]"
        column = column if isinstance(column, dict) else {}
        name = column.get("name")
        new = isinstance(name, str) and name not in seen
        check(new, f"{key}.name", "a word of its own")
        if isinstance(name, str):
            seen.add(name)
        kind = column.get("kind")
        check(kind in ("number", "category"), f"{key}.kind", "number or category")
        for part in ("categories", "words"):
            words = _words(column.get(part), _MOST_CATEGORIES)
            check(words, f"{key}.{part}", "a list of different words")
        for bound in ("low", "high"):
            value = column.get(bound, "")
            check(value is None or _number(value), f"{key}.{bound}", "a number or null")
        check(_whole(column.get("missing"), 0, 2**53), f"{key}.missing", "a count")


def _check_golden(check: _Check, *, rows: bool, familiarity: bool) -> None:
    golden = check.raw.get("golden")
    what = "a list of rows" if rows else "a list of pictures"
    check(isinstance(golden, list) and bool(golden), "golden", what)
    for index, item in enumerate(golden if isinstance(golden, list) else []):
        item = item if isinstance(item, dict) else {}
        odds = item.get("probabilities")
        some = isinstance(odds, list) and len(odds) == len(check.labels)
        good = some and all(map(_number, odds or ()))
        check(good, f"golden[{index}].probabilities", "one number a label")
        if rows:
            row = item.get("row")
            cells = isinstance(row, dict) and all(
                cell is None or isinstance(cell, str) or _number(cell) for cell in row.values()
            )
            check(cells, f"golden[{index}].row", "cells by column")
            check(item.get("file", "") == "", f"golden[{index}].file", "empty beside a row")
        else:
            check(isinstance(item.get("file"), str), f"golden[{index}].file", "a name")
            check(item.get("row") is None, f"golden[{index}].row", "absent beside a picture")
        known = item.get("familiarity")
        fits = _number(known) or (known is None and not familiarity)
        check(fits, f"golden[{index}].familiarity", "a number")
