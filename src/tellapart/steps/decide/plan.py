"""What one turn works with, and the words it is told in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from tellapart.decks.base import Erased
from tellapart.decks.shapes import DeckRow
from tellapart.decks.stream import Offered, Seen
from tellapart.doors import Candidate
from tellapart.errors import ServiceError, TellapartError, WorkerError
from tellapart.forgetting.refusals import Refusals, named
from tellapart.policy import Facts, Policy
from tellapart.settings import Settings
from tellapart.steps.decide.eyes import AgeModel
from tellapart.steps.decide.tasting import Judge

#: Candidates asked for at a time; a turn's candidates and seconds at most; seconds that a source
#: may take to give candidates, and to give a picture.
BATCH, MOST, TURN_S, NEXT_S, PICTURE_S = 20, 500, 240.0, 90.0, 60.0
#: Seconds between two signs of life.
RENEW_S = 10.0


@dataclass(frozen=True)
class Plan:
    """What one turn works with."""

    #: The owner's.
    settings: Settings
    engine: sa.Engine
    deck: DeckRow
    folder: Path
    turn: str
    #: As which it holds the deck: another one for every time that a turn is begun.
    holder: str
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    confirmed: bool = False
    limit: int | None = None
    seconds: float = TURN_S
    #: Made on first use: a turn that rules alone decide loads no model.
    judge: Callable[[], Judge] = field(default=lambda: _nobody())
    ages: Callable[[], AgeModel | None] = lambda: None
    #: The id of the head that `judge` gives, known without loading anything.
    head: str = ""
    cancelled: Callable[[], bool] = lambda: False
    progress: Callable[[int], None] = lambda judged: None


def never_again(refusals: Refusals, source: str, gone: Erased) -> None:
    """Refuse from now on who was acted upon and is kept no more: nobody is acted upon twice."""
    if gone.acted:
        refusals.add("candidate", [named(source, ref) for ref in gone.acted])


def day_of(policy: Policy, at: datetime) -> str:
    """The day that a moment is part of, in the policy's own time zone: `2026-01-31`."""
    return f"{at.astimezone(ZoneInfo(policy.quiet.timezone)):%Y-%m-%d}"


def facts_of(seen: Seen) -> Facts:
    """What a candidate says of itself, as a policy takes it."""
    return Facts(
        name=seen.name,
        bio=seen.bio,
        age=seen.age,
        distance_km=seen.distance_km,
        pictures=len(seen.pictures),
        fields=seen.fields,
    )


def declared(candidate: Candidate) -> Facts:
    return Facts(age=candidate.age)


def offered(candidate: Candidate) -> Offered:
    return Offered(
        ref=candidate.ref,
        name=candidate.name,
        bio=candidate.bio,
        age=candidate.age,
        distance_km=candidate.distance_km,
        fields=candidate.fields,
        url=candidate.url,
        pictures=tuple(
            (one.file_url, str(one.path) if one.path else "") for one in candidate.pictures
        ),
    )


def shape_of(error: TellapartError) -> dict[str, Any]:
    shape: dict[str, Any] = error.to_dict()["error"]
    return shape


def unforeseen(error: Exception) -> TellapartError:
    """What a person is told of a failure that no door knows: its type only.

    A stranger's text may hold what a candidate said, or a secret, and what is told is kept.
    """
    if isinstance(error, TimeoutError):
        return ServiceError(
            "The deck's source gave no answer in time.",
            expected=f"an answer within {NEXT_S:.0f} s",
            do="Nothing: the next turn asks again. If it goes on, look at the service.",
            reason="timeout",
        )
    return WorkerError(
        f"The deck's source failed: {type(error).__name__}.",
        expected="candidates, or an error of the door's own kinds",
        do="Report it to whoever wrote the source.",
    )


def _nobody() -> Judge:
    raise RuntimeError("a turn without a judge")
