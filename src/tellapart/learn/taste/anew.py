"""A correction, learned at once: what changes for its candidate and for those that look like it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellapart.learn.similarity import normalized
from tellapart.learn.taste.heads import Taste
from tellapart.learn.taste.rows import Pool

#: Look-alikes that are told.
COUNT = 20


@dataclass(frozen=True)
class Anew:
    """Candidates scored by the head before and after a correction."""

    #: All candidates' ids, and P(like) of each before (NaN: no head) and after.
    candidates: NDArray[np.str_]
    before: NDArray[np.float64]
    after: NDArray[np.float64]
    #: Places in `candidates` of those that look most like the corrected one, likest first, and
    #: the cosine of each with it.
    alike: NDArray[np.int64]
    cosines: NDArray[np.float64]


def anew(
    old: Taste | None,
    new: Taste,
    pool: Pool,
    candidate: str,
    *,
    rule: str = "learned",
    count: int = COUNT,
) -> Anew:
    """Score a pool with the head from before a correction of `candidate` and the one after.

    The pool may hold the candidate itself. On a live deck `new` is a challenger: its scores are
    shown, and decide nothing before the gate.
    """
    names, after = new.judge(pool, rule=rule)
    before = np.full(len(names), np.nan) if old is None else old.judge(pool, rule=rule)[1]
    places, cosines = look_alikes(pool, candidate, count)
    return Anew(names, before, after, places, cosines)


def look_alikes(
    pool: Pool, candidate: str, count: int = COUNT
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Places of the candidates that look most like one, by their closest pictures, and cosines."""
    from threadpoolctl import threadpool_limits

    names, numbers = pool.ids_and_numbers()
    own = pool.groups == candidate
    if not own.any():
        return np.empty(0, np.int64), np.empty(0)
    unit = normalized(pool.features)
    with threadpool_limits(1):
        near = (unit @ unit[own].T).max(axis=1)
    best = np.full(len(names), -np.inf)
    np.maximum.at(best, numbers, near.astype(np.float64))
    best[names == candidate] = -np.inf
    order = np.argsort(-best, kind="stable")[: min(count, len(names) - 1)]
    return order, np.round(best[order], 5)
