"""The figures: what the head is worth on the test pictures, and what a naive split would claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.catalog import PictureRow
from tellapart.learn import familiarity, grouping, metrics
from tellapart.learn.trained import Trained
from tellapart.report import Grouping, Refusal

#: Bins of the reliability diagram; the calibration error uses its own, finer ones.
_BINS = 10


@dataclass(frozen=True)
class Answers:
    """What the head says of the test pictures."""

    #: (n, C) calibrated probabilities.
    probabilities: NDArray[np.float64]
    #: (n,) the true class numbers.
    y: NDArray[np.int64]
    classes: tuple[str, ...]
    #: (n,) familiarity; below `threshold` the answer is "none of these".
    familiar: NDArray[np.float64]
    threshold: float

    @property
    def refused(self) -> NDArray[np.bool_]:
        return self.familiar < self.threshold


def answer(trained: Trained, features: NDArray[np.float32], labels: Sequence[str]) -> Answers:
    """Ask the head about pictures by their `features` (n, D); `labels` are the true classes."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # the last bits would depend on their number
        probabilities = trained.head.probabilities(features)
    return Answers(
        probabilities=probabilities,
        y=np.array([trained.classes.index(label) for label in labels], dtype=np.int64),
        classes=trained.classes,
        familiar=familiarity.score(features, trained.bank, trained.facts["neighbours"]),
        threshold=float(trained.facts["thresholds"]["familiarity"]),
    )


def with_doubtful(
    right: int, n: int, doubtful: Answers, weights: NDArray[np.float64]
) -> dict[str, Any]:
    """The accuracy, had the pictures that were set aside as doubtful stayed in as labelled.

    Setting doubtful pictures aside takes hard ones out of the test too, which flatters its
    accuracy. `right` of `n` test pictures were answered rightly; each doubtful picture counts
    with its chance of lying in the test split (`weights`). None of them was trained on.
    """
    hits = doubtful.probabilities.argmax(axis=1) == doubtful.y
    total = n + float(weights.sum())
    return {
        "n": len(hits),
        "right": int(hits.sum()),
        "accuracy": round((right + float(weights[hits].sum())) / total, 6),
    }


def test_chances(
    kept: Sequence[PictureRow], doubtful: Sequence[PictureRow], *, official: bool
) -> NDArray[np.float64]:
    """For each doubtful picture the chance that it would have lain in the test split.

    Where it lay there before, or the data set's own split (`official`) says so, that is known;
    else it is the test's share of the pictures that it was drawn from.
    """
    drawn = [row for row in kept if not (official and row.split_hint == "validation")]
    drawn = [row for row in drawn if row.split in ("train", "test") or not official]
    given = official and any(row.split_hint == "test" for row in kept)
    share = sum(row.split == "test" for row in drawn) / max(1, len(drawn))

    def chance(row: PictureRow) -> float:
        if row.split:
            return float(row.split == "test")
        if given or (official and row.split_hint in ("validation", "test")):
            return float(row.split_hint == "test")
        return share

    return np.array([chance(row) for row in doubtful])


def spread(groups: Sequence[str]) -> tuple[int, float]:
    """The number of `groups` (one name a picture), and how many pictures these are worth at least.

    Were all answers within a group alike, n pictures would tell as much as n² / Σ size²
    unrelated ones: Kish's effective sample size (Survey Sampling, 1965).
    """
    sizes = np.unique(np.array(groups), return_counts=True)[1].astype(np.float64)
    return len(sizes), round(float(sizes.sum() ** 2 / (sizes**2).sum()), 3) if len(sizes) else 0.0


def reliability(answers: Answers) -> list[tuple[float, float, int]]:
    """Mean top probability, share right, and number, in each tenth that holds any answer."""
    top = answers.probabilities.max(axis=1)
    right = answers.probabilities.argmax(axis=1) == answers.y
    places = np.minimum((top * _BINS).astype(np.int64), _BINS - 1)
    return [
        (round(float(top[here].mean()), 6), round(float(right[here].mean()), 6), int(here.sum()))
        for here in (places == place for place in range(_BINS))
        if here.any()
    ]


def refusal(answers: Answers, found: dict[str, Any], wanted: float) -> Refusal:
    """The abstention curves: surest first, and most familiar first (the order that is cut)."""
    by_familiarity = metrics.evaluate(
        answers.probabilities, answers.y, answers.classes, confidence=answers.familiar
    )
    return Refusal(
        threshold=answers.threshold,
        wanted=wanted,
        by_probability=_by_share(found),
        by_familiarity=_by_share(by_familiarity),
    )


def _by_share(found: dict[str, Any]) -> list[tuple[float, float]]:
    return [(point["coverage"], point["accuracy"]) for point in found["abstention"]["curve"]]


def fairness(
    features: NDArray[np.float32], y: NDArray[np.int64], groups: Sequence[str]
) -> tuple[Grouping | None, str]:
    """What a naive split would have claimed, or why that was not measured."""
    n = len(y)
    if n > grouping.MOST_ROWS:
        return None, (
            f"What a random split would have claimed was not measured: it takes too long for "
            f"{n} pictures (more than {grouping.MOST_ROWS})."
        )
    if n < 2 * _BINS or int(np.bincount(y).min()) < 2:
        return None, "There are too few pictures to tell what a random split would have claimed."
    naive, ours, points = grouping.curve(features, y, groups)
    return (
        Grouping(
            naive=(naive.accuracy, naive.low, naive.high),
            ours=(ours.accuracy, ours.low, ours.high),
            points=[(p.cosine or 0.0, p.accuracy, p.low, p.high, p.grouped) for p in points],
            n=n,
        ),
        "",
    )
