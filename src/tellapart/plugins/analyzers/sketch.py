"""A small gray picture of a picture, to lay over others: copies, however changed, then match."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tellapart.doors import Analyzer, Picture
from tellapart.learn import hashing, overlay

#: A line of pixels belongs to a frame if its gray levels vary by no more than this (standard
#: deviation), and its mean is no further from that of the outermost line.
_EVEN, _SAME = 4.0, 6.0
#: A frame takes no more than this share of a side at either end.
_WIDEST = 0.35


class Sketch(Analyzer):
    """`sketch`: the picture in 32 × 32 cells of 16 grays, as base64; `frame`: what is around it;
    `colors`: Cb and Cr in 16 × 16 cells, as base64.

    The grays are stretched over what the picture has; one of hardly any contrast has an empty
    sketch, and is nobody's copy by it. `frame` is how much of each side is of one color, top,
    bottom, left and right, in 255ths, as 8 hex digits: a border, black bars, an even ground.
    """

    name = "sketch"
    version = 2
    with_features = True

    def measure(self, picture: Picture) -> Mapping[str, float | int | str]:
        return {
            "sketch": overlay.packed(picture.cells(hashing.SIDE)),
            "frame": _frame(np.asarray(picture.gray)),
            "colors": _colors(picture.image),
        }


def _colors(image: Image.Image) -> str:
    side = overlay.COLOR_SIDE
    small = image.resize((side, side), Image.Resampling.BOX).convert("YCbCr")
    return overlay.packed_colors(np.asarray(small)[:, :, 1:].transpose(2, 0, 1))


def _frame(gray: NDArray[np.uint8]) -> str:
    widths: list[float] = []
    for lines in (gray, gray.T):
        widths += (_around(lines), _around(lines[::-1]))
    return bytes(round(255 * width) for width in widths).hex()


def _around(lines: NDArray[np.uint8]) -> float:
    """The share of `lines` (n, m), from the first on, that are one even color."""
    part = lines[: int(_WIDEST * len(lines))]
    # Most pictures have no frame: the first line tells.
    if not len(part) or _spread(part[0]) > _EVEN:
        return 0.0
    levels = part.astype(np.float32)
    means = levels.mean(axis=1)
    even = (levels.std(axis=1) <= _EVEN) & (np.abs(means - means[0]) <= _SAME)
    return float(even.argmin() if not even.all() else len(even)) / len(lines)


def _spread(line: NDArray[np.uint8]) -> float:
    """The standard deviation of gray levels (m,)."""
    levels = line.astype(np.float64)
    mean = float(levels.sum()) / len(levels)
    return math.sqrt(max(0.0, float(np.einsum("i,i", levels, levels)) / len(levels) - mean * mean))
