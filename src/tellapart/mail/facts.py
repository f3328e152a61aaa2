"""What a mail tells: plain values, gathered by whoever sends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """What the model says of the test picture."""

    #: The class; empty where the model says "none of these".
    label: str
    #: Probability of the class (of the best one, for "none of these"), 0 to 1.
    probability: float
    #: Why there is none: the picture could not be fetched or read. Empty: there is one.
    problem: str = ""


@dataclass(frozen=True)
class Link:
    """A signed address."""

    #: What it leads to, such as "The model (one zip that runs by itself)".
    title: str
    url: str
    #: Bytes; None where that is not known.
    size: int | None = None


@dataclass(frozen=True)
class Success:
    """A run that ended with a model."""

    project: str
    version: int
    classes: Sequence[str]
    #: On pictures that took no part in training; None where there were too few to tell.
    accuracy: float | None
    #: Its 95 % interval.
    interval: tuple[float, float] | None
    #: Accuracy of always saying the most frequent class, on the same pictures.
    baseline: float | None
    #: Pictures it was measured on.
    tested: int
    kept: int
    set_aside: int
    #: What was counted: `pictures`, `rows`, `samples`.
    counted: str = "pictures"
    verdict: Verdict | None = None
    links: Sequence[Link] = ()
    #: Until when the links work, such as "28 November 2026, 20:30 UTC".
    links_end: str = ""
    #: Where the run can be looked at; empty: nowhere.
    page: str = ""
    #: Whether the bundle goes along as an attachment.
    attached: bool = False
    #: What the report warns of, such as too few pictures of a class.
    notes: Sequence[str] = ()

    @property
    def better(self) -> bool:
        """Whether it is better than always naming the most frequent class, beyond chance."""
        if self.accuracy is None or self.baseline is None or self.interval is None:
            return self.accuracy is not None
        return self.interval[0] > self.baseline


@dataclass(frozen=True)
class Failure:
    """A run that ended without a model: the error's three parts."""

    project: str
    classes: Sequence[str]
    #: The step that failed, such as "collect".
    step: str
    what: str
    expected: str
    do: str
    page: str = ""
