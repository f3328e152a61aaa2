"""A picture data set in memory, and who watches it being loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

#: Told how far loading is: (done, total or None where that is not known, a word).
Watch = Callable[[int, int | None, str], None]


def silent(done: int, total: int | None, word: str) -> None:
    """Nobody watches."""


@dataclass(frozen=True)
class Arrays:
    """A picture data set in memory."""

    #: uint8, shape (n, height, width, channels); 0 is black.
    x: NDArray[np.uint8]
    #: int64, shape (n,): places in `classes`.
    y: NDArray[np.int64]
    classes: tuple[str, ...]
    #: (n,): `train`, `test`, or empty where the data set brings no split.
    official: NDArray[np.str_]
    #: SHA-256 (hex) over shape, pixels, labels and official split: the same wherever it lay.
    sha256: str
    #: Where it came from, in words.
    origin: str = ""
    notes: tuple[str, ...] = field(default=())
