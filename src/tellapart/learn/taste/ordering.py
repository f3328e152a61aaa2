"""What to label next, so that few labels teach most.

Before there is a head: candidates that stand for as many others as possible and not for those
that stood already (facility location; Nemhauser, Wolsey, Fisher 1978). With a head the same, but
others count by how unsure the head is of them: unsure ones that many unsure ones look like come
first. Some are drawn by chance: only those say, without favour, how good the head is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tellapart.learn.similarity import normalized
from tellapart.learn.taste.heads import Taste
from tellapart.learn.taste.rows import Labelled, Pool

#: One in so many is drawn by chance.
EVERY = 5
#: Candidates compared with each other; more are thinned out by chance first.
MOST = 2_000

Reason = Literal["stands for many", "unsure", "by chance"]


@dataclass(frozen=True)
class Pick:
    """A candidate to label next, and why it."""

    candidate: str
    why: Reason
    #: P(like) by the head at hand; None: there is none.
    score: float | None

    @property
    def by_chance(self) -> bool:
        """Keep it with the label: `Labelled.by_chance`, and feedback held back for the gate."""
        return self.why == "by chance"


def order(
    pool: Pool,
    labelled: Labelled | None,
    taste: Taste | None,
    count: int = 10,
    *,
    chance: int = EVERY,
    seed: int = 0,
) -> list[Pick]:
    """Choose the next `count` candidates of `pool` to label, first one first.

    `labelled`: what was labelled so far (None: nothing); its candidates are not asked again.
    `taste`: the head fitted to it. One in `chance` is drawn by chance (0: none). The same
    arguments give the same order.
    """
    names, numbers = pool.ids_and_numbers()
    given = np.empty(0, np.str_) if labelled is None else labelled.candidates
    free = ~np.isin(names, given)
    scores = None if taste is None or not len(pool) else taste.judge(pool)[1]
    rng = np.random.default_rng((seed, len(given)))
    left = np.flatnonzero(free)
    count = min(count, len(left))
    lots = [bool(chance) and (len(given) + i) % chance == chance - 1 for i in range(count)]
    chosen: dict[int, Reason] = {}
    if not count:
        return []
    drawn = rng.permutation(left)[: sum(lots)].tolist()
    rest = np.setdiff1d(left, drawn)
    taught = None if labelled is None else looks(labelled.pool)
    spread = _Spread(looks(pool, numbers, len(names)), rest, taught, drawn, scores, rng)
    waiting = iter(drawn)
    for by_chance in lots:
        if by_chance:
            chosen[next(waiting)] = "by chance"
        else:
            chosen[spread.next()] = "stands for many" if taste is None else "unsure"
    return [
        Pick(str(names[at]), why, None if scores is None else round(float(scores[at]), 6))
        for at, why in chosen.items()
    ]


def looks(
    pool: Pool, numbers: NDArray[np.int64] | None = None, count: int | None = None
) -> NDArray[np.float32]:
    """One row of length 1 a candidate: the mean direction of its pictures."""
    if numbers is None or count is None:
        names, numbers = pool.ids_and_numbers()
        count = len(names)
    total = np.zeros((count, pool.features.shape[1]), np.float32)
    np.add.at(total, numbers, normalized(pool.features))
    return normalized(total)


def representatives(
    rows: NDArray[np.float32], among: NDArray[np.int64], known: NDArray[np.float32], most: int
) -> list[int]:
    """Up to `most` of the rows numbered `among`, each standing for what none before it does."""
    if not len(among):
        return []
    spread = _Spread(rows, among, known, [], None, np.random.default_rng(0))
    return [spread.next() for _ in range(min(most, len(among), MOST))]


class _Spread:
    """Greedy facility location over the candidates that may be asked."""

    def __init__(
        self,
        rows: NDArray[np.float32],
        free: NDArray[np.int64],
        taught: NDArray[np.float32] | None,
        drawn: list[int],
        scores: NDArray[np.float64] | None,
        rng: np.random.Generator,
    ) -> None:
        from threadpoolctl import threadpool_limits

        self._free = np.sort(rng.permutation(free)[:MOST])
        known = rows[drawn] if taught is None else np.concatenate([taught, rows[drawn]])
        # What all share tells nothing apart.
        center = np.concatenate([rows[self._free], known]).mean(axis=0)
        own, known = normalized(rows[self._free] - center), normalized(known - center)
        with threadpool_limits(1):
            self._near = np.maximum(own @ own.T, 0)
            seen = np.maximum(own @ known.T, 0)
        self._covered = seen.max(axis=1) if len(known) else np.zeros(len(own), np.float32)
        self._weight = np.ones(len(own), np.float32)
        if scores is not None:  # none where it is sure, 1 where it cannot tell
            self._weight = (1 - np.abs(2 * scores[self._free] - 1)).astype(np.float32)
        self._open = np.ones(len(own), bool)

    def next(self) -> int:
        """The candidate that stands for most of what is not covered yet."""
        gain = self._weight @ np.maximum(self._near - self._covered[:, None], 0)
        gain[~self._open] = -1
        place = int(gain.argmax())
        self._open[place] = False
        self._covered = np.maximum(self._covered, self._near[:, place])
        return int(self._free[place])
