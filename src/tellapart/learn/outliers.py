"""Pictures that do not belong: how well each one fits its own class and the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tellapart.learn.similarity import normalized

#: Share of its class that a picture is compared with: the nearest third. Fewer, and a handful of
#: alien pictures of one source vouch for each other; more, and the rarer kind within a class (one
#: part in five) looks alien.
_NEIGHBOURS = 1 / 3
#: A class is not held to be tighter than this: a class of portraits (typical cosine .9) would
#: otherwise turn away every one that looks to the side.
_TIGHTEST = 0.65
#: Below this number of pictures there is no telling what is typical of a class.
FEWEST = 8
#: So many robust standard deviations below its class, by likeness and by label alike, score 0.65.
_DEVIATIONS, _THERE = 3.0, 0.65
#: Spread below which a class is not taken at its word, in cosine and in log odds.
_LEAST_SPREAD = {"likeness": 0.01, "label": 0.1}
#: A picture whose label is more probable than not is not made alien by its class's evenness.
_DOUBTED = 0.5
#: Bounds memory to a block of 1,024 × n cosines.
_ROWS_AT_ONCE = 1024
_DECIMALS = 4


def belonging(
    features: ArrayLike, labels: ArrayLike, quality: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Score (n,) of each row of `features` (n, D) in its class: 1 typical, near 0 alien.

    The lower of two. First the mean cosine with the nearest third of the class, relative to the
    class's median (capped at 0.65). Second, where `quality` (n,), the held-out probability of
    the label, is below one half: how many robust standard deviations the picture lies below its
    class both by that cosine and by the log odds of its quality; three score 0.65. In a class
    of even pictures this finds what is not far off by cosine alone. NaN for classes of fewer
    than 8.

    Measured with 5-10 % foreign photographs planted into classes of caltech101_10, trashnet_100
    and grocery_10: below 0.65 lie .83-1.0 of the foreign ones and at most .7 % of any clean set.
    """
    kinds = np.asarray(labels)
    likeness, relative = _likeness(features, kinds)
    if quality is not None:
        chances = np.clip(np.asarray(quality, dtype=np.float64), 1e-4, 1 - 1e-4)
        odds = np.log(chances / (1 - chances))
        below = np.maximum(
            _deviations(likeness, kinds, _LEAST_SPREAD["likeness"]),
            _deviations(odds, kinds, _LEAST_SPREAD["label"]),
        )
        doubted = (chances < _DOUBTED) & ~np.isnan(relative)
        even = 1 + (1 - _THERE) * below / _DEVIATIONS
        relative = np.where(doubted, np.minimum(relative, even), relative)
    return np.asarray(np.round(np.clip(relative, 0.0, 1.0), _DECIMALS))


def _likeness(
    features: ArrayLike, kinds: NDArray[np.generic]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean cosine (n,) with the nearest third of one's class, and the same relative to it."""
    from threadpoolctl import threadpool_limits

    unit = normalized(features)
    likeness, relative = np.full(len(unit), np.nan), np.full(len(unit), np.nan)
    with threadpool_limits(1):
        for kind in np.unique(kinds):
            rows = np.flatnonzero(kinds == kind)
            if len(rows) < FEWEST:
                continue
            k = max(3, int(len(rows) * _NEIGHBOURS))
            likeness[rows] = _nearest(unit[rows], k)
            typical = min(_TIGHTEST, float(np.median(likeness[rows])))
            relative[rows] = likeness[rows] / max(1e-6, typical)
    return likeness, relative


def _nearest(unit: NDArray[np.float32], k: int) -> NDArray[np.float64]:
    """Mean cosine (n,) of each of the rows with the `k` nearest others."""
    out = np.empty(len(unit))
    for start in range(0, len(unit), _ROWS_AT_ONCE):
        block = unit[start : start + _ROWS_AT_ONCE] @ unit.T
        own = np.arange(len(block))
        block[own, start + own] = -np.inf
        out[start : start + len(block)] = np.partition(block, -k, axis=1)[:, -k:].mean(
            axis=1, dtype=np.float64
        )
    return out


def _deviations(
    values: NDArray[np.float64], kinds: NDArray[np.generic], least: float
) -> NDArray[np.float64]:
    """Robust standard deviations from the class's median (by the median absolute deviation)."""
    out = np.zeros(len(values))
    for kind in np.unique(kinds):
        rows = kinds == kind
        middle = np.median(values[rows])
        spread = 1.4826 * float(np.median(np.abs(values[rows] - middle)))
        out[rows] = (values[rows] - middle) / max(least, spread)
    return out


def fit_to(features: ArrayLike, labels: ArrayLike, asked: ArrayLike) -> NDArray[np.float64]:
    """Score (n,) of each row in the class `asked` (n,) for it: 1 and above as its own pictures.

    The cosine with that class's mean direction, relative to the median of the class's own
    pictures. Tells a picture of another class (mislabelled) from one of no class (off topic).
    """
    unit, kinds, wanted = normalized(features), np.asarray(labels), np.asarray(asked)
    scores = np.zeros(len(unit))
    for kind in np.unique(wanted):
        rows, own = np.flatnonzero(wanted == kind), np.flatnonzero(kinds == kind)
        if not len(own):
            continue
        middle = normalized(unit[own].mean(axis=0))[0]
        typical = float(np.median(unit[own] @ middle))
        scores[rows] = (unit[rows] @ middle) / max(1e-6, typical)
    return np.asarray(np.round(scores, _DECIMALS))
