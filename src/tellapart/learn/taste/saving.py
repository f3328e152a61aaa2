"""What the order of labelling saved: played again, with the head's own opinion as the truth.

The candidates at hand are labelled in the chosen order and by chance, both times by what the head
says of them now, and heads are fitted to both. How many labels by chance give a head that agrees
with it as well is what labelling by chance would have taken, if the person's taste is about what
the head believes. Beside the truth: benchmarks/deck_active.py.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tellapart.errors import DataError
from tellapart.learn.taste.fitting import fit
from tellapart.learn.taste.heads import Taste
from tellapart.learn.taste.ordering import order
from tellapart.learn.taste.rows import Labelled, Pool

#: Labels by chance that are tried, as multiples of those in the chosen order.
_TIMES = (1.0, 1.5, 2.0, 3.0)
#: Labels that are played at most; for more the same share counts.
_MOST = 100
#: Candidates it is played on, as a multiple of the labels.
_ROOM, _LEAST = 5, 300
#: Rounds of the chosen order: each ends with a head.
_ROUNDS = 5


def saved(pool: Pool, taste: Taste, labels: int, threshold: float, seed: int) -> int | None:
    """Labels saved against labelling by chance; None where the pool is too small to tell."""
    n = min(labels, _MOST)
    names, numbers = pool.ids_and_numbers()
    if len(names) < _TIMES[-1] * n:
        return None
    rng = np.random.default_rng(seed)
    kept = rng.permutation(len(names))[: max(_LEAST, _ROOM * n)]
    rows = np.isin(numbers, kept)
    part = Pool(pool.features[rows], pool.groups[rows])
    play = _Play(part, taste, threshold)
    reached = play.chosen(n, seed)
    drawn = rng.permutation(len(play.names))
    best, before, times = 0.0, 0.0, _TIMES[0]
    for factor in _TIMES:
        agreed = play.agreement(drawn[: round(factor * n)])
        if agreed >= reached:
            share = (reached - best) / (agreed - best) if agreed > best and best else 1.0
            times = before + share * (factor - before) if before else factor
            return max(0, round((times - 1) * labels))
        if agreed > best:
            best, before = agreed, factor
    return round((_TIMES[-1] - 1) * labels)


class _Play:
    """Candidates, all labelled by a head."""

    def __init__(self, pool: Pool, taste: Taste, threshold: float) -> None:
        self.pool, self.threshold = pool, threshold
        self.names, self.numbers = pool.ids_and_numbers()
        self.said = taste.judge(pool)[1] >= threshold
        # Nothing is chosen by cross-validation: it would take most of the time.
        self._start = replace(taste, tuned_at=len(self.names) + 1)

    def chosen(self, n: int, seed: int) -> float:
        """Agreement of a head fitted to `n` candidates in the chosen order."""
        place = {name: at for at, name in enumerate(self.names.tolist())}
        picked: list[int] = []
        labelled, taste = None, None
        while len(picked) < n:
            count = min(-(-n // _ROUNDS), n - len(picked))
            picks = order(self.pool, labelled, taste, count, seed=seed)
            picked += [place[pick.candidate] for pick in picks]
            labelled = self._labelled(np.array(picked))
            taste = self._fit(labelled)
        return self._agreed(taste)

    def agreement(self, places: NDArray[np.int64]) -> float:
        """Agreement of a head fitted to these candidates."""
        return self._agreed(self._fit(self._labelled(places)))

    def _labelled(self, places: NDArray[np.int64]) -> Labelled:
        rows = np.isin(self.numbers, places)
        likes = self.said[self.numbers[rows]]
        return Labelled(
            self.pool.features[rows], likes, self.pool.groups[rows], np.zeros(len(likes), bool)
        )

    def _fit(self, labelled: Labelled) -> Taste | None:
        try:
            return fit(labelled, base=self._start.base, start=self._start)
        except DataError:
            return None

    def _agreed(self, taste: Taste | None) -> float:
        if taste is None:
            return 0.0
        found = taste.judge(self.pool)[1] >= self.threshold
        return float((found == self.said).mean())
