"""How good a head is by now, what the order saved, and when to stop labelling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tellapart.learn.taste.heads import Taste
from tellapart.learn.taste.rows import Labelled, Pool

#: Labelled candidates before which nothing is said about stopping.
LEAST = 30


@dataclass(frozen=True)
class Progress:
    """What a page shows while a person labels."""

    #: Candidates labelled.
    labels: int
    #: Share of the stream that the head decides as the person would, with its 90 % interval;
    #: None before there is a head.
    accuracy: float | None
    low: float | None
    high: float | None
    #: Labels in random order that would have taught as much, less those given; None: not known.
    saved: int | None
    #: Whether more labels would change next to nothing, and why or why not, in one sentence.
    stop: bool
    why: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "labels": self.labels,
            "accuracy": self.accuracy,
            "low": self.low,
            "high": self.high,
            "saved": self.saved,
            "stop": self.stop,
            "why": self.why,
        }


def progress(
    pool: Pool,
    labelled: Labelled | None,
    taste: Taste | None,
    *,
    threshold: float = 0.4,
    seed: int = 0,
) -> Progress:
    """Estimate how far labelling has come.

    `pool`: unlabelled candidates of the stream; `labelled` in the order of labelling, with what
    was drawn by chance marked; `taste` the head fitted to it. Takes some tenths of a second.
    """
    raise NotImplementedError
