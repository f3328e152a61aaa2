"""What lies around the thing: border and ground, measured on a small copy of the picture.

Not one of the analyzers that every picture goes through: only the workbench asks, of a bounded
number of pictures. Kept beside their figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tellapart import images

#: Name and version under which the figures are kept.
NAME, VERSION = "edges", 1
#: Longest side of what is looked at.
SIDE = 128
#: Width of the ground's ring, as a share of the shorter side.
_RING = 0.1
#: A line along the edge is of one color where each channel spreads less than this (of 255), and
#: the border goes on as long as most of it stays this near to the first one.
_EVEN, _SAME = 6.0, 12.0
#: A border ends before this share of the side: what goes on is the picture's ground.
_DEEPEST = 0.4
#: It ends along a whole line: this share of the line differs. A thing on plain ground begins with
#: a few pixels.
_WHOLE = 0.6


def measure(data: bytes) -> dict[str, float]:
    """Figures of one picture. Raises `PictureError` where it cannot be decoded.

    - `ring_r`, `ring_g`, `ring_b`, `ring_spread`: mean color (0…255) and spread of the outer tenth;
    - `left`, `right`, `top`, `bottom`: how deep a border of one color goes (0…0.4 of that way).
    """
    image = images.decode(data, hint=SIDE)
    image.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    return of_pixels(np.asarray(image.convert("RGB")))


def of_pixels(pixels: NDArray[np.uint8]) -> dict[str, float]:
    """The figures of RGB pixels (h, w, 3)."""
    p = pixels.astype(np.float32)
    ring = _ring(p)
    mean, spread = ring.mean(axis=0), float(ring.std(axis=0).mean())
    depths = {
        "left": _depth(p.transpose(1, 0, 2)),
        "right": _depth(p[:, ::-1].transpose(1, 0, 2)),
        "top": _depth(p),
        "bottom": _depth(p[::-1]),
    }
    return {
        "ring_r": round(float(mean[0]), 2),
        "ring_g": round(float(mean[1]), 2),
        "ring_b": round(float(mean[2]), 2),
        "ring_spread": round(spread, 2),
        **{side: round(depth, 4) for side, depth in depths.items()},
    }


def has_border(figures: Mapping[str, Any]) -> bool:
    """Whether at least two sides have one."""
    return sum(float(figures[side]) > 0 for side in ("left", "right", "top", "bottom")) >= 2


def is_plain(figures: Mapping[str, Any]) -> bool:
    """Whether the ground is of one color all around."""
    return float(figures["ring_spread"]) < _EVEN


def _ring(p: NDArray[np.float32]) -> NDArray[np.float32]:
    width = max(1, round(_RING * min(p.shape[:2])))
    inside = np.ones(p.shape[:2], bool)
    inside[width:-width, width:-width] = False
    return p[inside]


def _depth(lines: NDArray[np.float32]) -> float:
    """How deep from the first line on a border goes, as a share of all lines; 0: there is none."""
    deepest = max(2, int(_DEEPEST * len(lines)))
    even = lines[:deepest].std(axis=1).max(axis=1) < _EVEN
    same = np.abs(lines[:deepest] - lines[0].mean(axis=0)).max(axis=2) < _SAME
    stops = np.flatnonzero(~(even & (same.mean(axis=1) >= _WHOLE)))
    if not len(stops) or not stops[0]:
        return 0.0
    # A soft edge takes a line or two.
    behind = lines[stops[0] : stops[0] + 3] - lines[0].mean(axis=0)
    differs = (np.abs(behind).max(axis=2) >= _SAME).mean(axis=1)
    return float(stops[0] / len(lines)) if differs.max() >= _WHOLE else 0.0
