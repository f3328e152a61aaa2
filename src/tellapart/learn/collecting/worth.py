"""What more pictures would be worth, and whether that is enough to go on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tellapart.learn.curve import Curve

#: The pictures that the next ones are counted by, and the long view.
HUNDRED, FOURFOLD = 100, 4.0
#: In the long view, so many times the least worth of a hundred is little too: .2 and 1 point.
LONG = 5.0
#: How sure the long view must be.
_SURE = 0.9
#: The next round is at most so many times what there is, and at least this part more.
_MOST, _LEAST = 2.0, 1.25


@dataclass(frozen=True)
class Worth:
    """Whether collecting goes on. Gains are in points of accuracy."""

    #: Kept pictures there are.
    kept: int
    #: Accuracy to expect with them.
    accuracy: float
    #: What the next hundred pictures are expected to bring.
    hundred: float
    #: What four times the pictures are expected to bring, and at most (sure to 90 %).
    fourfold: float
    fourfold_high: float
    #: Whether that is too little to go on.
    enough: bool
    #: Kept pictures at which it is expected to be: the next round's aim.
    aim: int

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def weigh(curve: Curve, kept: int, least: float) -> Worth:
    """Weigh `kept` pictures by their learning curve; `least`: points a hundred must bring.

    It is enough when the next hundred pictures are expected to bring less than `least` points, and
    four times the pictures, to 90 %, less than five times that. The first alone is no long view:
    with thousands of pictures a hundred bring little, and ten times as many may bring much.
    """
    hundred, fourfold, high = _gains(curve, kept, kept)
    enough = _little(hundred, high, least)
    aim = kept
    if not enough:
        furthest = int(np.ceil(kept * _MOST))
        aim = max(kept + 1, int(np.ceil(kept * _LEAST)))
        while aim < furthest:
            there, _, most = _gains(curve, kept, aim)
            if _little(there, most, least):
                break
            aim = min(furthest, int(np.ceil(aim * 1.1)))
    return Worth(
        kept=kept,
        accuracy=curve.now.accuracy,
        hundred=round(hundred, 3) + 0.0,
        fourfold=round(fourfold, 3) + 0.0,
        fourfold_high=round(high, 3) + 0.0,
        enough=enough,
        aim=aim,
    )


def _little(hundred: float, fourfold_high: float, least: float) -> bool:
    return hundred < least and fourfold_high < LONG * least


def _gains(curve: Curve, kept: int, at: int) -> tuple[float, float, float]:
    """Points that a hundred more than `at` pictures bring; four times as many, and at most."""
    scale = curve.now.n / kept
    n = at * scale
    hundred, _ = curve.law.gain(n, n + HUNDRED * scale)
    fourfold, _ = curve.law.gain(n, FOURFOLD * n)
    high = curve.law.gain_below(n, FOURFOLD * n, _SURE)
    return 100 * hundred, 100 * fourfold, 100 * high
