"""Curate: measure every picture once, then keep it or set it aside with one reason.

Nothing is deleted. Verdicts follow from measurements, scores and the recipe's thresholds alone,
so that a changed threshold only decides again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tellapart.catalog import PictureRow, Verdict
from tellapart.learn import verdicts
from tellapart.steps import Progress, StepContext, fingerprint
from tellapart.steps.curate.telling import (
    PRECEDENCE,
    STEP,
    concluded,
    limits_of,
    notes_of,
    ordered,
    same_limits,
)
from tellapart.steps.plainly import is_plain

if TYPE_CHECKING:
    from tellapart.steps.curate.material import Material

_DEPENDS_ON = ("id", "label", "sha256", "position", "rank", "split_hint", "overruled")


def run(context: StepContext) -> dict[str, Any]:
    """Curate the project's pictures; return counts, in all and by class, and notes.

    Raises `DataError`, after all verdicts are stored, for a class of which nothing is kept and
    for fewer than two classes.
    """
    if context.recipe.data_kind != "pictures":
        from tellapart.steps.curate import rows as of_rows

        return of_rows.run(context)
    if context.recipe.from_project is not None:
        from tellapart.steps.curate import taken

        return taken.run(context)
    if is_plain(context):
        from tellapart.steps.curate import plain

        return plain.run(context)
    # What knows networks is not imported where none looks.
    from tellapart.steps.curate.material import gather
    from tellapart.steps.curate.scoring import score

    rows = context.catalog.pictures(status="ok")
    inputs = _inputs(context, rows)
    done = context.catalog.finished(STEP, inputs)
    if done is not None:
        return done
    material = gather(context, rows)
    scores = score(context, rows, material)
    context.progress(Progress(STEP, len(rows), len(rows), "deciding"))
    decisions = decide(context, rows, material, scores)
    context.catalog.save_verdicts(
        [
            Verdict(id=one.id, kept=one.kept, reason=one.reason, detail=one.detail)
            for one in decisions
        ]
    )
    result = {**summary(rows, decisions), "thresholds": asdict(limits_of(context))}
    return concluded(context, result, inputs, passing=bool(material.passing))


def trial(
    context: StepContext,
) -> tuple[list[PictureRow], list[verdicts.Decision], dict[str, Any]]:
    """Rows, verdicts and counts as `run` would have them with the context's recipe; nothing is
    stored but what is measured of pictures that are new."""
    rows = context.catalog.pictures(status="ok")
    if is_plain(context):
        from tellapart.steps.curate import plain

        return rows, *plain.trial(context, rows)
    from tellapart.steps.curate.material import gather
    from tellapart.steps.curate.scoring import score

    material = gather(context, rows)
    decisions = decide(context, rows, material, score(context, rows, material))
    return rows, decisions, summary(rows, decisions)


def decide(
    context: StepContext,
    rows: Sequence[PictureRow],
    material: Material,
    scores: dict[str, dict[str, float]],
) -> list[verdicts.Decision]:
    """The verdicts on `rows`, in their order; nothing is stored."""
    limits = limits_of(context)
    same = same_limits(context, context.catalog.finished(STEP) or {})
    candidates = [
        verdicts.Candidate(
            id=row.id,
            label=row.label,
            sha256=row.sha256,
            precedence=_precedence(context, row),
            settled=_settled(context, row, same),
            position=row.position,
            rank=row.rank,
            figures=material.figures.get(row.sha256),
            error=material.broken.get(row.sha256, {}),
            scores={name: known[row.id] for name, known in scores.items() if row.id in known},
        )
        for row in rows
    ]
    classes = sorted({row.label for row in rows})
    return verdicts.decide(candidates, material.shas, material.pairs, limits, classes)


def _precedence(context: StepContext, row: PictureRow) -> int:
    """Official or earlier test pictures first: a better copy of one must not push it out."""
    hint = row.split_hint if context.recipe.split.official else ""
    return min(PRECEDENCE.get(hint, 2), PRECEDENCE.get(row.split, 2))


def _settled(context: StepContext, row: PictureRow, same: bool) -> bool:
    """Whether a picture is not asked again if it belongs: official test, or test before."""
    if context.recipe.split.official and row.split_hint == "test":
        return True
    return same and row.split == "test" and row.kept is True


def _inputs(context: StepContext, rows: Sequence[PictureRow]) -> str:
    from tellapart.steps.curate.material import versions
    from tellapart.steps.curate.scoring import VERSION as SCORES

    return fingerprint(
        {
            "pictures": sorted([getattr(row, name) for name in _DEPENDS_ON] for row in rows),
            "curate": context.recipe.curate.model_dump(mode="json", exclude={"features"}),
            "classes": list(context.recipe.labels),
            "official": context.recipe.split.official,
            "versions": {**versions(context), "scores": SCORES},
        }
    )


def summary(rows: Sequence[PictureRow], decisions: Sequence[verdicts.Decision]) -> dict[str, Any]:
    """Counts, in all and by class, and notes, with the user's word laid over the verdicts."""
    kept: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    by_class: dict[str, Counter[str]] = {row.label: Counter() for row in rows}
    ignored = 0
    for row, one in zip(rows, decisions, strict=True):
        final, reason = one.kept, one.reason
        if row.overruled is not None and row.overruled != one.kept:
            if one.reason == "unreadable":
                ignored += 1
            else:
                final, reason = row.overruled, "by_hand"
        if final:
            kept[row.label] += 1
        else:
            reasons[reason] += 1
            by_class[row.label][reason] += 1
    return {
        "found": len(rows),
        "kept": kept.total(),
        "set_aside": reasons.total(),
        "reasons": ordered(reasons),
        "classes": {
            label: {
                "kept": kept[label],
                "set_aside": counts.total(),
                "reasons": ordered(counts),
            }
            for label, counts in sorted(by_class.items())
        },
        "notes": notes_of(kept, by_class, ignored),
    }
