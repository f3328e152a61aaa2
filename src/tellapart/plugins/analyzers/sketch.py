"""A small gray picture of a picture, to lay over others: copies, however changed, then match."""

from __future__ import annotations

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

    def measure(self, picture: Picture) -> Mapping[str, float | int | str]:
        gray = picture.gray
        small = gray.resize((hashing.SIDE, hashing.SIDE), Image.Resampling.BOX)
        return {
            "sketch": overlay.packed(np.asarray(small)),
            "frame": _frame(np.asarray(gray)),
            "colors": _colors(picture.image),
        }


def _colors(image: Image.Image) -> str:
    side = overlay.COLOR_SIDE
    small = image.resize((side, side), Image.Resampling.BOX).convert("YCbCr")
    return overlay.packed_colors(np.asarray(small)[:, :, 1:].transpose(2, 0, 1))


def _frame(gray: NDArray[np.uint8]) -> str:
    levels = gray.astype(np.float32)
    widths: list[float] = []
    for lines in (levels, levels.T):
        widths += (_around(lines), _around(lines[::-1]))
    return bytes(round(255 * width) for width in widths).hex()


def _around(lines: NDArray[np.float32]) -> float:
    """The share of `lines` (n, m), from the first on, that are one even color."""
    part = lines[: int(_WIDEST * len(lines))]
    # Most pictures have no frame: the first line tells.
    if not len(part) or part[0].std() > _EVEN:
        return 0.0
    means = part.mean(axis=1)
    even = (part.std(axis=1) <= _EVEN) & (np.abs(means - means[0]) <= _SAME)
    return float(even.argmin() if not even.all() else len(even)) / len(lines)
