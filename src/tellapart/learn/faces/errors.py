"""How far estimated ages are off: found on faces whose ages are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tellapart.errors import DataError
from tellapart.learn.faces.age_sex import Errors

_FEWEST = 10


def calibrated(said: Sequence[float], ages: Sequence[float], checked: str = "") -> Errors:
    """Bias, slope and error of a model that said `said` of people of these `ages`.

    They hold for people and pictures like these alone: with a slope below 1, also for as many old
    and young ones. Raises `DataError` for fewer than 10.
    """
    if len(said) < _FEWEST or len(said) != len(ages):
        raise DataError(
            f"There are {len(said)} estimates and {len(ages)} ages.",
            expected=f"an age for each estimate, {_FEWEST} of them at least",
            do="Take more portraits of people whose age is known.",
        )
    x, y = np.asarray(said, float), np.asarray(ages, float)
    slope = float(np.cov(x, y)[0, 1] / x.var(ddof=1)) if x.std() > 0 else 1.0
    bias = float(y.mean() - slope * x.mean())
    error = float(np.sqrt(((y - bias - slope * x) ** 2).sum() / (len(x) - 2)))
    return Errors(bias, max(error, 0.1), checked or f"{len(said)} faces", slope)
