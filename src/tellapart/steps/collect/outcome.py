"""What a run of collect says at its end, in figures and in words."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tellapart.catalog import Catalog, PictureRow, columns
from tellapart.catalog.sources import PASSING
from tellapart.errors import DataError, FetchError
from tellapart.steps.collect.searching import Report

if TYPE_CHECKING:
    from tellapart.steps.collect.scanning import Scan

#: What the end of a run tells of, contents last.
TOLD = ("label", "source", "status", "reason", "sha256")


@dataclass(frozen=True)
class Tally:
    """Pictures by what became of them, and how many different ones each class has."""

    #: How many of (class, source, status, reason).
    cells: Mapping[tuple[str, str, str, str], int]
    different: Mapping[str, int]

    @classmethod
    def of(cls, rows: Iterable[PictureRow]) -> Tally:
        cells: Counter[tuple[str, str, str, str]] = Counter()
        contents: dict[str, set[str]] = defaultdict(set)
        for row in rows:
            cells[row.label, row.source, row.status, row.reason] += 1
            if row.status == "ok":
                contents[row.label].add(row.sha256)
        return cls(cells, {label: len(shas) for label, shas in contents.items()})


def outcomes(catalog: Catalog, scan: Scan | None = None) -> tuple[Tally, str]:
    """What became of all pictures, and the mark of what is here: class and content.

    With the `scan` that alone has changed the ledger, only what it touched is read again.
    """
    table = columns.read(catalog, TOLD) if scan is None else scan.now()
    found = [table.words(name) for name in TOLD[:-1]]
    kinds, counts = np.unique(_cells(found), return_counts=True)
    cells: dict[tuple[str, str, str, str], int] = {}
    for kind, count in zip(kinds.tolist(), counts.tolist(), strict=True):
        words = []
        for one in reversed(found):
            kind, code = divmod(kind, max(1, len(one.names)))
            words.append(one.names[code])
        label, source, status, reason = reversed(words)
        cells[label, source, status, reason] = count
    labels = table.words("label")
    rank = np.argsort(np.argsort(labels.names)) if labels.names else np.empty(0, np.int64)
    here = np.flatnonzero(table.words("status").are("ok"))
    here = here[np.lexsort((table.shas[here], rank[labels.codes[here]]))]
    shas, codes = table.shas[here], labels.codes[here]
    first = np.ones(len(here), dtype=bool)
    first[1:] = (codes[1:] != codes[:-1]) | (shas[1:] != shas[:-1])
    number = np.bincount(codes[first], minlength=len(labels.names)).tolist()
    different = dict(zip(labels.names, number, strict=True))
    return Tally(cells, different), _mark(labels.names, codes, shas)


def _cells(words: Sequence[columns.Words]) -> NDArray[np.int64]:
    """One number for each combination of words."""
    cells = np.zeros(len(words[0].codes), dtype=np.int64)
    for one in words:
        cells = cells * max(1, len(one.names)) + one.codes
    return cells


def _mark(labels: Sequence[str], codes: NDArray[np.int32], shas: NDArray[np.bytes_]) -> str:
    """The fingerprint of the list of (class, content), without a pair for each picture."""
    texts = columns.texts(shas)
    ends = [*(np.flatnonzero(codes[1:] != codes[:-1]) + 1).tolist(), len(texts)]
    start, parts = 0, []
    for end in ends if texts else ():
        opening = f'[{json.dumps(labels[codes[start]], ensure_ascii=False)},"'
        parts.append(opening + f'"],{opening}'.join(texts[start:end]) + '"]')
        start = end
    return hashlib.sha256(f"[{','.join(parts)}]".encode()).hexdigest()


def summarize(
    tally: Tally,
    labels: Sequence[str],
    wanted: int | Mapping[str, int] | None,
    report: Report | None,
) -> dict[str, Any]:
    """Counts by class and source, `notes` in plain words, and whether the same command may find
    more. `wanted` by class is what a round asks: whoever decides on rounds says what is missing."""
    classes: dict[str, dict[str, int]] = {}
    notes: list[str] = []
    unfinished = False
    for label in labels:
        own = {cell: count for cell, count in tally.cells.items() if cell[0] == label}
        statuses: Counter[str] = Counter()
        for (_, _, status, _), count in own.items():
            statuses[status] += count
        different = tally.different.get(label, 0)
        classes[label] = {"different": different, **dict(sorted(statuses.items()))}
        asked = wanted.get(label, 0) if isinstance(wanted, Mapping) else wanted
        if asked is None or different >= asked:
            continue
        errors = report.errors.get(label, {}) if report else {}
        passing = any(status == "failed" and why in PASSING for _, _, status, why in own)
        unfinished = unfinished or bool(errors) or passing
        if isinstance(wanted, Mapping):
            continue
        why = f" ({_errors_in_words(report, label)})" if errors else ""
        notes.append(f"{label}: {different} of {wanted} pictures found{why}.")
    unusable: Counter[str] = Counter()
    found = 0
    for (_, _, status, reason), count in tally.cells.items():
        if status in {"failed", "refused", "missing"}:
            unusable[reason] += count
        found += count if status == "ok" else 0
    return {
        "found": found,
        "classes": classes,
        "unusable": dict(sorted(unusable.items(), key=lambda item: (-item[1], item[0]))),
        "notes": [*notes, *(report.notes if report else ())],
        "unfinished": unfinished,
        "sources": by_source(tally, report),
        "exhausted": sorted(report.exhausted) if report else [],
    }


def by_source(tally: Tally, report: Report | None) -> dict[str, dict[str, Any]]:
    """Which source gave what: pictures taken, not to be had (failed), not usable (refused), and
    found beyond those; and why it failed in this run, if it did."""
    words = {"ok": "taken", "failed": "failed", "refused": "refused", "missing": "failed"}
    found: dict[str, dict[str, Any]] = {}
    for (_, source, status, _), count in tally.cells.items():
        one = found.setdefault(source, {"taken": 0, "failed": 0, "refused": 0, "more": 0})
        one[words.get(status, "more")] += count
    for errors in (report.errors if report else {}).values():
        for name, error in errors.items():
            one = found.setdefault(name, {"taken": 0, "failed": 0, "refused": 0, "more": 0})
            one["error"] = getattr(error, "reason", error.code)
    return dict(sorted(found.items(), key=lambda item: (-item[1]["taken"], item[0])))


def check_classes(tally: Tally, labels: Sequence[str], report: Report | None) -> None:
    """Raise for classes without any picture: `FetchError` where the sources failed for all of
    them, else `DataError`."""
    full = {label for label, _, status, _ in tally.cells if status == "ok"}
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
    reasons: Counter[str] = Counter()
    for (label, _, _, reason), count in tally.cells.items():
        if label in empty and reason:
            reasons[reason] += count
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
