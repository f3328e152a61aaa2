"""What curate says at its end, however it decided: thresholds, counts, notes, errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tellapart.errors import DataError
from tellapart.learn import verdicts
from tellapart.steps import StepContext

STEP = "curate"
#: Of duplicates those in the parts that must not change stay first.
PRECEDENCE = {"test": 0, "validation": 1}
_PASSING = (
    "Some pictures' files are gone or have changed since they were collected and are set "
    "aside for now: run the same command again, which collects them anew."
)


def limits_of(context: StepContext) -> verdicts.Limits:
    """The recipe's thresholds."""
    chosen = context.recipe.curate
    return verdicts.Limits(
        min_side=chosen.min_side,
        min_entropy=chosen.min_entropy,
        near_duplicate_bits=chosen.near_duplicate_bits,
        near_duplicate_cosine=chosen.near_duplicate_cosine,
        near_duplicate_likeness=chosen.near_duplicate_likeness,
        off_topic=chosen.off_topic,
        mislabelled=chosen.mislabelled,
        max_blur=chosen.max_blur,
    )


def same_limits(context: StepContext, last: Mapping[str, Any]) -> bool:
    """Whether the recipe's thresholds are those that curate had `last`; one that there was none of
    then counts as the same, or a newer version of this program would ask every test picture anew.
    """
    known: Mapping[str, Any] = last.get("thresholds") or {}
    now = asdict(limits_of(context))
    return bool(known) and all(now[name] == value for name, value in known.items() if name in now)


def notes_of(
    kept: Mapping[str, int], by_class: Mapping[str, Counter[str]], ignored: int
) -> list[str]:
    """What a person should know: `ignored` words on pictures that no word can keep, odd classes."""
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
    return notes


def ordered(counts: Counter[str]) -> dict[str, int]:
    """Most first, then by name."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def concluded(
    context: StepContext, result: dict[str, Any], inputs: str, *, passing: bool
) -> dict[str, Any]:
    """`result`, with its notes, as the step's end. Raises what `_require_classes` raises.

    `passing`: files are gone that may be back the next time, so that this is not the last word.
    """
    if passing:
        result["notes"].append(_PASSING)
    try:
        _require_classes(context, result)
    except DataError:
        # The verdicts stand: what was finished before them is not to be taken for theirs.
        context.catalog.finish(STEP, "", result)
        raise
    context.catalog.finish(STEP, "" if passing else inputs, result)
    return result


def _require_classes(context: StepContext, result: dict[str, Any]) -> None:
    """Raise `DataError` for a class of which nothing is kept, and for fewer than two classes."""
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
