"""Whether two computations of the same model agree: what every proof of a format rests on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tellapart.bundle.manifest import TOLERANCE
from tellapart.errors import VerificationError


def compare(
    who: str,
    found: NDArray[np.float32],
    expected: NDArray[np.float32],
    ids: Sequence[str],
    classes: Sequence[str],
) -> float:
    """The largest difference of two (n, C) arrays of probabilities.

    The top class must be the same for all samples (two classes that are equally likely within
    the tolerance count as one) and no probability more than 1e-3 away. Raises
    `VerificationError` that names `who` and the worst sample.
    """
    if found.shape != expected.shape:
        raise _differs(who, f"gives {found.shape} probabilities, not {expected.shape}")
    wanted = expected.astype(np.float64)
    away = np.abs(found - wanted).max(axis=1)
    row = int(np.argmax(np.where(np.isfinite(away), away, np.inf)))
    if not away[row] <= TOLERANCE:
        raise _differs(who, f"is {away[row]:.2g} away on the sample {ids[row]!r}")
    tops = found.argmax(axis=1)
    lost = wanted.max(axis=1) - wanted[np.arange(len(tops)), tops]
    row = int(np.argmax(lost))
    if lost[row] > TOLERANCE:
        ours, theirs = classes[int(wanted[row].argmax())], classes[int(tops[row])]
        raise _differs(who, f"calls the sample {ids[row]!r} {theirs!r} instead of {ours!r}")
    return float(away.max())


def _differs(who: str, what: str) -> VerificationError:
    return VerificationError(
        f"The compiled model does not answer as the trained one: {who} {what}.",
        expected=f"the same top class, and probabilities within {TOLERANCE:g}",
        do="Run `tellapart doctor`; if the engines are sound, report it. It was not written.",
    )
