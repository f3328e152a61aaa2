"""Collecting in rounds, where the recipe asks for `enough`: collect some, look, decide, go on.

What was decided stands in the catalog, so that whoever is cut off goes on with the same round.
`run` begins or goes on; `tellapart.steps.weigh` decides after each round; the chain goes round.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from tellapart.catalog.sources import stamp, states
from tellapart.recipe import Recipe
from tellapart.steps import StepContext, fingerprint
from tellapart.steps.ration import Ration

STEP = "rounds"
#: Raise it whenever the same pictures would be decided on otherwise.
VERSION = 1
#: Pictures a class of the first round: enough for a first curve, and to know a source a little.
FIRST = 30
#: No more rounds than these: each makes at least a quarter more pictures, most make twice as many.
LAST = 12

#: Why rounds are over.
ENOUGH, MOST, DRY, CUT_OFF, TOO_MANY = "enough", "most", "dry", "cut_off", "too_many"


@dataclass(frozen=True)
class Standing:
    """How far the rounds of a project are."""

    round: int
    ration: Ration
    #: Why they are over; empty while they go on.
    over: str = ""
    #: What each round that was looked at found and decided.
    history: tuple[dict[str, Any], ...] = ()
    #: Shares of noise, as `weigh` tells them.
    quality: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    #: Sources that gave nothing more for a reason that does not pass by itself.
    failed: dict[str, str] = field(default_factory=dict)
    #: When this was decided (UTC).
    at: str = field(default="", compare=False)

    def told(self) -> dict[str, Any]:
        """What the step's summary says."""
        return {
            "round": self.round,
            "over": self.over,
            "history": list(self.history),
            "quality": self.quality,
            "notes": list(self.notes),
        }


def run(context: StepContext) -> dict[str, Any]:
    """Begin the rounds, or go on with those begun; put the standing round's ration in place."""
    standing = read(context)
    if standing is None:
        wanted = min(FIRST, context.recipe.most_per_class)
        standing = Standing(1, Ration(1, _at_least(context, wanted)))
        store(context, standing)
    elif standing.over == CUT_OFF or _mended(context, standing):
        # A source failed in passing, or answers since: it is asked again.
        standing = replace(standing, over="")
        store(context, standing)
    else:
        standing.ration.write(context.work)
    return standing.told()


def _mended(context: StepContext, standing: Standing) -> bool:
    """Whether a source without which the rounds ended has answered since, whoever asked it."""
    if standing.over != DRY or not standing.failed:
        return False
    return any(
        not state.reason and state.answered_at > standing.at
        for state in states(context.catalog.engine).values()
        # Behind the source's name may stand which of its kind it is.
        if state.name.partition(" ")[0] in standing.failed
    )


def read(context: StepContext) -> Standing | None:
    """The rounds that were begun for what the recipe asks now; None: none."""
    known = context.catalog.finished(STEP, _mark(context.recipe))
    if known is None:
        return None
    return Standing(
        round=known["round"],
        ration=Ration.from_dict(known["ration"]),
        over=known["over"],
        history=tuple(known["history"]),
        quality=known["quality"],
        notes=tuple(known["notes"]),
        failed=known.get("failed", {}),
        at=known.get("at", ""),
    )


def store(context: StepContext, standing: Standing) -> None:
    """Keep the decision, then put the ration in place: cut off in between, `run` does it."""
    value = {**standing.told(), "ration": standing.ration.to_dict()}
    value |= {"failed": standing.failed, "at": stamp(datetime.now(UTC))}
    context.catalog.finish(STEP, _mark(context.recipe), value)
    standing.ration.write(context.work)


def _mark(recipe: Recipe) -> str:
    """What rounds depend on: with anything else asked for they begin anew."""
    plain = recipe.model_dump(mode="json")
    keys = ("classes", "sources", "licenses", "mature", "without", "enough")
    return fingerprint([VERSION, recipe.most_per_class, {key: plain[key] for key in keys}])


def _at_least(context: StepContext, wanted: int) -> dict[str, int]:
    """`wanted` of each class; more where there are more already."""
    there: dict[str, set[str]] = {label: set() for label in context.recipe.labels}
    for row in context.catalog.pictures(status="ok"):
        there.setdefault(row.label, set()).add(row.sha256)
    most = context.recipe.most_per_class
    return {label: min(most, max(wanted, len(there[label]))) for label in context.recipe.labels}
