"""How the learning rate moves through a stage. Needs no torch."""

from __future__ import annotations

import math
from itertools import accumulate

from tellapart.learn.deep.tuning.plan import Stage

#: Shares of `one_cycle`: of the stage that warms up, and of the peak rate at both ends.
_WARM, _FIRST, _LAST = 0.25, 0.04, 0.001


def factor(stage: Stage, progress: float) -> float:
    """The learning rate as a share of its peak, at `progress` (0 … 1) of the stage.

    `one_cycle`: Smith and Topin 2017, "Super-convergence", with cosines on both sides. `cosine`
    and cycles: Loshchilov and Hutter 2017, "SGDR", down to 0 in each cycle.
    """
    progress = min(max(progress, 0.0), 1.0)
    if stage.cycles is not None:
        return _cosine(_within_cycle(stage.lengths, progress))
    if stage.schedule == "constant":
        return 1.0
    if stage.schedule == "cosine":
        return _cosine(progress)
    if progress < _WARM:
        return _FIRST + (1 - _FIRST) * (1 - _cosine(progress / _WARM))
    return _LAST + (1 - _LAST) * _cosine((progress - _WARM) / (1 - _WARM))


def _cosine(progress: float) -> float:
    """From 1 down to 0."""
    return 0.5 * (1 + math.cos(math.pi * progress))


def _within_cycle(lengths: tuple[int, ...], progress: float) -> float:
    """How far the cycle at hand is."""
    at = progress * sum(lengths)
    for end, length in zip(accumulate(lengths), lengths, strict=True):
        if at < end - 1e-9:
            return max(0.0, 1 - (end - at) / length)
    return 1.0
