"""What several rungs know together, as soft targets for one network.

The target of a training picture is what the teachers say of it who have not learned from it, for
what a network says of pictures that it has learned by heart holds nothing beyond their labels.
A network that judges fold f must know nothing of that fold's labels, by whatever way: its teachers
have seen neither f nor the fold of the picture that they tell. So each tuned teacher is tuned again
for every two folds, on the pictures of the others; heads on frozen features are fitted anew.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from tellapart.learn import head
from tellapart.learn.calibration import fit_temperature, softmax
from tellapart.learn.ladder.mixing import mix
from tellapart.learn.ladder.rungs import HeadRung, TunedRung
from tellapart.steps.train import frozen
from tellapart.steps.train.climbing import Climb
from tellapart.steps.train.lessons import Lesson, Start, learn
from tellapart.store.files import write_file

#: Heads on frozen features among the teachers at most: they cost nothing, but are much alike.
_HEADS = 2
#: Of a target, what the teachers say; the rest is the label.
SOFT = 0.5
_LEAST = 1e-12
#: So that no network draws the chances of another of its rung.
_CHANCE = 100


@dataclass(frozen=True)
class Teacher:
    """A rung that was climbed."""

    rung: HeadRung | TunedRung
    #: (n + m, C) probabilities of the jury's rows, as `Reached.told`.
    told: NDArray[np.float64]
    #: Epochs that its networks were tuned for; 0 for a head.
    epochs: int = 0

    @property
    def name(self) -> str:
        """The rung's."""
        return self.rung.name


def teachers(climb: Climb, grown: Sequence[TunedRung]) -> list[Teacher]:
    """All that may teach, the best first: the tuned rungs `grown`, and the best heads."""
    losses = {
        row["rung"]: float(row["log_loss"])
        for row in climb.kept.rungs
        if row["log_loss"] is not None
    }
    heads = sorted(
        (rung for rung in climb.heads if rung.name in losses), key=lambda each: losses[each.name]
    )
    found = []
    rungs: list[HeadRung | TunedRung] = [*grown, *heads[:_HEADS]]
    for rung in rungs:
        told = climb.kept.arrays(rung.name).get("told")
        if told is not None:
            row = climb.kept.find(rung.name) or {}
            done = row.get("epochs") or [0]
            found.append(Teacher(rung, told, round(sum(done) / len(done))))
    return sorted(found, key=lambda each: losses[each.name])


def pairs(folds: int) -> list[tuple[int, int]]:
    """Every two folds."""
    return list(itertools.combinations(range(folds), 2))


def lost(climb: Climb, fold_of: NDArray[np.int64]) -> str:
    """The class of which nothing is left where some two folds are held out; "" where none is."""
    y = climb.judges.y[: climb.judges.own]
    for pair in pairs(int(fold_of.max()) + 1):
        gone = np.setdiff1d(y, y[~np.isin(fold_of, pair)])
        if len(gone):
            return climb.judges.material.classes[int(gone[0])]
    return ""


def known(climb: Climb, rung: TunedRung, pair: tuple[int, int]) -> NDArray[np.float64] | None:
    """Logits (n, C) of a network that has not seen the folds of `pair`, NaN for the other rows."""
    file = climb.kept.folder / rung.folder / _file(pair)
    try:
        logits = np.load(file, allow_pickle=False)
    except (OSError, ValueError):
        return None
    expected = (climb.judges.own, climb.judges.classes)
    return np.asarray(logits, np.float64) if logits.shape == expected else None


def tell(
    climb: Climb,
    rung: TunedRung,
    pair: tuple[int, int],
    fold_of: NDArray[np.int64],
    start: Start,
    share: float,
) -> bool:
    """Tune a teacher's network without the folds of `pair` and keep what it says of them.

    False where `share` seconds are too short. Raises `Ended` at a stop request.
    """
    from tellapart.learn.deep import tuning

    out = np.isin(fold_of, pair)
    place = climb.kept.folder / rung.folder
    task = Lesson(
        np.flatnonzero(~out),
        np.flatnonzero(out),
        climb.judges.y[: climb.judges.own],
        place / "training" / f"pair-{pair[0]}-{pair[1]}",
        f"teaching: {rung.name} without parts {pair[0] + 1} and {pair[1] + 1}",
        _CHANCE + 10 * pair[0] + pair[1],
    )
    found = learn(climb, rung, task, start, share)
    if found is None:
        return False
    logits = np.full((climb.judges.own, climb.judges.classes), np.nan, np.float32)
    logits[task.out] = tuning.predict(*found, task.out, task.folder)
    data = BytesIO()
    np.save(data, logits)
    write_file(place / _file(pair), data.getvalue())
    shutil.rmtree(task.folder, ignore_errors=True)
    return True


def targets(climb: Climb, found: Sequence[Teacher]) -> NDArray[np.float64]:
    """Targets (n, C) of the training rows from the teachers' answers out of fold."""
    own = climb.judges.own
    told = [each.told[:own] for each in found]
    mixed = mix(told, climb.judges.y[:own], np.ones(own, bool))
    return _softened(climb, mixed.probabilities)


def targets_without(
    climb: Climb, found: Sequence[Teacher], fold_of: NDArray[np.int64], fold: int
) -> NDArray[np.float64]:
    """The same from teachers that have not seen `fold` either; its own rows keep their labels."""
    own, rest = climb.judges.own, fold_of != fold
    y = climb.judges.y[:own]
    told = [
        _head_without(climb, each.rung, rest)
        if isinstance(each.rung, HeadRung)
        else _network_without(climb, each.rung, fold_of, fold)
        for each in found
    ]
    return _softened(climb, mix(told, y, rest).probabilities)


def _head_without(climb: Climb, rung: HeadRung, rest: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Out of fold answers (n, C) of a head on the rows `rest` alone."""
    recipe, judges = climb.context.recipe, climb.judges
    _, vectors = frozen.features_of(climb.context, judges, rung, climb.watch(rung.name))
    rows = np.flatnonzero(rest)
    fitted = head.fit(
        vectors[rows],
        judges.y[rows],
        n_classes=judges.classes,
        seed=recipe.seed,
        C=recipe.train.C,
        class_weight=recipe.train.class_weight,
        groups=judges.groups[rows],
    )
    told = np.full((judges.own, judges.classes), np.nan)
    assert fitted.out_of_fold is not None
    told[rows] = fitted.out_of_fold
    return told


def _network_without(
    climb: Climb, rung: TunedRung, fold_of: NDArray[np.int64], fold: int
) -> NDArray[np.float64]:
    """Calibrated answers (n, C) of the networks that have not seen `fold` and the row's own."""
    own, rest = climb.judges.own, fold_of != fold
    logits = np.full((own, climb.judges.classes), np.nan)
    for pair in pairs(rung.folds):
        if fold in pair:
            other = fold_of == (pair[0] if pair[1] == fold else pair[1])
            told = known(climb, rung, pair)
            assert told is not None
            logits[other] = told[other]
    temperature = fit_temperature(logits[rest], climb.judges.y[:own][rest])
    return softmax(logits / temperature)


def _softened(climb: Climb, told: NDArray[np.float64]) -> NDArray[np.float64]:
    """Labels and answers in their shares; labels alone where nothing was told."""
    labels = np.eye(climb.judges.classes)[climb.judges.y[: climb.judges.own]]
    return np.where(np.isnan(told), labels, (1 - SOFT) * labels + SOFT * told)


def _file(pair: tuple[int, int]) -> str:
    return f"without-{pair[0]}-{pair[1]}.npy"
