"""The ladder's upper part: tuned networks, and mixtures of them with the best head."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np
from numpy.typing import NDArray

from tellapart.errors import TellapartError
from tellapart.learn.backbone import FOLDER, Part
from tellapart.learn.composing import compose
from tellapart.learn.head import Head
from tellapart.learn.ladder.mixing import mix
from tellapart.learn.ladder.rungs import (
    FIRST_SIZE,
    HeadRung,
    Source,
    TunedRung,
    epochs_in,
    goes_on,
    together_passes,
    tuned_size,
)
from tellapart.steps.train import frozen, tuned
from tellapart.steps.train.climbing import Climb, Ended
from tellapart.steps.train.lessons import AROUND
from tellapart.steps.train.planning import as_asked
from tellapart.steps.train.reached import Reached
from tellapart.steps.train.reserve import Reserve

#: Side that tuned models see where no head rung above the first was climbed.
_SIZE = 320
#: Networks tuned in a ladder of `good`; `best` goes on while the time lasts.
_GOOD = 1
#: A network learns so much slower than the engine answers.
_SLOWER = 4.0
#: Epochs of the last network that there is time for, at most: the time cuts them short.
_LONGEST = 40
#: Networks tuned at most, whatever the time.
_MOST = 40


def deepen(
    climb: Climb, reserve: Reserve, networks: Sequence[str], notes: list[str]
) -> list[TunedRung]:
    """Tune networks while the time lasts; each alone and mixed with what there is.

    Returns the rungs that were tuned, by this command or an earlier one.
    """
    recipe = climb.context.recipe
    beside = beside_of(climb, networks)
    grown: list[TunedRung] = []
    short = tuned.too_few(climb, TunedRung(networks[0], beside.size, beside.size).folds)
    if short:
        notes.append(short)
        return grown
    number, most = 0, _MOST if recipe.effort == "best" or climb.budget.explicit else _GOOD
    while number < most:
        climb.check()
        network = networks[number % len(networks)]
        try:
            rung = _planned(climb, reserve, network, number // len(networks), beside, grown)
            if rung is None or not _rung(climb, reserve, rung, beside, grown):
                if not number:
                    notes.append("No network was tuned: the time left would not have been enough.")
                return grown
            number += 1
        except Ended:
            raise
        except TellapartError as error:
            notes.append(f"{network} was not tuned: {error.what}")
            number += 1
            networks = [name for name in networks if name != network] or networks
            if networks == [network]:
                return grown
    return grown


def beside_of(climb: Climb, networks: Sequence[str]) -> HeadRung:
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
    climb: Climb,
    reserve: Reserve,
    network: str,
    number: int,
    beside: HeadRung,
    grown: Sequence[TunedRung],
) -> TunedRung | None:
    """A rung that fits into the time that is left, learning at the largest side that allows.

    One that is done, or that was begun and still fits, stays as it was planned: its parts are good
    for nothing else.
    """
    plain = TunedRung(network, beside.size, beside.size, number=number)
    rung = as_asked(plain, climb.context.recipe)
    if rung.name in climb.kept.planned:
        rung = TunedRung(**climb.kept.planned[rung.name])
    missing = tuned.missing(climb, rung)
    # The mixture is what the later steps may have to do with.
    after = reserve.seconds(together_passes([rung, *grown, beside]))
    climb.budget = climb.budget.with_reserve(max(after, climb.standing))
    if climb.is_done(rung.name) or not missing:
        return rung
    free = climb.budget.left - _after(climb, reserve, rung) - missing * AROUND
    pictures, speed = (
        climb.judges.own * (rung.folds - 1) / rung.folds,
        train_speed(climb, reserve, network),
    )
    if rung.name in climb.kept.planned:
        fits = goes_on(free, rung.train_size, pictures * missing, speed)
        return rung if fits else None
    every = pictures * rung.folds
    # Of several alike each learns at another side: the more they differ, the better together.
    turn = number if climb.context.recipe.effort == "best" else 0
    chosen = tuned_size(rung, free, every, speed, turn)
    if chosen is None:
        return None
    planned = replace(rung, train_size=chosen)
    if climb.context.recipe.effort != "best" and not climb.budget.explicit:
        return planned
    cost = rung.epochs / epochs_in(1.0, chosen, every, speed)
    again = free - cost - _after(climb, reserve, rung) - rung.folds * AROUND
    # The last one that fits has all the time that there is.
    last = tuned_size(rung, again, every, speed, turn) is None
    longer = last and climb.context.recipe.train.epochs == "auto"
    return replace(planned, epochs=_LONGEST) if longer else planned


def train_speed(climb: Climb, reserve: Reserve, network: str) -> float:
    """Pictures/s of training at 224 pixels: as measured by an earlier rung, or a guess."""
    for row in reversed(climb.kept.rungs):
        planned = climb.kept.planned.get(row["rung"])
        if planned and planned["network"] == network and row.get("train_speed"):
            area = float(planned["train_size"] / FIRST_SIZE) ** 2
            return max(1.0, float(row["train_speed"]) * area)
    return reserve.speed(network) / _SLOWER


def _after(climb: Climb, reserve: Reserve, rung: TunedRung) -> float:
    """Seconds from the last network's end to a judged rung and its mixture."""
    each = sum(times / reserve.speed(name) for name, times in rung.passes().items())
    return 4.0 + len(climb.judges.rows) * each


def _rung(
    climb: Climb,
    reserve: Reserve,
    rung: TunedRung,
    beside: HeadRung,
    grown: list[TunedRung],
) -> bool:
    """Climb `rung` and its mixture, as far as they are not; False where the time ran out."""
    mixed = f"{rung.name}, mixed"
    if not climb.is_done(rung.name):
        climb.kept.planned[rung.name] = asdict(rung)
        climb.kept.note(climb.budget.spent)
        begun = time.monotonic()
        deadline = climb.budget.deadline - _after(climb, reserve, rung)
        found = tuned.climb(climb, rung, deadline)
        if found is None:
            return False
        climb.offer(*found, time.monotonic() - begun)
    grown.append(rung)
    if not climb.is_done(mixed):
        begun = time.monotonic()
        both = _mixed(climb, mixed, grown, beside)
        if both is not None:
            climb.offer(*both, time.monotonic() - begun)
    return True


def _mixed(
    climb: Climb, name: str, grown: Sequence[TunedRung], beside: HeadRung
) -> tuple[Reached, NDArray[np.float32]] | None:
    """The tuned rungs so far and the best head on frozen networks, as one model."""
    recalled = [(climb.recall(rung.name), rung.folds) for rung in grown]
    members = [each for each, _ in recalled if each is not None]
    if not members:
        return None
    folds = [folds for each, folds in recalled if each is not None]
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
        _unseen(climb, folds, columns),
        {
            "factors": [round(factor, 4) for factor in found.factors],
            "of": [m.name for m in members],
        },
    )
    return reached, np.concatenate(columns, axis=1)


def _unseen(
    climb: Climb, folds: Sequence[int], columns: Sequence[NDArray[np.float32]]
) -> NDArray[np.float64] | None:
    """Familiarity of training pictures as the whole mixture has it, of networks that had not seen
    them. `columns`: features of each tuned member, of `folds` networks, and of frozen ones last."""
    *grown, frozen_ones = columns
    if len(set(folds)) != 1:
        return None
    parts = [np.split(vectors, folds[0], axis=1) for vectors in grown]
    apart = [np.concatenate(each, axis=1) for each in zip(*parts, strict=True)]
    return tuned.unseen(climb, apart, tuned.folds_of(climb, folds[0]), frozen_ones)
