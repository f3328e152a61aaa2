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
_TIGHTEST = 0.6
#: Below this number of pictures there is no telling what is typical of a class.
FEWEST = 8
_DECIMALS = 4


def belonging(features: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """Score (n,) of each row of `features` (n, D) in its class: 1 typical, near 0 alien.

    The mean cosine with the nearest third of the class, relative to the class's median (capped
    at 0.6). NaN for classes of fewer than 8. Measured with 5-10 % foreign photographs planted
    into classes of caltech101_10, trashnet_100 and grocery_10: below 0.65 lie .84-1.0 of the
    foreign ones and at most .5 % of any clean set (see docs/architecture.md).
    """
    from threadpoolctl import threadpool_limits

    unit, kinds = normalized(features), np.asarray(labels)
    scores = np.full(len(unit), np.nan)
    with threadpool_limits(1):
        for kind in np.unique(kinds):
            rows = np.flatnonzero(kinds == kind)
            if len(rows) < FEWEST:
                continue
            inside = unit[rows] @ unit[rows].T
            np.fill_diagonal(inside, -np.inf)
            k = max(3, int(len(rows) * _NEIGHBOURS))
            typical = np.partition(inside, -k, axis=1)[:, -k:].mean(axis=1, dtype=np.float64)
            scores[rows] = typical / max(1e-6, min(_TIGHTEST, float(np.median(typical))))
    return np.asarray(np.round(np.clip(scores, 0.0, 1.0), _DECIMALS))


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
