"""Time as a promise: how much there is, what is left, and what still fits into it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tellapart.errors import InputError

#: Seconds where the recipe names no budget.
DEFAULTS: Mapping[str, float] = {"good": 600.0, "best": 7200.0}
#: A rung is begun where its estimate times this fits: estimates err to both sides.
_MARGIN = 1.15
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*([smh]?)")


def read(value: object, effort: str) -> float | None:
    """Seconds of a recipe's `budget` (`auto`, `90s`, `5m`, `2h`, a number); None: no limit.

    `auto` is the effort's own. Raises `InputError` for anything else.
    """
    if value is None or value == "auto":
        return DEFAULTS.get(effort)
    if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
        return float(value)
    match = _FORM.fullmatch(str(value).strip().lower())
    if match is None or float(match[1]) <= 0:
        raise InputError(
            f"The budget is {value!r}.",
            expected="auto, or a time such as 90s, 5m or 2h",
            do="Write the budget as a number with s, m or h.",
        )
    return float(match[1]) * _UNITS[match[2]]


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
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)

    @property
    def deadline(self) -> float:
        """When training has to be over."""
        return self.start + self.seconds - self.reserve

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
        return Budget(self.seconds, self.start, reserve, self.explicit, self.clock)


def facts(budget: Budget | None) -> dict[str, Any]:
    """What a trained model's facts say of its budget."""
    if budget is None:
        return {"budget": None}
    return {"budget": budget.seconds, "explicit": budget.explicit}
