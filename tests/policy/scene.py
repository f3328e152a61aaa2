"""Eyes that say what they are told to, and count how often they are asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tellapart.policy import AgeEstimate, Facts, Judged, Standing

NOON = datetime(2025, 3, 4, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Estimate:
    """As an estimate of an age looks from here."""

    clearly_adult: Any


@dataclass
class Told:
    """Eyes that see `scores` (None: that picture fails), and estimates of ages."""

    scores: Sequence[float | None] = ()
    together: float | None = None
    estimates: Sequence[AgeEstimate] | None = None
    #: Raised where the model is asked, after as many pictures.
    error: Exception | None = None
    after: int = 0
    #: Which were asked for: pictures by number, `whole`, `ages`.
    asked: list[Any] = field(default_factory=list)

    def judge(self) -> Iterator[Judged]:
        for number, score in enumerate(self.scores):
            if self.error is not None and number >= self.after:
                raise self.error
            self.asked.append(number)
            yield Judged(number, score, "" if score is not None else "cannot be decoded")
        if self.error is not None:
            raise self.error

    def whole(self, judged: Sequence[Judged]) -> float | None:
        self.asked.append("whole")
        return self.together

    def ages(self) -> Sequence[AgeEstimate] | None:
        self.asked.append("ages")
        return self.estimates

    @property
    def calls(self) -> int:
        """How often the model of taste was asked."""
        return len([one for one in self.asked if one != "ages"])


def person(**known: Any) -> Facts:
    return Facts(**{"name": "Kim", "bio": "Likes long walks.", "age": 30, "pictures": 2, **known})


def standing(**known: Any) -> Standing:
    return Standing(**{"now": NOON, "likes_left": 10, "super_likes_left": 1, **known})
