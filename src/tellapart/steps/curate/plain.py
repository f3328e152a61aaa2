"""Curate without features: files, figures and hashes decide. In fixed memory, for very many.

Verdicts and the summary are those that the other way gives where nothing is scored and near
duplicates are told by their hash.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.catalog import PictureRow, bulk, columns
from tellapart.learn import deciding, verdicts
from tellapart.steps import Progress, StepContext, fingerprint
from tellapart.steps.curate.figures import Figures, gather
from tellapart.steps.curate.telling import (
    PRECEDENCE,
    STEP,
    concluded,
    limits_of,
    notes_of,
    ordered,
    same_limits,
)
from tellapart.steps.plainly import analyzers, near
from tellapart.steps.sweeping import sweeping

PLAIN = (
    "Judged without features: near duplicates by their hash alone, and nothing as mislabelled or "
    "off topic (curate.features: true looks at each picture)."
)
#: Raise it whenever the same pictures would be decided on otherwise.
VERSION = 1
#: What verdicts depend on, beside figures and thresholds.
_COLUMNS = (
    *("id", "label", "sha256", "position", "rank", "split_hint", "overruled", "split", "kept"),
)
#: Of these, what makes a run over the same pictures another one: not what the last run wrote.
_INPUTS = ("label", "position", "rank", "split_hint", "overruled")


def run(context: StepContext) -> dict[str, Any]:
    """Curate the project's pictures; return counts, in all and by class, and notes.

    Raises what `curate.run` raises.
    """
    with sweeping():
        return _run(context)


def _run(context: StepContext) -> dict[str, Any]:
    table = columns.read(context.catalog, _COLUMNS, status="ok")
    inputs = _inputs(context, table)
    done = context.catalog.finished(STEP, inputs)
    if done is not None:
        return done
    found = decided(context, table)
    wanted = {place: (one.reason, one.detail) for place, one in found.aside.items()}
    bulk.save_verdicts(context.catalog, bulk.Verdicts(table.ids, wanted))
    result = {**found.summary, "thresholds": asdict(limits_of(context))}
    return concluded(context, result, inputs, passing=bool(found.passing))


def trial(
    context: StepContext, rows: list[PictureRow]
) -> tuple[list[verdicts.Decision], dict[str, Any]]:
    """Verdicts on `rows` (all that are here), in their order, and counts; nothing is stored."""
    table = columns.read(context.catalog, _COLUMNS, status="ok")
    found = decided(context, table)
    by_id = {one.id: one for one in found.aside.values()}
    return [by_id.get(row.id) or verdicts.Decision(row.id, True) for row in rows], found.summary


@dataclass(frozen=True)
class Decided:
    """What was found: who is set aside, by place, and the counts."""

    aside: Mapping[int, verdicts.Decision]
    summary: dict[str, Any]
    #: Whether a picture's file was gone and may be back the next time.
    passing: bool


def decided(context: StepContext, table: columns.Columns) -> Decided:
    """Measure what is new, then decide on every picture of `table`; verdicts are not stored."""
    figures = gather(context, table)
    close = near(context, figures.measured.phash)
    context.progress(Progress(STEP, len(table), len(table), "deciding"))
    limits = limits_of(context)
    pictures = _pictures(context, table, figures)
    aside = deciding.decide(
        pictures, figures.measured, close, limits, lambda sha: figures.broken.get(sha, {})
    )
    summary = _summary(table, aside)
    summary["notes"] += [PLAIN, *_thinned(close, limits)]
    return Decided(aside, summary, figures.passing)


def _thinned(close: deciding.Near, limits: verdicts.Limits) -> list[str]:
    if close.limit >= deciding.allowed(limits.near_duplicate_bits):
        return []
    note = (
        "Very many pictures are alike: only those whose hashes differ in at most "
        f"{close.limit} bits are taken for near duplicates."
    )
    return [note]


def _inputs(context: StepContext, table: columns.Columns) -> str:
    order = np.argsort(table.ids)
    digest = hashlib.sha256(table.ids[order].tobytes())
    digest.update(np.ascontiguousarray(table.shas[order]).tobytes())
    for name in _INPUTS:
        if name in ("label", "split_hint"):
            words = table.words(name)
            names = sorted(words.names)
            place = np.array([names.index(word) for word in words.names], dtype=np.int64)
            digest.update(fingerprint(names).encode())
            values = place[words.codes] if len(place) else words.codes
        else:
            values = table.numbers(name)
        digest.update(values[order].astype(np.int64).tobytes())
    return fingerprint(
        {
            "plain": VERSION,
            "pictures": digest.hexdigest(),
            "curate": context.recipe.curate.model_dump(mode="json"),
            "classes": list(context.recipe.labels),
            "official": context.recipe.split.official,
            "analyzers": {one.name: one.version for one in analyzers()},
        }
    )


def _pictures(context: StepContext, table: columns.Columns, figures: Figures) -> deciding.Pictures:
    known = figures.measured.shas
    content = np.searchsorted(known, table.shas)
    inside = np.minimum(content, max(0, len(known) - 1))
    there = known[inside] == table.shas if len(known) else np.zeros(len(table), dtype=bool)
    labels = table.words("label")
    classes = sorted(labels.names)
    number = np.array([classes.index(name) for name in labels.names], dtype=np.int64)
    precedence, settled = _standing(context, table)
    return deciding.Pictures(
        ids=table.ids,
        content=np.where(there, content, -1),
        shas=table.shas,
        labels=number[labels.codes] if len(number) else np.empty(0, np.int64),
        classes=classes,
        precedence=precedence,
        settled=settled,
        position=table.numbers("position"),
        rank=table.numbers("rank"),
    )


def _standing(
    context: StepContext, table: columns.Columns
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Who goes first among duplicates, and who is not asked again: as `curate.decide` has it."""
    hint, split = table.words("split_hint"), table.words("split")
    same = same_limits(context, context.catalog.finished(STEP) or {})
    settled = split.are("test") & (table.numbers("kept") == 1) & same
    precedence = _ranked(split)
    if context.recipe.split.official:
        precedence = np.minimum(precedence, _ranked(hint))
        settled |= hint.are("test")
    return precedence, settled


