"""What a picture costs with each rung, and which cheaper rung a cheap one has to beat."""

from __future__ import annotations

import math

from tellapart.learn.ladder.rungs import TunedRung
from tellapart.steps.train.climbing import Climb
from tellapart.steps.train.reserve import Reserve


def rival_of(climb: Climb, reserve: Reserve, rung: TunedRung) -> str:
    """The last kept rung that costs no more than `rung`, where the one that stands costs more."""
    own = cost(climb, reserve, rung.name)
    kept = [row["rung"] for row in climb.kept.rungs if row["kept"]]
    costs = {name: cost(climb, reserve, name) for name in kept}
    if not kept or costs[kept[-1]] <= own:
        return ""
    return next((name for name in reversed(kept) if costs[name] <= own), "")


def cost(climb: Climb, reserve: Reserve, name: str) -> float:
    """Seconds a picture of the rung `name`; infinite where that is not known."""
    passes = _passes(climb, name)
    if passes is None:
        return math.inf
    return sum(times / reserve.speed(network) for network, times in passes.items())


def _passes(climb: Climb, name: str) -> dict[str, float] | None:
    if name in climb.kept.planned:
        return dict(TunedRung(**climb.kept.planned[name]).passes())
    head = next((rung for rung in climb.heads if rung.name == name), None)
    if head is not None:
        return dict(head.passes())
    row = climb.kept.find(name) or {}
    parts = [_passes(climb, each) for each in row.get("of", ())]
    if not parts or None in parts:
        return None
    found: dict[str, float] = {}
    for part in parts:
        for network, times in (part or {}).items():
            found[network] = found.get(network, 0.0) + times
    return found
