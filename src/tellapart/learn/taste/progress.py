"""How good a head is by now, what the order saved, and when to stop labelling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.errors import DataError
from tellapart.learn.taste.fitting import fit, held_out
from tellapart.learn.taste.heads import Taste
from tellapart.learn.taste.rows import Labelled, Pool
from tellapart.learn.taste.saving import saved

#: Labelled candidates before which nothing is said about stopping.
LEAST = 30
#: A head's own opinion of itself counts as so many candidates.
_OPINION = 3.0
_SHARES = (0.05, 0.95)
#: More labels change next to nothing where the last quarter of them turned at most this share
#: of the decisions.
_TURNED = 0.02
_LAST = 0.25


@dataclass(frozen=True)
class Progress:
    """What a page shows while a person labels."""

    #: Candidates labelled.
    labels: int
    #: Share of the stream that the head decides as the person would, with its 90 % interval;
    #: None before there is a head.
    accuracy: float | None
    low: float | None
    high: float | None
    #: Labels in random order that would have taught as much, less those given; None: not known.
    saved: int | None
    #: Whether more labels would change next to nothing, and why or why not, in one sentence.
    stop: bool
    why: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "labels": self.labels,
            "accuracy": self.accuracy,
            "low": self.low,
            "high": self.high,
            "saved": self.saved,
            "stop": self.stop,
            "why": self.why,
        }


def progress(
    pool: Pool,
    labelled: Labelled | None,
    taste: Taste | None,
    *,
    threshold: float = 0.4,
    compare: bool = True,
    seed: int = 0,
) -> Progress:
    """Estimate how far labelling has come.

    `pool`: unlabelled candidates of the stream; `labelled` in the order of labelling, with what
    was drawn by chance marked; `taste` the head fitted to it. `compare`: estimate the labels
    saved too, which takes most of the time (some tenths of a second).
    """
    n = 0 if labelled is None else len(labelled.candidates)
    if labelled is None or taste is None or not len(pool):
        return Progress(n, None, None, None, None, False, _before(n, taste))
    scores = taste.judge(pool)[1]
    accuracy, low, high = _accuracy(scores, labelled, taste, threshold, seed)
    fewer = saved(pool, taste, n, threshold, seed) if compare else None
    turned = _turned(pool, scores, labelled, taste, threshold)
    stop = n >= LEAST and turned <= _TURNED
    if n < LEAST:
        why = f"{n} labelled; nothing is said about stopping before {LEAST}."
    elif stop:
        why = (
            f"The last quarter of the labels turned {turned:.1%} of the decisions: more would "
            "change next to nothing."
        )
    else:
        why = f"The last quarter of the labels still turned {turned:.1%} of the decisions."
    return Progress(n, accuracy, low, high, fewer, stop, why)


def _before(n: int, taste: Taste | None) -> str:
    if taste is None:
        return f"{n} labelled: at least one like and one pass are needed first."
    return "Nothing is left to label."


def _accuracy(
    scores: NDArray[np.float64], labelled: Labelled, taste: Taste, threshold: float, seed: int
) -> tuple[float, float, float]:
    """Share of right decisions, and its 90 % interval, of a beta distribution.

    It starts with what the head believes of itself on the pool, as if it were `_OPINION`
    candidates, and counts those drawn by chance, each held out (where none is marked, all).
    """
    from scipy.stats import beta

    believed = float(np.where(scores >= threshold, scores, 1 - scores).mean())
    only = labelled.by_chance if labelled.by_chance.any() else None
    chances = held_out(labelled, taste, only=only, seed=seed)
    counted = ~np.isnan(chances)
    right = (chances[counted] >= threshold) == labelled.answers()[counted]
    a = _OPINION * believed + float(right.sum())
    b = _OPINION * (1 - believed) + float((~right).sum())
    low, high = (float(beta.ppf(share, a + 0.5, b + 0.5)) for share in _SHARES)  # as Jeffreys'
    if right.all():  # it may never be wrong
        high = 1.0
    return round(a / (a + b), 4), round(low, 4), round(high, 4)


def _places(labelled: Labelled) -> NDArray[np.int64]:
    return labelled.pool.ids_and_numbers()[1]


def _turned(
    pool: Pool, scores: NDArray[np.float64], labelled: Labelled, taste: Taste, threshold: float
) -> float:
    """Share of decisions that the head without the last quarter of the labels takes otherwise.

    Stabilizing predictions: Bloodgood and Vijay-Shanker, CoNLL 2009.
    """
    places = _places(labelled)
    first = labelled.only(places < round((1 - _LAST) * (places.max() + 1)))
    try:
        before = fit(first, base=taste.base, start=taste)
    except DataError:
        return 1.0
    return float(((before.judge(pool)[1] >= threshold) != (scores >= threshold)).mean())
