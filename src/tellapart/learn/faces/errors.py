"""How far estimated ages are off: found on faces whose ages are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tellapart.errors import DataError
from tellapart.learn.faces.age_sex import Errors

_FEWEST = 10


def calibrated(said: Sequence[float], ages: Sequence[float], checked: str = "") -> Errors:
    """Bias and error of a model that said `said` of people of these `ages`.

    They hold for people and pictures like these. Raises `DataError` for fewer than 10.
    """
    if len(said) < _FEWEST or len(said) != len(ages):
        raise DataError(
            f"There are {len(said)} estimates and {len(ages)} ages.",
            expected=f"an age for each estimate, {_FEWEST} of them at least",
            do="Take more portraits of people whose age is known.",
        )
    off = np.asarray(ages, float) - np.asarray(said, float)
    error = float(off.std(ddof=1))
    return Errors(float(off.mean()), max(error, 0.1), checked or f"{len(said)} faces")
