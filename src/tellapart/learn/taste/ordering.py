"""What to label next, so that few labels teach most.

Before there is a head: candidates that stand for as many others as possible and not for those
that stood already (facility location; Nemhauser, Wolsey, Fisher 1978). With a head the same, but
others count by how unsure the head is of them: unsure ones that many unsure ones look like come
first. Some are drawn by chance: only those say, without favour, how good the head is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tellapart.learn.taste.heads import Taste
from tellapart.learn.taste.rows import Labelled, Pool

#: One in so many is drawn by chance.
EVERY = 5
#: Candidates compared with each other; more are thinned out by chance first.
MOST = 2_000

Reason = Literal["stands for many", "unsure", "by chance"]


@dataclass(frozen=True)
class Pick:
    """A candidate to label next, and why it."""

    candidate: str
    why: Reason
    #: P(like) by the head at hand; None: there is none.
    score: float | None

    @property
    def by_chance(self) -> bool:
        """Keep it with the label: `Labelled.by_chance`, and feedback held back for the gate."""
        return self.why == "by chance"


def order(
    pool: Pool,
    labelled: Labelled | None,
    taste: Taste | None,
    count: int = 10,
    *,
    chance: int = EVERY,
    seed: int = 0,
) -> list[Pick]:
    """Choose the next `count` candidates of `pool` to label, first one first.

    `labelled`: what was labelled so far (None: nothing); its candidates are not asked again.
    `taste`: the head fitted to it. One in `chance` is drawn by chance (0: none). The same
    arguments give the same order.
    """
    raise NotImplementedError
