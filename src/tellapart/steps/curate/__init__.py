"""Curate: measure every picture once, then keep it or set it aside with one reason.

Nothing is deleted. Verdicts follow from measurements, scores and the recipe's thresholds alone,
so that a changed threshold only decides again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tellapart.catalog import PictureRow, Verdict
from tellapart.errors import DataError
from tellapart.learn import verdicts
from tellapart.steps import Progress, StepContext, fingerprint
from tellapart.steps.curate.material import Material, gather
from tellapart.steps.curate.scoring import VERSION as SCORES
from tellapart.steps.curate.scoring import score

STEP = "curate"
_DEPENDS_ON = ("id", "label", "sha256", "position", "rank", "split_hint", "overruled")
_PRECEDENCE = {"test": 0, "validation": 1}


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
    result = {**summary(rows, decisions), "thresholds": asdict(_limits(context))}
    if material.passing:
        result["notes"].append(
            "Some pictures' files are gone or have changed since they were collected and are set "
            "aside for now: run the same command again, which collects them anew."
        )
    try:
        _require_classes(context, result)
    except DataError:
        # The verdicts stand: what was finished before them is not to be taken for theirs.
        context.catalog.finish(STEP, "", result)
        raise
    # A file that was gone may be back the next time: then this is not the last word.
    context.catalog.finish(STEP, "" if material.passing else inputs, result)
    return result


def trial(
    context: StepContext,
) -> tuple[list[PictureRow], list[verdicts.Decision], dict[str, Any]]:
    """Rows, verdicts and counts as `run` would have them with the context's recipe; nothing is
    stored but what is measured of pictures that are new."""
    rows = context.catalog.pictures(status="ok")
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
    limits = _limits(context)
    last = context.catalog.finished(STEP) or {}
    same = last.get("thresholds") == asdict(limits)
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


def _limits(context: StepContext) -> verdicts.Limits:
    chosen = context.recipe.curate
    return verdicts.Limits(
        min_side=chosen.min_side,
        min_entropy=chosen.min_entropy,
        near_duplicate_bits=chosen.near_duplicate_bits,
        near_duplicate_cosine=chosen.near_duplicate_cosine,
        off_topic=chosen.off_topic,
        mislabelled=chosen.mislabelled,
        max_blur=chosen.max_blur,
    )


def _precedence(context: StepContext, row: PictureRow) -> int:
    """Official or earlier test pictures first: a better copy of one must not push it out."""
    hint = row.split_hint if context.recipe.split.official else ""
    return min(_PRECEDENCE.get(hint, 2), _PRECEDENCE.get(row.split, 2))


def _settled(context: StepContext, row: PictureRow, same: bool) -> bool:
    """Whether a picture is not asked again if it belongs: official test, or test before."""
    if context.recipe.split.official and row.split_hint == "test":
        return True
    return same and row.split == "test" and row.kept is True


def _inputs(context: StepContext, rows: Sequence[PictureRow]) -> str:
    from tellapart.steps.curate.material import versions

    return fingerprint(
        {
            "pictures": sorted([getattr(row, name) for name in _DEPENDS_ON] for row in rows),
            "curate": context.recipe.curate.model_dump(mode="json"),
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
    notes = []
    if ignored:
        notes.append(f"{ignored} pictures kept by hand cannot be decoded and stay set aside.")
    for label in sorted(by_class):
        aside = by_class[label].total()
        if aside > kept[label] > 0:
            word, count = by_class[label].most_common(1)[0]
            notes.append(
                f"More of class {label!r} is set aside ({aside}) than kept ({kept[label]}), "
                f"most of it as {word} ({count})."
            )
    return {
        "found": len(rows),
        "kept": kept.total(),
        "set_aside": reasons.total(),
        "reasons": _ordered(reasons),
        "classes": {
            label: {
                "kept": kept[label],
                "set_aside": counts.total(),
                "reasons": _ordered(counts),
            }
            for label, counts in sorted(by_class.items())
        },
        "notes": notes,
    }


def _ordered(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _require_classes(context: StepContext, result: dict[str, Any]) -> None:
    classes = result["classes"]
    wanted = sorted({*classes, *context.recipe.labels})
    empty = [label for label in wanted if not classes.get(label, {}).get("kept")]
    if not empty and len(wanted) >= 2:
        return
    name = context.catalog.name
    if not empty:
        raise DataError(
            f"There is only one class, {wanted[0]!r}."
            if wanted
            else "There are no pictures at all.",
            expected="at least two classes to tell apart",
            do=f"Add a second class, then run the same command again (project {name}).",
        )
    label = empty[0]
    found = classes.get(label, {"set_aside": 0, "reasons": {}})
    if found["set_aside"]:
        why = ", ".join(f"{word} {count}" for word, count in found["reasons"].items())
        what = f"Of class {label!r} nothing is kept: all {found['set_aside']} set aside ({why})."
    else:
        what = f"Of class {label!r} there is no picture."
    if len(empty) > 1:
        what += f" The same holds for {', '.join(map(repr, empty[1:]))}."
    raise DataError(
        what,
        expected="at least one picture to keep in every class",
        do=f"Look at them (tellapart show {name} --pictures), keep some by hand (tellapart curate "
        f"{name} --keep ID), loosen the thresholds under `curate:` in the recipe, or add pictures.",
    )
