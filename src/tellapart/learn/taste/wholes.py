"""One answer for a candidate of several pictures, learned: how much the best one counts.

A candidate's logit is a sum of the mean and of the greatest logit of its pictures, and an
offset: three numbers, held near the plain mean by a normal prior until labels say otherwise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tellapart.learn.taste.heads import PLAIN_WHOLE, summaries

#: Standard deviations of the prior about `PLAIN_WHOLE`.
_SPREADS = (0.5, 0.5, 1.0)
#: Candidates of two pictures or more from which on it is learned.
_ENOUGH = 10
_STEPS = 50


def fit_whole(
    logits: NDArray[np.float64], numbers: NDArray[np.int64], likes: NDArray[np.bool_]
) -> tuple[float, float, float]:
    """Learn the three numbers of held-out logits (n,) of pictures, `numbers` (n,) their candidates'
    places and `likes` (candidates,) what was said of them."""
    seen = ~np.isnan(logits)
    logits, numbers = logits[seen], numbers[seen]
    size = np.bincount(numbers, minlength=len(likes))
    if int((size > 1).sum()) < _ENOUGH:
        return PLAIN_WHOLE
    asked = size > 0
    mean, most = summaries(logits, numbers, len(likes))
    table = np.stack([mean[asked], most[asked], np.ones(int(asked.sum()))], axis=1)
    y = likes[asked].astype(np.float64)
    plain, precision = np.array(PLAIN_WHOLE), 1 / np.square(_SPREADS)
    found = plain.copy()
    for _ in range(_STEPS):  # Newton; the loss is convex
        chances = 1 / (1 + np.exp(-np.clip(table @ found, -30, 30)))
        slope = table.T @ (chances - y) + precision * (found - plain)
        bend = (table * (chances * (1 - chances))[:, None]).T @ table + np.diag(precision)
        step = np.linalg.solve(bend, slope)
        step *= min(1.0, 1.0 / max(float(np.abs(step).max()), 1e-12))
        found = found - step
        if np.abs(step).max() < 1e-8:
            break
    by_mean, by_most, bias = np.round(found, 6).tolist()
    return by_mean, by_most, bias
