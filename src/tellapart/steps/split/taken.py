"""Leave the pictures of another project in the parts they have there."""

from __future__ import annotations

from typing import Any

from tellapart.catalog import Assignment
from tellapart.learn import splitting
from tellapart.steps import StepContext, fingerprint
from tellapart.steps.split.dealt import require_test, summary
from tellapart.steps.taken import pairs

STEP = "split"


def run(context: StepContext) -> dict[str, Any]:
    """Take over splits and groups; return counts by split and class, and notes.

    Raises what `taken.pairs` raises, and `DataError` where nothing is left to test on.
    """
    found = pairs(context)
    rows = [row for row in context.catalog.pictures(status="ok", kept=True) if row.id in found]
    places = {
        row.id: splitting.Place(found[row.id][1].split, found[row.id][1].group) for row in rows
    }
    context.catalog.save_splits(
        [
            Assignment(id=id, split=place.split, group=place.group)
            for id, place in sorted(places.items())
        ]
    )
    members = [splitting.Member(id=row.id, label=row.label, sha256=row.sha256) for row in rows]
    name = context.recipe.from_project
    rules = fingerprint(["taken", name])
    result = {
        **summary(members, splitting.Deal(places), sorted({row.label for row in rows})),
        "official": True,
        "rules": rules,
        "notes": [f"The split of the project {name!r} is kept."],
    }
    require_test(result, "picture")
    mark = fingerprint([rules, sorted([id, p.split, p.group] for id, p in places.items())])
    if context.catalog.step_fingerprint(STEP) != mark:
        context.catalog.finish(STEP, mark, result)
    return result
