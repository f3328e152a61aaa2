"""What a careless split would have claimed: accuracy against how alike test and training may be.

Cross-validation with a stand-in that costs almost nothing: ridge regression on class indicators,
whose held-out answers for any split into folds follow from one inverse matrix. With
G = (K + λI)⁻¹ and K the rows' inner products, the residual of a held-out fold F is
G_FF⁻¹ (G Y)_F: the exact leave-fold-out answer without refitting (the block form of PRESS; see
Hastie, Tibshirani, Friedman, The Elements of Statistical Learning, 2nd ed., eq. 7.64, for
folds of one row).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tellapart.learn import head, similarity
from tellapart.learn.metrics import wilson

#: Above, the inverse takes too long for a report: 3,000 rows take about 2 s on one core.
MOST_ROWS = 3000
#: Cosines at and above which two pictures may not lie on both sides of a split.
COSINES = (0.98, 0.96, 0.94, 0.92, 0.9, 0.88, 0.86, 0.84, 0.82, 0.8)
#: A group above this share of its class leaves too little to learn the class from.
_LARGEST = 0.5
#: On rows of mean squared length 1: told the same share right as logistic regression to within
#: 0.5 points on trashnet_100, grocery_10 and caltech101_10.
_PENALTY = 0.3
_FOLDS = 5
#: The fewer rows, the more the draw of the folds counts: up to so many rows three are averaged.
_DRAWS, _FEW_ROWS = 3, 1000


@dataclass(frozen=True)
class Point:
    """Cross-validated accuracy where no group is split over the folds."""

    #: The cosine from which pictures were grouped; None: not by cosine.
    cosine: float | None
    accuracy: float
    #: 95 % interval of the accuracy.
    low: float
    high: float
    #: Share of the pictures that are grouped with another one.
    grouped: float


class Ridge:
    """Held-out answers of one data set for many splits into folds."""

    def __init__(self, features: ArrayLike, y: ArrayLike) -> None:
        from scipy.linalg import lapack
        from threadpoolctl import threadpool_limits

        self.y = np.asarray(y, np.int64)
        n, classes = len(self.y), int(self.y.max()) + 1
        rows = np.asarray(features, np.float32)
        rows = rows - rows.mean(axis=0)
        rows /= np.sqrt(np.mean(np.einsum("ij,ij->i", rows, rows))) or 1.0
        with threadpool_limits(1):  # the last bits would depend on their number
            # A column of ones makes room for an intercept.
            inner = (rows @ rows.T).astype(np.float64) + 1.0
            inner[np.diag_indices(n)] += _PENALTY
            # By Cholesky's factor: half the work of a general inverse. One triangle is filled.
            factor, _ = lapack.dpotrf(inner, lower=1, overwrite_a=1)
            lower, _ = lapack.dpotri(factor, lower=1, overwrite_c=1)
            self._inverse = np.tril(lower) + np.tril(lower, -1).T
            self._solved = self._inverse @ np.eye(classes)[self.y]

    def right(self, groups: ArrayLike | None) -> NDArray[np.float64]:
        """For each row the share of draws in which it was told right while held out."""
        from scipy.linalg import solve
        from threadpoolctl import threadpool_limits

        draws = _DRAWS if len(self.y) <= _FEW_ROWS else 1
        hits = np.zeros(len(self.y))
        indicator = np.eye(self._solved.shape[1])[self.y]
        with threadpool_limits(1):
            for draw in range(draws):
                folds = head.folds(self.y, groups, _FOLDS, draw)
                for fold in np.unique(folds).tolist():
                    held = np.flatnonzero(folds == fold)
                    block = self._inverse[np.ix_(held, held)]
                    answers = indicator[held] - solve(block, self._solved[held], assume_a="pos")
                    hits[held] += answers.argmax(axis=1) == self.y[held]
        return hits / draws


def curve(
    features: ArrayLike, y: ArrayLike, given: Sequence[str]
) -> tuple[Point, Point, list[Point]]:
    """Accuracy with naive folds, with the groups `given`, and with groups by ever lower cosine.

    `features` (n, d) and class numbers `y` (n,) of all pictures; `given` names each one's group.
    The curve ends where a group outgrows its class: what follows would measure missing classes.
    """
    labels = np.asarray(y, np.int64)
    ridge = Ridge(features, labels)
    naive = _point(None, ridge, None)
    ours = _point(None, ridge, np.unique(np.asarray(given), return_inverse=True)[1])
    points: list[Point] = []
    pairs, cosines = similarity.cosine_pairs(features, COSINES[-1])
    sizes = np.bincount(labels)
    for cosine in COSINES:
        roots = similarity.groups(len(labels), pairs[cosines >= cosine])
        counts = np.bincount(roots, minlength=len(labels))
        biggest = int(counts.argmax())
        if counts[biggest] > max(2, _LARGEST * sizes[labels[biggest]]):
            break
        points.append(_point(cosine, ridge, roots))
    return naive, ours, points


def _point(cosine: float | None, ridge: Ridge, groups: NDArray[np.int64] | None) -> Point:
    right = ridge.right(groups)
    n = len(right)
    low, high = wilson(round(float(right.sum())), n)
    together = 0.0
    if groups is not None:
        together = float((np.bincount(groups, minlength=n)[groups] > 1).mean())
    return Point(cosine, round(float(right.mean()), 6), low, high, round(together, 6))
