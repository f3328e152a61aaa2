"""A network taught by other rungs: its tunings, each in its share of the time, and the model.

As every tuned rung it is tuned once for each fold, and these networks judge it; but the model is
one more network, that learned from all training pictures. The validation split judges that itself.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellapart.learn.backbone import FOLDER, Part
from tellapart.learn.calibration import fit_temperature, softmax
from tellapart.learn.composing import compose
from tellapart.learn.head import Head
from tellapart.learn.ladder.rungs import FIRST_SIZE, TunedRung
from tellapart.steps.train import frozen, teaching, tuned
from tellapart.steps.train.climbing import Climb
from tellapart.steps.train.deepening import train_speed
from tellapart.steps.train.lessons import (
    AROUND,
    Fold,
    Lesson,
    Start,
    exported,
    keep_fold,
    kept_fold,
    learn,
    start_of,
)
from tellapart.steps.train.reached import Reached
from tellapart.steps.train.reserve import Reserve
from tellapart.steps.train.teaching import Teacher

#: So that no network draws the chances of another of its rung.
_CHANCE = 200
#: How the network that is the model is kept.
_WHOLE = "whole"


@dataclass(frozen=True)
class Planned:
    """The network that is taught, and by whom."""

    rung: TunedRung
    teachers: Sequence[Teacher]


@dataclass(frozen=True)
class Piece:
    """One tuning that is still to be done."""

    #: An estimate.
    seconds: float
    #: Gets the seconds that it may take; False: they are too few.
    work: Callable[[float], bool]


def seconds(climb: Climb, reserve: Reserve, rung: TunedRung, pictures: int) -> float:
    """An estimate for tuning one network of `rung` on `pictures`."""
    area = (rung.train_size / FIRST_SIZE) ** 2
    speed = train_speed(climb, reserve, rung.network)
    return AROUND + pictures * rung.epochs * area / max(speed, 1e-3)


def walk(pieces: Sequence[Piece], deadline: float) -> bool:
    """Do the pieces one after the other, each in its share of the time to `deadline`.

    False where the time ran out.
    """
    for number, piece in enumerate(pieces):
        whole = sum(each.seconds for each in pieces[number:])
        if not piece.work((deadline - time.monotonic()) * piece.seconds / whole):
            return False
    return True


def taught(
    climb: Climb, reserve: Reserve, plan: Planned, fold_of: NDArray[np.int64], deadline: float
) -> list[Fold] | None:
    """The networks that judge, one a fold, and last the one that is the model; None: no time.

    Those that an earlier command finished are not tuned again.
    """
    rung, done = plan.rung, dict[str, Fold]()
    pieces, start = [], start_of(climb, rung)
    for fold in range(rung.folds + 1):
        name = _WHOLE if fold == rung.folds else str(fold)
        learned = fold_of != fold
        apart = None if name == _WHOLE else fold
        soft = teaching.targets(climb, plan.teachers, fold_of, apart)
        digest = hashlib.sha256(soft.astype(np.float32).tobytes()).hexdigest()
        before = kept_fold(climb, rung, name, digest)
        if before is not None:
            done[name] = before
            continue
        task = Lesson(
            np.flatnonzero(learned),
            np.flatnonzero(~learned),
            soft,
            climb.kept.folder / rung.folder / "training" / name,
            f"{rung.name}, {'the model' if name == _WHOLE else f'judge {fold + 1}'}",
            _CHANCE + fold,
        )
        work = _work(climb, rung, task, start, (name, digest), done)
        pieces.append(Piece(seconds(climb, reserve, rung, int(learned.sum())), work))
    if not walk(pieces, deadline):
        return None
    return [done[name] for name in [*map(str, range(rung.folds)), _WHOLE]]


def _work(
    climb: Climb,
    rung: TunedRung,
    task: Lesson,
    start: Start,
    names: tuple[str, str],
    done: dict[str, Fold],
) -> Callable[[float], bool]:
    """Tunes one network into `done`; `names`: its own, and that of what it is taught."""

    def work(share: float) -> bool:
        found = learn(climb, rung, task, start, share)
        if found is None:
            return False
        done[names[0]] = exported(climb, found[0], start)
        keep_fold(climb, rung, names[0], done[names[0]], names[1])
        shutil.rmtree(task.folder, ignore_errors=True)
        return True

    return work


def judged(
    climb: Climb, plan: Planned, made: Sequence[Fold], fold_of: NDArray[np.int64]
) -> tuple[Reached, NDArray[np.float32]]:
    """The model and its features: told of by its judges on training pictures, then by itself."""
    rung, judges, own = plan.rung, climb.judges, climb.judges.own
    folder = climb.context.work / FOLDER
    nets = [compose([Part(one.backbone, mirror=rung.mirror)], folder) for one in made]
    seen = [frozen.looked(climb.context, judges.rows, net, climb.watch(rung.name)) for net in nets]
    logits = np.stack(
        [v.astype(np.float64) @ one.weight.T + one.bias for v, one in zip(seen, made, strict=True)]
    )
    held_out = logits[fold_of, np.arange(own)]
    temperature = fit_temperature(held_out, judges.y[:own])
    model = made[-1]
    fitted = Head(
        (model.weight / temperature).astype(np.float32),
        (model.bias / temperature).astype(np.float32),
        C=0.0,
        temperature=temperature,
    )
    facts = {
        "networks": 1,
        "of": list(rung.teachers),
        "soft": teaching.SOFT,
        "epochs": [one.epochs for one in made],
        "train_speed": round(float(np.mean([one.speed for one in made])), 1),
    }
    reached = Reached(
        rung.name,
        "distilled",
        nets[-1],
        fitted,
        softmax(np.concatenate([held_out, logits[-1, own:]]) / temperature),
        tuned.unseen(climb, seen[:-1], fold_of),
        facts,
    )
    return reached, seen[-1]
