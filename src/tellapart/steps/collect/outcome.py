"""What a run of collect says at its end, in figures and in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tellapart.catalog import PictureRow
from tellapart.errors import DataError, FetchError
from tellapart.steps.collect.candidates import PASSING
from tellapart.steps.collect.searching import Report


def summarize(
    rows: Sequence[PictureRow], labels: Sequence[str], wanted: int | None, report: Report | None
) -> dict[str, Any]:
    """Counts by class, `notes` in plain words, and whether the same command may find more."""
    classes: dict[str, dict[str, int]] = {}
    notes: list[str] = []
    unfinished = False
    for label in labels:
        own = [row for row in rows if row.label == label]
        statuses = Counter(row.status for row in own)
        different = len({row.sha256 for row in own if row.status == "ok"})
        classes[label] = {"different": different, **dict(sorted(statuses.items()))}
        if wanted is None or different >= wanted:
            continue
        errors = report.errors.get(label, {}) if report else {}
        passing = any(row.status == "failed" and row.reason in PASSING for row in own)
        unfinished = unfinished or bool(errors) or passing
        why = f" ({_errors_in_words(report, label)})" if errors else ""
        notes.append(f"{label}: {different} of {wanted} pictures found{why}.")
    unusable = Counter(row.reason for row in rows if row.status in {"failed", "refused", "missing"})
    return {
        "found": sum(row.status == "ok" for row in rows),
        "classes": classes,
        "unusable": dict(sorted(unusable.items(), key=lambda item: (-item[1], item[0]))),
        "notes": notes,
        "unfinished": unfinished,
    }


def check_classes(rows: Sequence[PictureRow], labels: Sequence[str], report: Report | None) -> None:
    """Raise for classes without any picture: `FetchError` where the sources failed for all of
    them, else `DataError`."""
    full = {row.label for row in rows if row.status == "ok"}
    empty = [label for label in labels if label not in full]
    if not labels:
        raise DataError(
            "The data set names no class.",
            expected="at least two classes with pictures",
            do="Give every picture a label: a folder a class, or a column `label`.",
        )
    if not empty:
        return
    names = ", ".join(repr(label) for label in empty[:5]) + (", …" if len(empty) > 5 else "")
    what = f"No picture of {names} could be had"
    if report and all(report.errors.get(label) for label in empty):
        error = next(iter(report.errors[empty[0]].values()))
        raise FetchError(
            f"{what}: {_errors_in_words(report, empty[0])}.",
            expected="at least one source that answers",
            do=f"{error.do} What was fetched is kept: the same command goes on.",
            reason=error.reason if isinstance(error, FetchError) else "failed",
        )
    reasons = Counter(row.reason for row in rows if row.label in empty and row.reason)
    why = ", ".join(f"{count} × {word}" for word, count in sorted(reasons.items()))
    if report is None:
        link = "A link that leads out of the data is not followed: list its pictures in a CSV. "
        raise DataError(
            f"{what}: {why or 'there is none in the data'}.",
            expected="at least one usable picture of each class",
            do=(link if "link_outside" in why else "")
            + "Add pictures of it, or take the class out of the data.",
        )
    raise DataError(
        f"{what}: {why or 'the sources know none'}.",
        expected="at least one usable picture of each class",
        do="Use other words or `queries`, add a source, or leave the class out. What was "
        "fetched for the others is kept.",
    )


def _errors_in_words(report: Report | None, label: str) -> str:
    errors = report.errors.get(label, {}) if report else {}
    return "; ".join(
        f"{source}: {getattr(error, 'reason', error.code)}, {error.what}"
        for source, error in errors.items()
    )
