"""May a new head replace the one that acts? Only if it is better on what it never saw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from tellapart.learn.taste.heads import Taste
from tellapart.learn.taste.rows import Labelled

#: Candidates held back before which nothing is decided.
LEAST = 30
#: Chance that a head no better than the old one goes live.
LEVEL = 0.05

State = Literal["live", "shadow", "refused"]


@dataclass(frozen=True)
class Comparison:
    """Two heads on the same candidates, none of which either learned from."""

    #: Candidates; how many each decides as the person did.
    n: int
    champion: int
    challenger: int
    #: Candidates that only one of them decides right.
    won: int
    lost: int

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "n": self.n,
            "champion": self.champion,
            "challenger": self.challenger,
            "won": self.won,
            "lost": self.lost,
        }


@dataclass(frozen=True)
class Verdict:
    """What becomes of a challenger, by which test, and why."""

    state: State
    #: One sentence for a person.
    why: str
    #: Name of the test, what p had to be at most, and p; None: not asked.
    test: str
    level: float
    p: float | None
    #: Held-back candidates.
    n: int
    frozen: Comparison
    held_back: Comparison

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "state": self.state,
            "why": self.why,
            "test": self.test,
            "level": self.level,
            "p": None if self.p is None else round(self.p, 6),
            "n": self.n,
            "frozen": self.frozen.to_dict(),
            "held_back": self.held_back.to_dict(),
        }


def gate(
    champion: Taste | None,
    challenger: Taste,
    frozen: Labelled,
    held_back: Labelled,
    *,
    rule: str = "learned",
    threshold: float = 0.4,
) -> Verdict:
    """Decide whether `challenger` goes live in place of `champion` (None: what always passes).

    `frozen`: the deck's frozen test candidates. `held_back`: feedback that was never trained on,
    drawn without regard to whether the champion was right (`Pick.by_chance`). Neither head may
    have seen a candidate of either. `rule` and `threshold` are the deck's.
    """
    raise NotImplementedError
