"""How pictures look, in words: dark, bright, blurred, small, … with the rule behind each word."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.learn.workbench import edges

#: A word stands for the outer tenth of the set, and never for what is ordinary by itself.
_TENTH = 0.1
_DARK, _BRIGHT, _BLURRED, _FLAT = 90.0, 180.0, 0.5, 35.0
#: Shorter side in pixels; the backbone sees 224.
_SMALL = 160
_WIDE = 1.6


@dataclass(frozen=True)
class Look:
    """One word for how pictures look, and which of them (n,) look so."""

    name: str
    rule: str
    mask: NDArray[np.bool_]


def looks(
    figures: Sequence[Mapping[str, Any]], around: Sequence[Mapping[str, Any] | None]
) -> list[Look]:
    """The words that fit some of the pictures, by the analyzers' `figures` and those `around`.

    A picture of which nothing is known around has neither border nor plain ground.
    """
    light, blur = _column(figures, "brightness"), _column(figures, "blur")
    contrast = _column(figures, "contrast")
    width, height = _column(figures, "width"), _column(figures, "height")
    dark, bright = _low(light, _DARK), _high(light, _BRIGHT)
    hazy, flat = _high(blur, _BLURRED), _low(contrast, _FLAT)
    found = [
        Look("dark", f"mean brightness up to {dark:.0f} of 255", light <= dark),
        Look("bright", f"mean brightness from {bright:.0f} of 255", light >= bright),
        Look("blurred", f"blur from {hazy:.2f}", blur >= hazy),
        Look("pale", f"contrast up to {flat:.0f}", contrast <= flat),
        Look(
            "small",
            f"shorter side below {_SMALL} pixels",
            np.minimum(width, height) < _SMALL,
        ),
        Look("wide", f"at least {_WIDE:g} times as wide as high", width >= _WIDE * height),
        Look("tall", f"at least {_WIDE:g} times as high as wide", height >= _WIDE * width),
        Look("plain ground", "one color all around", _around(around, edges.is_plain)),
        Look(
            "border", "edges of one color on two sides or more", _around(around, edges.has_border)
        ),
    ]
    return [look for look in found if look.mask.any()]


def _column(figures: Sequence[Mapping[str, Any]], name: str) -> NDArray[np.float64]:
    return np.array([float(one[name]) for one in figures], np.float64)


def _low(values: NDArray[np.float64], most: float) -> float:
    return min(most, float(np.quantile(values, _TENTH))) if len(values) else most


def _high(values: NDArray[np.float64], least: float) -> float:
    return max(least, float(np.quantile(values, 1 - _TENTH))) if len(values) else least


def _around(
    around: Sequence[Mapping[str, Any] | None], test: Callable[[Mapping[str, Any]], bool]
) -> NDArray[np.bool_]:
    return np.array([one is not None and test(one) for one in around], bool)
