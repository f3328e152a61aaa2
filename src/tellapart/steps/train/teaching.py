"""What several rungs know together, as soft targets for one network.

The target of a training picture is half its label and half what the teachers say of it who have
learned from it, as in Hinton et al. 2015. What those say who have not was tried and is worse: with
few pictures their mistakes outweigh what they know beyond the labels. The teachers of a network
that judges fold f have not seen f's labels: of a tuned rung that is the network of that fold; heads
on frozen features are fitted anew. What those labels do reach is how much each teacher counts, and
how sure a tuned rung is taken to be: one factor and one temperature, fitted on what the networks of
all folds say of pictures that they had not seen, for all rows alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellapart.errors import NotFoundError
from tellapart.learn import head
from tellapart.learn.backbone import FOLDER, Part
from tellapart.learn.calibration import softmax
from tellapart.learn.composing import compose
from tellapart.learn.ladder.mixing import mix
from tellapart.learn.ladder.rungs import HeadRung, TunedRung
from tellapart.steps.train import frozen
from tellapart.steps.train.climbing import Climb
from tellapart.steps.train.lessons import kept_fold

#: Heads on frozen features among the teachers at most: they cost nothing, but are much alike.
_HEADS = 2
#: Of a target, what the teachers say; the rest is the label.
SOFT = 0.5
_LEAST = 1e-12


@dataclass(frozen=True)
class Teacher:
    """A rung that was climbed."""

    rung: HeadRung | TunedRung
    #: (n + m, C) probabilities of the jury's rows, as `Reached.told`.
    told: NDArray[np.float64]

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
            found.append(Teacher(rung, told))
    return sorted(found, key=lambda each: losses[each.name])


def targets(
    climb: Climb, found: Sequence[Teacher], fold_of: NDArray[np.int64], fold: int | None = None
) -> NDArray[np.float64]:
    """Targets (n, C) of the training rows, from teachers that have not seen `fold`.

    Its own rows keep their labels. Of `fold`, only the factors of the teachers and the tuned
    rungs' temperatures know (see above). None: from all that the teachers have learned.
    """
    own = climb.judges.own
    rest = np.ones(own, bool) if fold is None else fold_of != fold
    factors = mix([each.told[:own] for each in found], climb.judges.y[:own], rest).factors
    logits = np.zeros((own, climb.judges.classes))
    for each, factor in zip(found, factors, strict=True):
        said = (
            _head(climb, each.rung, rest)
            if isinstance(each.rung, HeadRung)
            else _network(climb, each.rung, fold_of, fold)
        )
        logits += factor * said
    told = softmax(logits)
    told[~rest] = np.nan
    return _softened(climb, told)


def _head(climb: Climb, rung: HeadRung, rest: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Calibrated logits (n, C) of a head that has learned from the rows `rest`."""
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
    return np.log(np.clip(fitted.probabilities(vectors[: judges.own]), _LEAST, 1))


def _network(
    climb: Climb, rung: TunedRung, fold_of: NDArray[np.int64], fold: int | None
) -> NDArray[np.float64]:
    """Calibrated logits (n, C): of the network without `fold`, or for each row the mean of those
    that have learned from it."""
    reached = climb.recall(rung.name)
    made = [kept_fold(climb, rung, str(each)) for each in range(rung.folds)]
    if reached is None or None in made:
        raise NotFoundError(
            f"The networks of {rung.name!r} are gone.",
            expected="the files of all that is to teach",
            do="Run the same command again: it tunes them anew.",
        )
    own, folder = climb.judges.own, climb.context.work / FOLDER
    rows = climb.judges.rows
    logits = []
    for one in made:
        assert one is not None
        net = compose([Part(one.backbone, mirror=rung.mirror)], folder)
        vectors = frozen.looked(climb.context, rows, net, climb.watch(rung.name))
        logits.append(vectors[:own].astype(np.float64) @ one.weight.T + one.bias)
    if fold is None:
        seen = np.stack([fold_of != each for each in range(rung.folds)])[..., None]
        said = (np.stack(logits) * seen).sum(axis=0) / (rung.folds - 1)
    else:
        said = logits[fold]
    return np.asarray(said / reached.head.temperature)


def _softened(climb: Climb, told: NDArray[np.float64]) -> NDArray[np.float64]:
    """Labels and answers in their shares; labels alone where nothing was told."""
    labels = np.eye(climb.judges.classes)[climb.judges.y[: climb.judges.own]]
    return np.where(np.isnan(told), labels, (1 - SOFT) * labels + SOFT * told)
