"""Which candidate is better, and whether the difference is more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.learn.tabular.crossing import Key, Score

#: Two-sided 95 % quantile of the normal distribution.
_Z = 1.959963984540054
#: Two models for one must bring at least this share of rows more: the average is otherwise
#: chosen by chance as often as not, and is bigger and harder to read.
_WORTH_TWO = 0.005


@dataclass(frozen=True)
class Difference:
    """How far a candidate's accuracy lies from the chosen one's, on the same held-out rows."""

    #: Candidate minus chosen, with a 95 % interval; shares of 1.
    accuracy: float
    low: float
    high: float

    @property
    def beyond_noise(self) -> bool:
        """Whether the interval leaves zero out."""
        return not self.low <= 0 <= self.high

    def to_dict(self) -> dict[str, Any]:
        return {**vars(self), "beyond_noise": self.beyond_noise}


@dataclass(frozen=True)
class Candidate:
    """One kind of model, as the comparison saw it."""

    #: For people: `logistic regression`, `gradient boosting`, `average of both`, `network`.
    name: str
    kind: str
    settings: dict[str, Any]
    #: What it is made of: models by key, each with the factor of its logits.
    parts: tuple[tuple[Key, float], ...]
    #: None where nothing could be held out.
    score: Score | None
    #: Of the whole comparison: its candidates share the folds.
    seconds: float = 0.0
    chosen: bool = False
    why: str = ""
    #: None for the chosen one.
    difference: Difference | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, for the outcome's facts."""
        said: dict[str, Any] = {
            "name": self.name,
            "kind": self.kind,
            "settings": self.settings,
            "chosen": self.chosen,
            "why": self.why,
            "seconds": self.seconds,
            "difference": None if self.difference is None else self.difference.to_dict(),
            "cross_validation": None,
        }
        if self.score is not None:
            said["cross_validation"] = {
                "accuracy": self.score.accuracy,
                "log_loss": self.score.log_loss,
                "ece": self.score.ece,
                "temperature": self.score.temperature,
                "n": int((~np.isnan(self.score.hits)).sum()),
            }
        return said


def against(score: Score, chosen: Score, groups: NDArray[np.int64] | None) -> Difference:
    """The difference of two candidates' accuracies over the same rows, each row's own first.

    The interval is the normal one of the mean of paired differences, whole groups counted as
    one where there are `groups` (m,). Folds share training rows, so that it is somewhat too
    narrow (Bengio and Grandvalet, JMLR 5, 2004).
    """
    both = score.hits - chosen.hits
    known = ~np.isnan(both)
    both = both[known]
    if not len(both):
        return Difference(0.0, -1.0, 1.0)
    away = both - both.mean()
    teams = np.arange(len(both)) if groups is None else groups[known]
    sums = np.bincount(np.unique(teams, return_inverse=True)[1], weights=away)
    half = _Z * float(np.sqrt((sums**2).sum())) / len(both)
    mean = float(both.mean())
    return Difference(round(mean, 6), round(mean - half, 6), round(mean + half, 6))


def rank(
    candidates: Sequence[Candidate], groups: NDArray[np.int64] | None
) -> tuple[Candidate, ...]:
    """The same candidates, the best one marked, each with its difference to it and a reason.

    The highest accuracy on held-out rows wins; ties go to the lower log loss, then to the first.
    An average must be half a point better than what it is made of.
    `groups` (m,) are those of the rows that were held out. Without a score the first one wins.
    """
    scored = [one for one in candidates if one.score is not None]
    if not scored:
        first = replace(candidates[0], chosen=True)
        return (replace(first, why=_reason(first, first)), *candidates[1:])
    best = max(scored, key=_worth)
    top = best.score
    assert top is not None
    found = []
    for one in candidates:
        known = one is best or one.score is None
        gap = None if known or one.score is None else against(one.score, top, groups)
        ranked = replace(one, chosen=one is best, difference=gap)
        found.append(replace(ranked, why=_reason(ranked, best)))
    return tuple(found)


def _worth(candidate: Candidate) -> tuple[float, float]:
    assert candidate.score is not None
    handicap = _WORTH_TWO if candidate.kind == "average" else 0.0
    return round(candidate.score.accuracy - handicap, 6), -candidate.score.log_loss


def _reason(candidate: Candidate, best: Candidate) -> str:
    """Why a candidate was chosen or not, in one sentence."""
    own, other = candidate.score, best.score
    if own is None or other is None:
        return "nothing could be held out to compare on"
    if candidate.name == best.name:
        return f"right for {own.accuracy:.1%} of the rows that were held out"
    gap = candidate.difference or against(own, other, None)
    sure = "more than chance" if gap.beyond_noise else "within chance"
    if own.accuracy == other.accuracy:
        return f"as often right as {best.name}" + (
            ", but less sure of it" if own.log_loss > other.log_loss else ", but two models for one"
        )
    if own.accuracy > other.accuracy:
        return f"{gap.accuracy:.1%} ahead of {best.name}: too little for two models instead of one"
    return f"{-gap.accuracy:.1%} behind {best.name} on the same rows: {sure}"
