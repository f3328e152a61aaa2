"""Has the stream changed? Which candidates look like nothing the head was taught with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.learn import familiarity
from tellapart.learn.taste.ordering import looks, representatives
from tellapart.learn.taste.rows import Labelled, Pool

#: Share of candidates like those labelled that may be called new-looking all the same.
SHARE = 0.05
#: On the test of drift.
LEVEL = 0.01
TEST = "exact test of exceedances (beta-binomial), one-sided, by candidate"
#: Nearest labelled candidates that count.
_NEIGHBOURS = 5
#: Labelled candidates before which nothing is new-looking.
LEAST = 20


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

    A candidate is as familiar as the mean cosine with the labelled ones nearest to it; it looks
    new where it is less so than all but `SHARE` of the labelled ones, each held out. More of them
    than `SHARE` by more than chance is drift. `most`: new-looking ones named for labelling.
    """
    from scipy.stats import betabinom

    names = stream.candidates
    rows, known = looks(stream), looks(taught.pool)
    if len(known) < LEAST or not len(names):
        nobody = np.zeros(len(names), bool)
        why = f"{len(known)} labelled candidates, and {LEAST} are needed to tell what is new."
        like = np.full(len(names), np.nan)
        return Novelty(names, like, nobody, (), False, TEST, LEVEL, None, why)
    like = familiarity.score(rows, known, _NEIGHBOURS)
    places = np.arange(len(known))
    own = familiarity.held_out_score(known, places, places, _NEIGHBOURS)
    new = like < familiarity.threshold(own, SHARE)
    # A new one falls below the j-th lowest of n with a chance that is itself drawn: from a beta
    # distribution of j and n + 1 - j (order statistics of what is exchangeable).
    n, j = len(own), max(int(np.floor(SHARE * (len(own) + 1) + 1e-9)), 1)
    count, expected = int(new.sum()), j / (n + 1)
    p = float(betabinom.sf(count - 1, len(names), j, n + 1 - j))
    told = [str(names[at]) for at in representatives(rows, np.flatnonzero(new), known, most)]
    drift = p <= LEVEL
    why = (
        f"{count} of {len(names)} candidates look like nothing that was labelled; about "
        f"{expected * len(names):.0f} would by chance (p = {p:.2g})."
    )
    return Novelty(names, like, new, tuple(told), drift, TEST, LEVEL, p, why)
