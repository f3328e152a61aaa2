"""Weigh: after a round of collecting, decide whether to go on, and where.

It goes on while the next hundred pictures are expected to be worth it by the learning curve of
those there are, with more from the sources and queries that brought the least noise. What it
decides follows from the ledger and the recipe alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tellapart.catalog import PictureRow
from tellapart.catalog.sources import PASSING
from tellapart.learn.collecting import Quality, Worth
from tellapart.steps import Progress, StepContext, rounds
from tellapart.steps.rounds import Standing
from tellapart.steps.weigh import telling
from tellapart.steps.weigh.going import failures, next_ration
from tellapart.steps.weigh.looking import looked, worth_of

STEP = "weigh"


def run(context: StepContext) -> dict[str, Any]:
    """Decide on the round just collected and curated; return how the rounds stand.

    Where they go on, the next one's ration is in place.
    """
    standing = rounds.read(context)
    if standing is None or standing.over:
        return rounds.run(context)
    context.progress(Progress(STEP, 0, None, "weighing"))
    rows = context.catalog.pictures()
    noise = Quality(looked(context, rows))
    found = worth_of(context, rows)
    decided = _decided(context, standing, rows, noise, found)
    rounds.store(context, decided)
    return decided.told()


def quality(context: StepContext) -> dict[str, Any]:
    """Shares of noise of a curated project's sources, queries and ranks, rounds or not."""
    return telling.figures(Quality(looked(context, context.catalog.pictures())))


def _decided(
    context: StepContext,
    standing: Standing,
    rows: Sequence[PictureRow],
    noise: Quality,
    found: Worth | None,
) -> Standing:
    here = [row for row in rows if row.status == "ok"]
    kept = sum(bool(row.kept) for row in here)
    last = standing.history[-1] if standing.history else {"found": 0}
    line = {
        "round": standing.round,
        "found": len(here),
        "kept": kept,
        "worth": None if found is None else found.to_dict(),
    }
    # One that was cut off and is collected once more stays one round.
    earlier = (one for one in standing.history if one["round"] != standing.round)
    known = replace(standing, history=(*earlier, line), quality=telling.figures(noise))
    recipe = context.recipe
    if found is not None and found.enough:
        return _over(context, known, rounds.ENOUGH)
    # Without a curve there are far too few: twice as many are a start.
    aim = max(found.aim if found is not None else 2 * kept, kept + 1)
    ration = next_ration(context, standing.ration, rows, noise, aim)
    if ration is None or len(here) <= last["found"]:
        full = all(n >= recipe.most_per_class for n in _different(here, recipe.labels))
        if full:
            return _over(context, known, rounds.MOST)
        failed = failures(recipe, context.catalog.searches())
        if not PASSING.isdisjoint(failed.values()):
            return _over(context, known, rounds.CUT_OFF)
        return _over(context, replace(known, failed=failed), rounds.DRY)
    if standing.round >= rounds.LAST:
        return _over(context, known, rounds.TOO_MANY)
    return replace(known, round=ration.round, ration=ration)


def _different(here: Sequence[PictureRow], labels: Sequence[str]) -> list[int]:
    shas: dict[str, set[str]] = {label: set() for label in labels}
    for row in here:
        shas.setdefault(row.label, set()).add(row.sha256)
    return [len(shas[label]) for label in labels]


def _over(context: StepContext, standing: Standing, why: str) -> Standing:
    over = replace(standing, over=why)
    return replace(over, notes=tuple(telling.notes(over, context.recipe)))
