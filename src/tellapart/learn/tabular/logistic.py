"""Logistic regression on the columns of a table: filled, scaled, regularized."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellapart.learn.tabular.boosting import ABSENT

#: Inverse strengths of the L2 penalty on scaled columns, weakest model first.
STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0)
#: Scaled values beyond count as this: a stray figure must not decide alone, nor overflow.
CLIP = 20.0
_ITERATIONS, _TOLERANCE = 2000, 1e-5


@dataclass(frozen=True)
class Scaling:
    """Expanded columns (n, w) as figures of mean 0 and spread 1, with flags for missing ones.

    Single precision throughout, in the order in which the compiled graph computes.
    """

    #: (w,) float32: takes the place of a missing figure, and is subtracted.
    center: NDArray[np.float32]
    #: (w,) float32: standard deviations; 1 for constant columns.
    scale: NDArray[np.float32]
    #: Expanded columns with missing figures: each gets a column more, 1 where it is missing.
    flagged: tuple[int, ...]

    def apply(self, expanded: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scaled rows (n, w + flags), without NaN."""
        missing = np.isnan(expanded)
        filled = np.where(missing, self.center, expanded)
        with np.errstate(over="ignore"):
            scaled = np.clip((filled - self.center) / self.scale, -CLIP, CLIP)
        flags = missing[:, list(self.flagged)].astype(np.float32)
        return np.concatenate([scaled, flags], axis=1).astype(np.float32)


@dataclass(frozen=True)
class Logistic:
    """`scaling.apply(expanded) @ weight.T + bias` are logits."""

    scaling: Scaling
    #: (C, w + flags) and (C,).
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    C: float

    def logits(self, expanded: NDArray[np.float32]) -> NDArray[np.float64]:
        """Logits (n, C) of expanded rows (n, w)."""
        rows = self.scaling.apply(expanded).astype(np.float64)
        return np.asarray(rows @ self.weight.T.astype(np.float64) + self.bias)


def scaling(expanded: NDArray[np.float32]) -> Scaling:
    """Learn centers, scales and flags from expanded training rows (n, w)."""
    values = expanded.astype(np.float64)
    known = ~np.isnan(values)
    counts = np.maximum(known.sum(axis=0), 1)
    center = (np.where(known, values, 0).sum(axis=0) / counts).astype(np.float32)
    away = np.where(known, values - center, 0)
    spread = np.sqrt((away**2).sum(axis=0) / counts)
    # Rounding alone gives a constant column a spread: it must not be blown up.
    least = np.maximum(np.abs(center) * np.finfo(np.float32).eps, np.finfo(np.float32).tiny)
    scale = np.where(spread > least, spread, 1.0).astype(np.float32)
    return Scaling(center, scale, tuple(np.flatnonzero(~known.all(axis=0)).tolist()))


def path(
    expanded: NDArray[np.float32],
    y: NDArray[np.int64],
    n_classes: int,
    strengths: tuple[float, ...] = STRENGTHS,
) -> Iterator[Logistic]:
    """A model for each strength, weakest first, each going on from the one before.

    Classes without a row get logits far below the others. `y` holds two classes or more.
    """
    from sklearn.linear_model import LogisticRegression

    prepared = scaling(expanded)
    rows = prepared.apply(expanded).astype(np.float64)
    present = np.unique(y)
    model = LogisticRegression(tol=_TOLERANCE, max_iter=_ITERATIONS, warm_start=True)
    for strength in strengths:
        model.set_params(C=strength).fit(rows, y)
        weight, bias = model.coef_, model.intercept_
        if len(present) == 2:  # scikit-learn keeps the difference of two classes only
            weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
        full, offsets = np.zeros((n_classes, rows.shape[1])), np.full(n_classes, ABSENT)
        full[present], offsets[present] = weight, bias
        yield Logistic(prepared, full.astype(np.float32), offsets.astype(np.float32), strength)
