"""Probabilities that mean what they say: temperature scaling and its measure.

Guo, Pleiss, Sun, Weinberger: On Calibration of Modern Neural Networks (ICML 2017).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: A temperature outside of this range says more about a tiny set than about the model.
_LOWEST, _HIGHEST = 0.05, 20.0


def softmax(logits: ArrayLike) -> NDArray[np.float64]:
    """Turn logits (n, C) into probabilities (n, C) in double precision."""
    values = np.asarray(logits, dtype=np.float64)
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def fit_temperature(logits: ArrayLike, y: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Find the temperature T > 0 that makes softmax(logits / T) fit the labels best.

    `logits` (n, C) must come from models that have not seen their rows. The log loss is convex
    in 1/T, so a golden-section search over log T finds its one minimum. Rows count by `weights`
    (n,). Returns 1.0 for no rows; the answer is rounded to 4 decimals and lies in 0.05 … 20.
    """
    values = np.asarray(logits, dtype=np.float64)
    labels = np.asarray(y, dtype=np.int64)
    if not len(labels):
        return 1.0
    rows = np.ones(len(labels)) if weights is None else np.asarray(weights, dtype=np.float64)

    def loss(log_temperature: float) -> float:
        scaled = values / np.exp(log_temperature)
        top = scaled.max(axis=1)
        norms = top + np.log(np.exp(scaled - top[:, None]).sum(axis=1))
        return float(rows @ (norms - scaled[np.arange(len(labels)), labels]))

    low, high = np.log(_LOWEST), np.log(_HIGHEST)
    ratio = (np.sqrt(5) - 1) / 2
    inner, outer = high - ratio * (high - low), low + ratio * (high - low)
    at_inner, at_outer = loss(inner), loss(outer)
    while high - low > 1e-5:
        if at_inner <= at_outer:
            high, outer, at_outer = outer, inner, at_inner
            inner = high - ratio * (high - low)
            at_inner = loss(inner)
        else:
            low, inner, at_inner = inner, outer, at_outer
            outer = low + ratio * (high - low)
            at_outer = loss(outer)
    return round(float(np.exp((low + high) / 2)), 4)


def ece(probabilities: ArrayLike, y: ArrayLike, *, bins: int = 15) -> float:
    """Expected calibration error: mean gap between confidence and accuracy (Guo et al., eq. 3).

    `probabilities` (n, C), labels `y` (n,); `bins` of equal width over the top probability.
    Returns a share in 0 … 1; 0.0 for no rows.
    """
    values = np.asarray(probabilities, dtype=np.float64)
    labels = np.asarray(y, dtype=np.int64)
    if not len(labels):
        return 0.0
    confidence = values.max(axis=1)
    right = (values.argmax(axis=1) == labels).astype(np.float64)
    places = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    gaps = np.abs(np.bincount(places, weights=right - confidence, minlength=bins))
    return float(gaps.sum() / len(labels))
