"""The ladder's top: what several models know together, taught to one network.

An ensemble looks at each picture many times. One network that learns from its answers (`teaching`)
looks once; it takes the ensemble's place where it is better, or as good as far as can be told.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np
from numpy.typing import NDArray

from tellapart.errors import TellapartError
from tellapart.learn.ladder.rungs import (
    TunedRung,
    epochs_in,
    goes_on,
    together_passes,
    tuned_size,
)
from tellapart.steps.train import teaching, tuned
from tellapart.steps.train.climbing import Climb, Ended
from tellapart.steps.train.deepening import beside_of, train_speed
from tellapart.steps.train.distilled import Planned, judged, taught
from tellapart.steps.train.lessons import AROUND
from tellapart.steps.train.planning import as_asked
from tellapart.steps.train.reserve import Reserve
from tellapart.steps.train.rivals import rival_of
from tellapart.steps.train.teaching import Teacher

#: Of the whole time, what is put aside for it.
_HELD = 0.3
#: Tuned teachers at most; more of them tell little more.
_TEACHERS = 4
#: Epochs at most: one that learns from answers goes on gaining for long (Beyer et al. 2022,
#: "Knowledge distillation: a good teacher is patient and consistent").
_LONGEST = 30
_NO_TIME = "Nothing was distilled into one network: the time left would not have been enough."


def held(climb: Climb, reserve: Reserve, networks: Sequence[str]) -> float:
    """Seconds to put aside for it before networks are tuned; 0 where they would not be enough.

    A ladder that goes on keeps what its first command put aside.
    """
    ladder = climb.facts["inputs"]["ladder"]
    if climb.kept.aside.get("for") != ladder:
        climb.kept.aside = {"for": ladder, "seconds": _aside(climb, reserve, networks)}
        climb.kept.note(climb.budget.spent)
    return float(climb.kept.aside["seconds"])


def _aside(climb: Climb, reserve: Reserve, networks: Sequence[str]) -> float:
    aside = _HELD * climb.budget.seconds
    beside = beside_of(climb, networks)
    recipe = climb.context.recipe
    rung = as_asked(TunedRung(networks[0], beside.size, beside.size), recipe)
    after = reserve.seconds(together_passes([rung, beside]))
    left = climb.budget.with_reserve(max(after, climb.standing)).left
    speed, own = train_speed(climb, reserve, rung.network), climb.judges.own
    looks = _looking(climb, reserve, rung)
    first = left - aside - rung.folds * AROUND - looks
    then = min(aside, left) - (rung.folds + 1) * AROUND - looks
    # The taught networks, and what teaches them.
    needed = [(then, own * rung.folds)]
    if not any(row["kind"] == "tuned" for row in climb.kept.rungs):
        needed.append((first, own * (rung.folds - 1)))  # no earlier ladder has left a teacher
    if any(tuned_size(rung, free, pictures, speed) is None for free, pictures in needed):
        return 0.0
    return aside


def distil(climb: Climb, reserve: Reserve, grown: Sequence[TunedRung], notes: list[str]) -> None:
    """Teach one network what the tuned rungs `grown` and the best heads know together."""
    climb.budget = climb.budget.holding(0.0)
    if not grown:
        return
    climb.check()
    fold_of = tuned.folds_of(climb, grown[0].folds)
    try:
        found = _planned(climb, reserve, teaching.teachers(climb, grown))
        done = found is not None and climb.is_done(found.rung.name)
        if found is None or not (done or _climb(climb, reserve, found, fold_of)):
            notes.append(_NO_TIME)
    except Ended:
        raise
    except TellapartError as error:
        notes.append(f"Nothing was distilled into one network: {error.what}")


def _planned(climb: Climb, reserve: Reserve, found: Sequence[Teacher]) -> Planned | None:
    """The network to be taught; None: there is no time for any.

    One that is done or was begun stays as it was planned.
    """
    before = [TunedRung(**how) for how in climb.kept.planned.values() if how.get("teachers")]
    known = {each.name: each for each in found}
    for rung in before:
        if not climb.is_done(rung.name) and set(rung.teachers) <= set(known):
            plan = Planned(rung, [known[name] for name in rung.teachers])
            pictures, speed = climb.judges.own * rung.folds, _speed(climb, reserve, rung)
            free = _free(climb, reserve, rung)
            return plan if goes_on(free, rung.train_size, pictures, speed) else None
    networks = [each for each in found if isinstance(each.rung, TunedRung)]
    chosen = [each for each in found if each not in networks[_TEACHERS:]]
    names = {each.name for each in chosen}
    for rung in before:
        if climb.is_done(rung.name) and names <= set(rung.teachers):
            return Planned(rung, chosen)
    return _sized(climb, reserve, chosen, len(before))


def _sized(
    climb: Climb,
    reserve: Reserve,
    chosen: Sequence[Teacher],
    number: int,
) -> Planned | None:
    """A network of the best teacher's kind, learning at the largest side that the time allows."""
    best = next(each.rung for each in chosen if isinstance(each.rung, TunedRung))
    names = [each.name for each in chosen]
    # The last teacher may have had all the time that there was: its epochs are no measure.
    plain = TunedRung(best.network, best.size, best.size, best.folds)
    recipe = climb.context.recipe
    rung = replace(as_asked(plain, recipe), number=number, teachers=names)
    pictures, speed = climb.judges.own * rung.folds, _speed(climb, reserve, rung)
    free = _free(climb, reserve, rung)
    side = tuned_size(rung, free, pictures, speed)
    if side is None:
        return None
    epochs = min(_LONGEST, math.floor(epochs_in(free, side, pictures, speed)))
    if recipe.train.epochs != "auto":
        epochs = rung.epochs
    return Planned(replace(rung, train_size=side, epochs=epochs), chosen)


def _speed(climb: Climb, reserve: Reserve, rung: TunedRung) -> float:
    return train_speed(climb, reserve, rung.network)


def _free(climb: Climb, reserve: Reserve, rung: TunedRung) -> float:
    """Seconds that are left for the taught networks' own training."""
    after = reserve.seconds(rung.passes())
    climb.budget = climb.budget.with_reserve(max(after, climb.standing))
    around = (rung.folds + 1) * AROUND + _looking(climb, reserve, rung)
    return climb.budget.left - around


def _looking(climb: Climb, reserve: Reserve, rung: TunedRung) -> float:
    """Seconds in which all taught networks have looked at all pictures, and are judged."""
    each = sum(times / reserve.speed(name) for name, times in rung.passes().items())
    return 4.0 + len(climb.judges.rows) * each / rung.networks * (rung.folds + 1)


def _climb(climb: Climb, reserve: Reserve, plan: Planned, fold_of: NDArray[np.int64]) -> bool:
    """Tune all that is missing and judge it; False where the time ran out."""
    rung, begun = plan.rung, time.monotonic()
    climb.kept.planned[rung.name] = asdict(rung)
    climb.kept.note(climb.budget.spent)
    deadline = climb.budget.deadline - _looking(climb, reserve, rung)
    made = taught(climb, reserve, plan, fold_of, deadline)
    if made is None:
        return False
    shutil.rmtree(climb.kept.folder / rung.folder / "training", ignore_errors=True)
    reached, vectors = judged(climb, plan, made, fold_of)
    climb.offer(reached, vectors, time.monotonic() - begun, rival_of(climb, reserve, rung))
    return True
