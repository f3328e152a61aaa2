"""The head's objective on any part of its rows, solved as closely as asked for.

`head.fit` solves once, well enough for answers. Here the same objective is solved over and over:
on parts of the rows for a learning curve, without one row for its influence. The rows are turned
into their principal axes once; there, with each axis scaled by about its curvature, L-BFGS needs
a tenth of the steps (a diagonal preconditioner: Nocedal and Wright, Numerical Optimization, 2nd
ed., chapter 5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tellapart.learn.head import Balance

#: A class without a row is never the answer.
_UNREACHABLE = -1e3
#: What p (1 - p) is on average, about: it only shapes the steps, not where they end.
_CURVATURE = 0.08
#: More axes than these are not turned into principal ones: the turning would cost more than it
#: saves.
_MOST_AXES = 2500


@dataclass(frozen=True)
class Solution:
    """Uncalibrated logits are `rows @ weight.T + bias`, over the turned rows of a `Refitter`."""

    #: (C, r) and (C,).
    weight: NDArray[Any]
    bias: NDArray[Any]
    #: Of L-BFGS.
    steps: int


class Refitter:
    """One set of rows, of which any part can be fitted to.

    `features` (n, D) raw, `y` (n,) class numbers below `n_classes`. `weights` (n,): how much each
    row counts; None: all alike. `dtype` float32 is twice as fast and good for a gradient of about
    1e-5; float64 for 1e-9. The last bits depend on BLAS threads: call under
    `threadpool_limits(1)`.
    """

    def __init__(
        self,
        features: ArrayLike,
        y: ArrayLike,
        *,
        n_classes: int,
        class_weight: Balance = "balanced",
        weights: ArrayLike | None = None,
        dtype: type = np.float64,
    ) -> None:
        self.y = np.asarray(y, np.int64)
        self._counts = None if weights is None else np.asarray(weights, np.float64)
        self.n_classes, self._balanced = n_classes, class_weight == "balanced"
        given: NDArray[Any] = np.asarray(features, dtype)
        self.center = given.mean(axis=0)
        centered = given - self.center
        self.scale = float(np.sqrt(np.einsum("ij,ij->i", centered, centered).mean())) or 1.0
        centered /= dtype(self.scale)
        #: (D, r) orthonormal columns: turned = centered / scale @ axes.
        self.axes = _axes(centered)
        #: (n, r): all inner products of the rows are kept.
        self.rows = centered if self.axes is None else np.ascontiguousarray(centered @ self.axes)
        self._spread = np.einsum("ij,ij->j", self.rows, self.rows) / max(1, len(given))

    def turn(self, features: ArrayLike) -> NDArray[Any]:
        """Raw features (m, D) as `solve` sees rows: (m, r)."""
        rows = (np.asarray(features, self.rows.dtype) - self.center) / self.scale
        return np.asarray(rows if self.axes is None else rows @ self.axes)

    def start(self, weight: ArrayLike, bias: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
        """Uncalibrated weights (C, D) and biases (C,) over raw features, as `solve` starts."""
        raw = np.asarray(weight, np.float64)
        turned = raw * self.scale if self.axes is None else raw @ self.axes * self.scale
        moved = np.asarray(bias, np.float64) + raw @ self.center.astype(np.float64)
        return turned, moved - moved.mean()

    def solve(
        self,
        chosen: NDArray[np.int64],
        C: float,  # noqa: N803 - the field's name for it
        *,
        start: tuple[NDArray[Any], NDArray[Any]] | None = None,
        tolerance: float = 1e-5,
        most_steps: int = 2000,
    ) -> Solution:
        """The optimum on the rows numbered `chosen`, as `head.fit` with this `C` defines it.

        Centre, scale and class weights are those of the chosen rows. `tolerance`: on the largest
        entry of the gradient of the mean loss, in the turned axes.
        """
        from scipy.optimize import minimize

        rows, labels = self.rows[chosen], self.y[chosen]
        present, numbers, counts = np.unique(labels, return_inverse=True, return_counts=True)
        n, k, r = len(rows), len(present), rows.shape[1]
        each = n / (k * counts) if self._balanced else np.ones(k)
        weights = each[numbers].astype(rows.dtype)
        if self._counts is not None:
            counted = weights * self._counts[chosen]
            weights = (counted * (n / counted.sum())).astype(rows.dtype)
        middle = rows.mean(axis=0, dtype=np.float64)
        size = np.einsum("ij,ij->i", rows, rows).mean(dtype=np.float64) - float(middle @ middle)
        # scikit-learn fits two classes by their difference, which doubles the penalty on each.
        penalty = (size or 1.0) / (C * n) * (2 if k == 2 else 1)
        unit = 1 / np.sqrt(_CURVATURE * self._spread + penalty)
        base = 1 / np.sqrt(_CURVATURE)
        hot = np.arange(n), numbers
        buffer = np.empty((n, k), rows.dtype)

        def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            table = flat.reshape(k, r + 1)
            turned = table[:, :r] * unit
            np.matmul(rows, turned.T.astype(rows.dtype), out=buffer)
            buffer[...] += (table[:, r] * base).astype(rows.dtype)
            top = buffer.max(axis=1, keepdims=True)
            chances = np.exp(buffer - top)
            total = chances.sum(axis=1, keepdims=True)
            own = np.log(total[:, 0]) - (buffer[hot] - top[:, 0])
            chances /= total
            chances[hot] -= 1
            chances *= weights[:, None]
            slope = np.empty_like(table)
            slope[:, :r] = (chances.T @ rows / n + penalty * turned) * unit
            slope[:, r] = chances.sum(axis=0, dtype=np.float64) / n * base
            value = float((own * weights).sum(dtype=np.float64)) / n
            return value + penalty / 2 * float((turned * turned).sum()), slope.ravel()

        first = np.zeros((k, r + 1))
        if start is not None:
            first[:, :r], first[:, r] = start[0][present] / unit, start[1][present] / base
        found = minimize(
            loss,
            first.ravel(),
            jac=True,
            method="L-BFGS-B",
            options={"gtol": tolerance, "ftol": 0.0, "maxiter": most_steps, "maxcor": 12},
        )
        table = found.x.reshape(k, r + 1)
        weight = np.zeros((self.n_classes, r))
        bias = np.full(self.n_classes, _UNREACHABLE)
        weight[present], bias[present] = table[:, :r] * unit, table[:, r] * base
        return Solution(weight, bias, int(found.nit))

    def logits(self, solution: Solution, chosen: NDArray[np.int64]) -> NDArray[np.float64]:
        """Uncalibrated logits (m, C) of the rows numbered `chosen`."""
        weight = solution.weight.T.astype(self.rows.dtype)
        return np.asarray(self.rows[chosen] @ weight + solution.bias, np.float64)


def _axes(centered: NDArray[Any]) -> NDArray[Any] | None:
    """The principal axes (D, r) that rows (n, D) span; None where they are left as they are."""
    n, dim = centered.shape
    if min(n, dim) > _MOST_AXES:
        return None
    if dim <= n:
        return np.asarray(np.linalg.eigh(centered.T @ centered)[1][:, ::-1])
    values, vectors = np.linalg.eigh(centered @ centered.T)
    # Centering takes one dimension; the smallest values are rounding errors.
    real = values > values[-1] * 1e-6
    return np.asarray(centered.T @ (vectors[:, real] / np.sqrt(values[real])))[:, ::-1]
