"""Time as a promise: how much there is, what is left, and what still fits into it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

#: Seconds where the recipe names no budget.
DEFAULTS: Mapping[str, float] = {"good": 600.0, "best": 7200.0}
#: A rung is begun where its estimate times this fits: estimates err to both sides.
_MARGIN = 1.15


def seconds_of(asked: object, effort: str) -> float:
    """Seconds of a recipe's `budget`: a number, or `auto` for what the effort stands for."""
    if isinstance(asked, int | float) and not isinstance(asked, bool):
        return float(asked)
    return DEFAULTS.get(effort, DEFAULTS["good"])


@dataclass(frozen=True)
class Budget:
    """The time of one command, of which the steps after training keep a share.

    Seconds on `clock` (`time.monotonic`).
    """

    #: For the whole command.
    seconds: float
    #: When it began, or earlier by what earlier, interrupted commands have spent.
    start: float
    #: What evaluate, compile and package will need.
    reserve: float = 0.0
    #: Asked for by name: it is then used up, where there is anything to use it for.
    explicit: bool = False
    #: What a later part of the training is to have.
    held: float = 0.0
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)

    @property
    def deadline(self) -> float:
        """When training has to be over, or as much of it as may have time now."""
        return self.start + self.seconds - self.reserve - self.held

    @property
    def left(self) -> float:
        """Seconds left for training, never below 0."""
        return max(0.0, self.deadline - self.clock())

    @property
    def spent(self) -> float:
        """Seconds since the start."""
        return max(0.0, self.clock() - self.start)

    def fits(self, estimate: float) -> bool:
        """Whether something of `estimate` seconds may be begun."""
        return estimate * _MARGIN <= self.left

    def with_reserve(self, reserve: float) -> Budget:
        """The same time with another share kept for the steps after training."""
        return replace(self, reserve=reserve)

    def holding(self, seconds: float) -> Budget:
        """The same time with `seconds` put aside for a later part of the training."""
        return replace(self, held=seconds)