def _ranked(words: columns.Words) -> NDArray[np.int64]:
    ranks = np.array([PRECEDENCE.get(word, 2) for word in words.names], dtype=np.int64)
    return ranks[words.codes] if len(ranks) else np.empty(0, np.int64)


def _summary(table: columns.Columns, aside: Mapping[int, verdicts.Decision]) -> dict[str, Any]:
    """The same as `curate.summary` gives."""
    labels, overruled = table.words("label"), table.numbers("overruled")
    final = np.where(overruled == -1, 1, overruled) == 1
    reasons: Counter[str] = Counter()
    by_class: dict[str, Counter[str]] = {name: Counter() for name in labels.names}
    dropped = ~final
    ignored = 0
    for place, one in aside.items():
        unreadable = one.reason == "unreadable"
        ignored += int(unreadable and overruled[place] == 1)
        if overruled[place] == 1 and not unreadable:
            continue
        final[place] = dropped[place] = False
        reasons[one.reason] += 1
        by_class[labels.at(place)][one.reason] += 1
    for place in np.flatnonzero(dropped).tolist():
        reasons["by_hand"] += 1
        by_class[labels.at(place)]["by_hand"] += 1
    number = np.bincount(labels.codes[final], minlength=len(labels.names))
    kept = Counter(dict(zip(labels.names, number.tolist(), strict=True)))
    return {
        "found": len(table),
        "kept": kept.total(),
        "set_aside": reasons.total(),
        "reasons": ordered(reasons),
        "classes": {
            label: {"kept": kept[label], "set_aside": c.total(), "reasons": ordered(c)}
            for label, c in sorted(by_class.items())
        },
        "notes": notes_of(kept, {k: Counter(ordered(c)) for k, c in by_class.items()}, ignored),
    }
