"""The report's section on why: what single answers rest on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tellapart.report.data import Shot


@dataclass(frozen=True)
class Voice:
    """A training picture that speaks for an answer or against it."""

    shot: Shot
    #: The probability of the answer, had this picture not been trained on.
    without: float


@dataclass(frozen=True)
class Reason:
    """A test picture and what its answer rests on."""

    shot: Shot
    answer: str
    probability: float
    #: A `data:` URI of the picture with what speaks for the answer glowing; empty where it may
    #: not be passed on.
    heat: str
    pro: Sequence[Voice] = ()
    against: Sequence[Voice] = ()

    @property
    def is_right(self) -> bool:
        return self.answer == self.shot.label

    @property
    def shots(self) -> list[Shot]:
        """Every picture that it has a place for."""
        return [self.shot, *(voice.shot for voice in (*self.pro, *self.against))]


@dataclass(frozen=True)
class Reasons:
    """Single answers explained, wrong ones first."""

    found: Sequence[Reason]
    #: What a person should know of how it was found, in whole sentences.
    notes: Sequence[str] = ()
