"""Has the stream changed? Which candidates look like nothing the head was taught with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.learn.taste.rows import Labelled, Pool

#: Share of candidates like those labelled that may be called new-looking all the same.
SHARE = 0.05
#: On the test of drift.
LEVEL = 0.01


@dataclass(frozen=True)
class Novelty:
    """How like the labelled candidates a stream's are."""

    #: The stream's candidates, how like the labelled ones each looks (-1 … 1), and whether it is
    #: new-looking.
    candidates: NDArray[np.str_]
    familiarity: NDArray[np.float64]
    new: NDArray[np.bool_]
    #: New-looking candidates to label, the one that stands for most of them first.
    to_label: tuple[str, ...]
    #: Whether more look new than chance explains; the test, its level and p.
    drift: bool
    test: str
    level: float
    p: float | None
    why: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, without the candidates."""
        return {
            "n": len(self.candidates),
            "new": int(self.new.sum()),
            "to_label": list(self.to_label),
            "drift": self.drift,
            "test": self.test,
            "level": self.level,
            "p": None if self.p is None else round(self.p, 6),
            "why": self.why,
        }


def novelty(taught: Labelled, stream: Pool, *, most: int = 20) -> Novelty:
    """Compare a stream's candidates with those a head was taught with.

    `most`: new-looking candidates named for labelling.
    """
    raise NotImplementedError
