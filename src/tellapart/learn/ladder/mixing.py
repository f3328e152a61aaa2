"""Several models' answers as one: a weighted mean of logits, weights chosen on unseen rows.

Logits are known up to a constant a row, which softmax does not see; so the logarithms of
calibrated probabilities do as well. The mean of linear heads' logits is a linear head on their
features side by side, so that a mixture is one model of the same kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellapart.learn.calibration import fit_temperature, softmax

_LEAST = 1e-12
#: Shares tried for a newcomer. A coarse grid: its choice is made on the rows that judge it.
_SHARES = tuple(round(0.1 * step, 1) for step in range(1, 10))


@dataclass(frozen=True)
class Mixture:
    """Factors (k,) of the models' calibrated logits, and the probabilities (n, C) they give."""

    factors: tuple[float, ...]
    probabilities: NDArray[np.float64]
    log_loss: float


def mix(
    told: Sequence[NDArray[np.float64]], y: NDArray[np.int64], fitted_on: NDArray[np.bool_]
) -> Mixture:
    """Mix two or more tables of probabilities (n, C) of rows that none of the models knew.

    Models join one after the other, each with the share that gives the lowest log loss on the
    rows `fitted_on` (n,), and one temperature for the whole. Rows of NaN stay so.
    """
    logits = [np.log(np.clip(table, _LEAST, 1)) for table in told]
    seen = fitted_on & ~np.isnan(np.stack(told)).any(axis=(0, 2))
    mixed, factors = logits[0], [1.0]
    for newcomer in logits[1:]:
        share = min(_SHARES, key=lambda s: _scaled((1 - s) * mixed + s * newcomer, y, seen)[1])
        mixed = (1 - share) * mixed + share * newcomer
        factors = [factor * (1 - share) for factor in factors] + [share]
    temperature, loss = _scaled(mixed, y, seen)
    with np.errstate(invalid="ignore"):
        return Mixture(
            tuple(factor / temperature for factor in factors), softmax(mixed / temperature), loss
        )


def _scaled(
    logits: NDArray[np.float64], y: NDArray[np.int64], seen: NDArray[np.bool_]
) -> tuple[float, float]:
    """The best temperature on the rows `seen`, and the log loss at it."""
    if not seen.any():
        return 1.0, 0.0
    temperature = fit_temperature(logits[seen], y[seen])
    chances = softmax(logits[seen] / temperature)
    own = chances[np.arange(int(seen.sum())), y[seen]]
    return temperature, float(-np.log(np.clip(own, _LEAST, 1)).mean())
