"""Where a picture speaks for a class, for models that give no map: cover it bit by bit.

A square of the picture's mean color is laid over each place in turn; where the answer suffers,
there lay what spoke for it (occlusion sensitivity; Zeiler and Fergus, Visualizing and
Understanding Convolutional Networks, ECCV 2014).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

#: Places along each side of the map, and how many of them a square covers.
PLACES, COVERED = 12, 3
#: Below it a probability counts as this.
_LEAST = 1e-7


def maps(
    picture: np.ndarray, probabilities: Callable[[np.ndarray], np.ndarray], *, batch: int = 16
) -> np.ndarray:
    """The map (classes, h, w) float32 of one prepared picture, uint8 (height, width, channels).

    `probabilities` answers uint8 (n, height, width, channels) with (n, classes). Each place holds
    by how much the class's log probability falls, on average, when a square covers the place:
    above 0 it speaks for the class. h and w are 12, or the picture's sides where these are
    smaller.
    """
    height, width = picture.shape[:2]
    rows, columns = _spans(height), _spans(width)
    color = np.rint(picture.reshape(-1, picture.shape[2]).mean(axis=0)).astype(np.uint8)
    boxes = [(top, left) for top in range(len(rows)) for left in range(len(columns))]
    before = _log(probabilities(picture[None]))[0]
    drops = []
    for start in range(0, len(boxes), batch):
        part = boxes[start : start + batch]
        covered = np.repeat(picture[None], len(part), axis=0)
        for one, (top, left) in zip(covered, part, strict=True):
            one[slice(*rows[top]), slice(*columns[left])] = color
        drops.append(before - _log(probabilities(covered)))
    found = np.concatenate(drops)
    high, wide = _places(height), _places(width)
    total, times = np.zeros((len(before), high, wide)), np.zeros((high, wide))
    for (top, left), drop in zip(boxes, found, strict=True):
        here = slice(top, top + _covered(high)), slice(left, left + _covered(wide))
        total[:, *here] += drop[:, None, None]
        times[here] += 1
    return (total / times).astype(np.float32)


def _places(side: int) -> int:
    return min(PLACES, side)


def _covered(places: int) -> int:
    return min(COVERED, places)


def _spans(side: int) -> list[tuple[int, int]]:
    """From where to where each square reaches along a side, in pixels."""
    places = _places(side)
    edges = np.rint(np.linspace(0, side, places + 1)).astype(int).tolist()
    covered = _covered(places)
    return [(edges[at], edges[at + covered]) for at in range(places - covered + 1)]


def _log(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(np.asarray(probabilities, np.float64), _LEAST))
