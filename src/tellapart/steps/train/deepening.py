"""The ladder's upper part: tuned networks, and mixtures of them with the best head."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.errors import TellapartError
from tellapart.learn.backbone import FOLDER, Part
from tellapart.learn.composing import compose
from tellapart.learn.head import Head
from tellapart.learn.ladder.mixing import mix
from tellapart.learn.ladder.rungs import HeadRung, Source, TunedRung, tuned_size
from tellapart.steps.train import frozen, tuned
from tellapart.steps.train.climbing import Climb, Ended
from tellapart.steps.train.reached import Reached
from tellapart.steps.train.reserve import Reserve

#: Side that tuned models see where no head rung above the first was climbed.
_SIZE = 320
#: Networks tuned in a ladder of `good`; `best` goes on while the time lasts.
_GOOD = 1
#: A network learns so much slower than the engine answers.
_SLOWER = 4.0


def deepen(climb: Climb, reserve: Reserve, networks: Sequence[str], notes: list[str]) -> None:
    """Tune networks while the time lasts; each alone and mixed with what there is."""
    recipe = climb.context.recipe
    beside = _beside(climb, networks)
    size = beside.size
    grown: list[str] = []
    number, most = 0, 40 if recipe.effort == "best" or climb.budget.explicit else _GOOD
    while number < most:
        climb.check()
        network = networks[number % len(networks)]
        plain = _planned(climb, reserve, network, size, number // len(networks))
        if plain is None:
            if not number:
                notes.append("No network was tuned: the time left would not have been enough.")
            return
        number += 1
        try:
            _rung(climb, reserve, plain, beside, grown)
        except Ended:
            raise
        except TellapartError as error:
            notes.append(f"{plain.name} was left out: {error.what}")
            networks = [name for name in networks if name != network] or networks
            if networks == [network]:
                return


def _beside(climb: Climb, networks: Sequence[str]) -> HeadRung:
    """The head rung of the lowest log loss above the first: what tuned networks are mixed with.

    All parts of a model see pictures of one size, so that tuned networks see that rung's.
    """
    rows = [row for row in climb.kept.rungs if row["kind"] == "head" and row["log_loss"]]
    known = {rung.name: rung for rung in climb.heads}
    found = [row for row in rows if row["rung"] in known][1:]
    if not found:
        return HeadRung(_SIZE, (Source(networks[0], mirror=True, stages=True),))
    return known[min(found, key=lambda row: row["log_loss"])["rung"]]


def _planned(
    climb: Climb, reserve: Reserve, network: str, size: int, number: int
) -> TunedRung | None:
    """A rung that fits into the time that is left, learning at the largest side that allows."""
    rung = TunedRung(network, size, size, number=number)
    climb.budget = climb.budget.with_reserve(reserve.seconds(rung.passes()))
    free = climb.budget.left - _after(climb, reserve, rung) - rung.folds * tuned.AROUND
    pictures = climb.judges.own * (rung.folds - 1)
    side = tuned_size(size, free, pictures, reserve.speed(network) / _SLOWER)
    return None if side is None else TunedRung(network, size, side, number=number)


def _after(climb: Climb, reserve: Reserve, rung: TunedRung) -> float:
    """Seconds from the last network's end to a judged rung and its mixture."""
    each = sum(times / reserve.speed(name) for name, times in rung.passes().items())
    return 4.0 + len(climb.judges.rows) * each


def _rung(
    climb: Climb,
    reserve: Reserve,
    rung: TunedRung,
    beside: HeadRung,
    grown: list[str],
) -> None:
    mixed = f"{rung.name}, mixed"
    if not climb.is_done(rung.name):
        begun = time.monotonic()
        deadline = climb.budget.deadline - _after(climb, reserve, rung)
        found = tuned.climb(climb, rung, deadline)
        if found is None:
            return
        climb.offer(*found, time.monotonic() - begun)
    grown.append(rung.name)
    if not climb.is_done(mixed):
        begun = time.monotonic()
        both = _mixed(climb, mixed, grown, beside)
        if both is not None:
            climb.offer(*both, time.monotonic() - begun)


def _mixed(
    climb: Climb, name: str, grown: Sequence[str], beside: HeadRung
) -> tuple[Reached, NDArray[np.float32]] | None:
    """The tuned rungs so far and the best head on frozen networks, as one model."""
    members = [each for each in map(climb.recall, grown) if each is not None]
    if not members:
        return None
    head, vectors = frozen.climb(climb.context, climb.judges, beside, climb.watch(name))
    members.append(head)
    own = climb.judges.own
    told = [each.told for each in members]
    found = mix(told, climb.judges.y, np.ones(len(climb.judges.y), dtype=bool))
    parts, weights, columns = [], [], []
    bias = np.zeros(climb.judges.classes)
    for each, factor in zip(members, found.factors, strict=True):
        seen = (
            vectors
            if each is head
            else frozen.looked(climb.context, climb.judges.rows, each.backbone, climb.watch(name))
        )
        scale = frozen.scale_of(seen[:own])
        parts.append(Part(each.backbone, scale=scale))
        columns.append(seen * np.float32(scale))
        weights.append(each.head.weight.astype(np.float64) * factor / scale)
        bias = bias + each.head.bias.astype(np.float64) * factor
    fitted = Head(
        np.concatenate(weights, axis=1).astype(np.float32),
        bias.astype(np.float32),
        C=0.0,
        temperature=1.0,
    )
    reached = Reached(
        name,
        "blend",
        compose(parts, climb.context.work / FOLDER),
        fitted,
        found.probabilities,
        _unseen(climb, members, columns),
        {
            "factors": [round(factor, 4) for factor in found.factors],
            "of": [m.name for m in members],
        },
    )
    return reached, np.concatenate(columns, axis=1)


def _unseen(
    climb: Climb, members: Sequence[Reached], columns: Sequence[NDArray[Any]]
) -> NDArray[np.float64]:
    """Familiarity of training pictures, the mean over members weighted as their cosines are."""
    found, weights = [], []
    for each, vectors in zip(members, columns, strict=True):
        if each.unseen is not None:
            found.append(each.unseen)
            weights.append(float(np.einsum("ij,ij->i", vectors, vectors).mean()))
    whole = np.average(np.stack(found), axis=0, weights=weights)
    return np.asarray(whole, dtype=np.float64)
