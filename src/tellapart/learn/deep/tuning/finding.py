"""The search for a learning rate: rates that grow with every batch, and the loss they give.

Source: Smith 2017, "Cyclical learning rates for training neural networks" (the range test).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tellapart.learn.deep import optimizers

#: Batches of a search at most, and where there is little time; rates go from a thousandth to a
#: thousandfold of the optimizer's own.
STEPS, FEWEST = 60, 24
_RANGE = 1e3
#: The search ends where the smoothed loss is so many times its lowest.
_DIVERGED = 3.0
#: Width of the smoothing, in batches.
_WIDTH = 3.0


def rate(optimizer: str, step: int, steps: int = STEPS) -> float:
    """The learning rate of batch `step` (from 0) of a search of `steps`."""
    own = optimizers.default_rate(optimizer)
    return float(own / _RANGE * (_RANGE**2) ** (step / (steps - 1)))


def smooth(losses: Sequence[float]) -> np.ndarray:
    """The losses seen through a Gaussian window, which unlike a running mean lags nowhere."""
    values = np.asarray(losses, np.float64)
    places = np.arange(len(values))
    kernel = np.exp(-0.5 * ((places[:, None] - places) / _WIDTH) ** 2)
    return np.asarray(kernel @ values / kernel.sum(1))


def over(losses: Sequence[float], steps: int = STEPS) -> bool:
    """Whether the search has seen enough: all batches, or a loss that runs away."""
    if len(losses) >= steps or not math.isfinite(losses[-1]):
        return True
    if len(losses) < 10:
        return False
    recent = float(np.mean(losses[-3:]))
    return recent > _DIVERGED * float(smooth(losses).min())


def chosen(points: Sequence[tuple[float, float]], optimizer: str) -> float:
    """The rate at which the loss falls fastest, at most a tenth of that where it is lowest.

    A tenth of the optimizer's own rate where it falls nowhere. Two significant digits.
    """
    known = [(r, loss) for r, loss in points if math.isfinite(loss)]
    if len(known) >= 10:
        curve = smooth([loss for _, loss in known])
        lowest = int(curve.argmin())
        slopes = np.gradient(curve)[: lowest + 1]
        if lowest >= 3 and slopes.min() < 0 and curve[lowest] < 0.98 * curve[0]:
            found = min(known[int(slopes.argmin())][0], known[lowest][0] / 10)
            return float(f"{found:.1e}")
    return optimizers.default_rate(optimizer) / 10
