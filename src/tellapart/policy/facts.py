"""What goes into a decision and what comes out of one.

Facts are what a candidate says of itself, the standing is what the deck has done so far, eyes are
asked for scores only where no rule decides. Nothing here reads or writes anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

Action = Literal["like", "pass", "super_like", "stop", "leave"]
#: Actions that are sent to the service; `stop` ends the turn, `leave` sends nothing.
ACTS: frozenset[Action] = frozenset({"like", "pass", "super_like"})


@dataclass(frozen=True)
class Facts:
    """What is known of a candidate before any picture is looked at."""

    name: str = ""
    bio: str = ""
    #: Declared age in full years; None where none was declared or it cannot be relied on.
    age: int | None = None
    distance_km: float | None = None
    #: How many pictures there are.
    pictures: int = 0
    #: Whatever else the source tells, by name; veto rules look here.
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Standing:
    """What the deck has done so far."""

    #: With its time zone; without one it is taken for UTC.
    now: datetime
    #: As the service last said; None: it does not say.
    likes_left: int | None = None
    super_likes_left: int | None = None
    #: Acts (likes, super likes and passes) in this session, and today.
    session: int = 0
    today: int = 0


@dataclass(frozen=True)
class Judged:
    """What the model says of one picture: the probability of a like, or what went wrong."""

    #: Place of the picture, from 0.
    picture: int
    score: float | None
    problem: str = ""


@dataclass(frozen=True)
class Decision:
    """What is to be done with a candidate, the rule that said so, and why in one sentence."""

    action: Action
    #: One of `texts.RULES`.
    rule: str
    #: Tells of the policy, never of an age, a sex or a distance: it may be kept for long.
    reason: str
    #: The picture that decided, from 0.
    picture: int | None = None
    score: float | None = None
    #: A person has to decide.
    person: bool = False
    #: The model would have passed; liked by chance, to learn from it.
    explored: bool = False

    @property
    def kept(self) -> bool:
        """Whether anything of the candidate may be kept; if not, it is only counted."""
        return self.rule != "adult"


class AgeEstimate(Protocol):
    """An estimate of one face's age that knows its own error."""

    @property
    def clearly_adult(self) -> bool:
        """Whether the estimate lies above 18 by more than its error. It may refuse, never admit."""
        ...


class Eyes(Protocol):
    """Looks at one candidate's pictures, and only when asked."""

    def judge(self) -> Iterable[Judged]:
        """The model's word on the pictures, one at a time: who has seen enough stops asking."""
        ...

    def whole(self, judged: Sequence[Judged]) -> float | None:
        """The learned score of all pictures together; None where there is none."""
        ...

    def ages(self) -> Sequence[AgeEstimate] | None:
        """An estimate for every face in every picture; None: no age model is at hand."""
        ...
