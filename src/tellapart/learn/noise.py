"""Labels that the other pictures contradict, by confident learning.

Northcutt, Jiang, Chuang: Confident Learning: Estimating Uncertainty in Dataset Labels (JAIR 2021),
as cleanlab implements it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def label_issues(out_of_fold: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
    """Quality (n,) of each label: 1 sure to be right, near 0 contradicted.

    `out_of_fold` (n, C) must come from models that had not seen their rows and be calibrated;
    `y` (n,) are the given class numbers. The quality is the probability of the given label
    (cleanlab's self-confidence): with 5 % planted noise it ranked the planted ones first at
    least as often as the normalised margin, the weighted entropy or probabilities adjusted by
    class. Rows of NaN, which could not be held out, get 1. A few of the kept labels below
    0.02 are right: on clean trashnet_100 1.3 % of all, on caltech101_10 0.1 %; see
    benchmarks/label_noise.py.
    """
    chances, labels = np.asarray(out_of_fold, np.float64), np.asarray(y, np.int64)
    quality = np.ones(len(labels))
    known = np.flatnonzero(~np.isnan(chances).any(axis=1))
    if len(known):
        from cleanlab.rank import get_label_quality_scores

        # cleanlab wants sums of 1 to its own precision.
        rows = chances[known] / chances[known].sum(axis=1, keepdims=True)
        quality[known] = get_label_quality_scores(labels[known], rows, method="self_confidence")
    return np.clip(quality, 0.0, 1.0)
