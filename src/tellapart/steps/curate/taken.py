"""Keep what another project keeps: its pictures were looked at there."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tellapart.catalog import Verdict
from tellapart.errors import DataError
from tellapart.steps import StepContext, fingerprint

STEP = "curate"


def run(context: StepContext) -> dict[str, Any]:
    """Keep all pictures that came in; return counts by class.

    Raises `DataError` for fewer than two classes.
    """
    rows = context.catalog.pictures(status="ok")
    context.catalog.save_verdicts([Verdict(id=row.id, kept=True) for row in rows])
    # A word of the user's in this project counts here.
    dropped = {row.id for row in rows if row.overruled is False}
    kept = Counter(row.label for row in rows if row.id not in dropped)
    aside = Counter(row.label for row in rows if row.id in dropped)
    if len(kept) < 2:
        raise DataError(
            f"The project {context.recipe.from_project!r} brings pictures of {len(kept)} class.",
            expected="at least two classes to tell apart",
            do="Add a second class there, or name another project.",
        )
    reasons = {"by_hand": len(dropped)} if dropped else {}
    result: dict[str, Any] = {
        "found": len(rows),
        "kept": kept.total(),
        "set_aside": len(dropped),
        "reasons": reasons,
        "classes": {
            label: {
                "kept": kept[label],
                "set_aside": aside[label],
                "reasons": {"by_hand": aside[label]} if aside[label] else {},
            }
            for label in sorted({row.label for row in rows})
        },
        "notes": [],
    }
    mark = fingerprint(["taken", sorted([row.id, row.id in dropped] for row in rows)])
    if context.catalog.step_fingerprint(STEP) != mark:
        context.catalog.finish(STEP, mark, result)
    return result
