"""Check the rows of a table, and pass on picture data sets: what their makers chose stays.

A row is set aside only where nothing can be learned from it: it has no class, no value at all,
or a class of its own. Nothing is deleted.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from tellapart.catalog import RowVerdict, TableRow
from tellapart.errors import DataError
from tellapart.steps import Progress, StepContext, fingerprint

STEP = "curate"
VERSION = 1


def run(context: StepContext) -> dict[str, Any]:
    """Curate the rows; return counts, in all and by class, and notes.

    Raises `DataError`, after all verdicts are stored, for fewer than two classes.
    """
    if context.recipe.data_kind == "arrays":
        return _arrays(context)
    rows = context.catalog.rows()
    inputs = fingerprint([VERSION, [[row.number, row.sha256, row.label] for row in rows]])
    done = context.catalog.finished(STEP, inputs)
    if done is not None:
        return done
    context.progress(Progress(STEP, 0, len(rows), "checking rows"))
    empty = _empty(context, rows)
    sizes = Counter(row.label for row in rows if row.label and row.number not in empty)
    reasons = {}
    for row in rows:
        if not row.label:
            reasons[row.number] = "no_label"
        elif row.number in empty:
            reasons[row.number] = "no_values"
        elif sizes[row.label] == 1:
            reasons[row.number] = "only_one"
    context.catalog.save_row_verdicts(
        [
            RowVerdict(
                number=row.number,
                kept=row.number not in reasons,
                reason=reasons.get(row.number, ""),
            )
            for row in rows
        ]
    )
    result = _summary(rows, reasons)
    _require_classes(context, result)
    context.catalog.finish(STEP, inputs, result)
    context.progress(Progress(STEP, len(rows), len(rows)))
    return result


def _arrays(context: StepContext) -> dict[str, Any]:
    known = context.catalog.finished("collect") or {"found": 0, "classes": {}}
    result: dict[str, Any] = {
        "found": known["found"],
        "kept": known["found"],
        "set_aside": 0,
        "reasons": {},
        "classes": {
            label: {"kept": counts["ok"], "set_aside": 0, "reasons": {}}
            for label, counts in known["classes"].items()
        },
        "notes": [],
    }
    inputs = fingerprint([VERSION, known["found"], known["classes"]])
    if context.catalog.step_fingerprint(STEP) != inputs:
        context.catalog.finish(STEP, inputs, result)
    return result


def _empty(context: StepContext, rows: Sequence[TableRow]) -> set[int]:
    """Numbers of the rows without a single value in the columns learned from."""
    known = context.catalog.finished("collect") or {}
    learned = {column["name"] for column in known.get("schema", {}).get("columns", ())}
    places = [k for k, name in enumerate(known.get("columns", ())) if name in learned]
    return {row.number for row in rows if all(row.cells[k] is None for k in places)}


def _summary(rows: Sequence[TableRow], reasons: dict[int, str]) -> dict[str, Any]:
    by_class: dict[str, Counter[str]] = {row.label: Counter() for row in rows if row.label}
    kept: Counter[str] = Counter()
    for row in rows:
        reason = reasons.get(row.number)
        if reason is None:
            kept[row.label] += 1
        elif row.label:
            by_class[row.label][reason] += 1
    counts = Counter(reasons.values())
    return {
        "found": len(rows),
        "kept": kept.total(),
        "set_aside": len(reasons),
        "reasons": _ordered(counts),
        "classes": {
            label: {
                "kept": kept[label],
                "set_aside": aside.total(),
                "reasons": _ordered(aside),
            }
            for label, aside in sorted(by_class.items())
        },
        "notes": _notes(rows, reasons, kept),
    }


def _notes(rows: Sequence[TableRow], reasons: dict[int, str], kept: Counter[str]) -> list[str]:
    counts = Counter(reasons.values())
    notes = []
    if counts["no_label"]:
        notes.append(f"{_rows(counts['no_label'])} without a class: set aside.")
    if counts["no_values"]:
        notes.append(f"{_rows(counts['no_values'])} without any value: set aside.")
    alone = sorted(row.label for row in rows if reasons.get(row.number) == "only_one")
    if alone:
        notes.append(
            f"Of {_listed(alone)} there is only one row each: it cannot both teach and test, so "
            "that the model does not know the class. Add rows of it."
        )
    two = sorted(label for label, count in kept.items() if count == 2)
    if two:
        notes.append(
            f"Of {_listed(two)} there are only two rows each, one to learn from and one to test "
            "on: what the figures say of these classes is next to nothing."
        )
    same: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        if row.number not in reasons:
            same[row.sha256][row.label] += 1
    copies = sum(labels.total() - 1 for labels in same.values())
    if copies:
        notes.append(f"{_rows(copies)} equal to another one: equal rows stay in one part.")
    torn = [labels for labels in same.values() if len(labels) > 1]
    if torn:
        words = ", ".join(f"{count} {label!r}" for label, count in sorted(torn[0].items()))
        notes.append(
            f"{_rows(sum(labels.total() for labels in torn))} with the same values as a row of "
            f"another class (the first: {words}): no model can tell them apart."
        )
    return notes


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _listed(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - 5} more" if len(labels) > 5 else ""
    return ", ".join(map(repr, labels[:5])) + more


def _ordered(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _require_classes(context: StepContext, result: dict[str, Any]) -> None:
    full = [label for label, counts in result["classes"].items() if counts["kept"]]
    if len(full) >= 2:
        return
    why = ", ".join(f"{word} {count}" for word, count in result["reasons"].items())
    raise DataError(
        (f"Only the class {full[0]!r} has two rows or more" if full else "No class has two rows")
        + (f" (set aside: {why})." if why else "."),
        expected="at least two classes, each of two rows or more (10 are a start)",
        do="Add rows, or name another column as `target`.",
    )
