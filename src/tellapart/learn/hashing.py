"""64-bit hashes of small gray pictures by their lowest frequencies, of parts and mirrored too.

The DCT hash of C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions"
(2010): the 64 lowest frequencies of the 32 × 32 picture in zigzag order, without the constant
term, compared with their median.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint64]

#: Side of the gray pictures that are hashed.
SIDE = 32
_BITS = 64
#: A part of a picture: top, bottom, left, right, as shares of its sides.
Part = tuple[float, float, float, float]
#: What a copy that was cropped by some 5 to 15 % of its sides may show: nine tenths of the sides,
#: from nine places.
WINDOWS: tuple[Part, ...] = tuple(
    (y / 20, 0.9 + y / 20, x / 20, 0.9 + x / 20) for y in range(3) for x in range(3)
)


def coded(frequencies: NDArray[np.float64]) -> Codes:
    """The hashes (n,) of the chosen `frequencies` (n, 64)."""
    # Below a thousandth of a gray level is rounding, not picture: without this the bits of an even
    # ground would be chance.
    low = np.where(np.abs(frequencies) < 1e-3, 0.0, frequencies)
    middle = np.sort(low, axis=1)[:, _BITS // 2 - 1 : _BITS // 2 + 1]
    bits = low > middle.mean(axis=1, keepdims=True)
    return np.ascontiguousarray(np.packbits(bits, axis=1)).view(">u8").astype(np.uint64).reshape(-1)


def frequencies(gray: NDArray[np.float64]) -> NDArray[np.float64]:
    """The 64 lowest frequencies (n, 64) of gray pictures (n, 32, 32)."""
    return np.asarray((DCT @ gray @ DCT.T)[:, ROWS, COLUMNS])


def mirrored(low: NDArray[np.float64]) -> NDArray[np.float64]:
    """The frequencies (n, 64) of the same pictures, left and right exchanged."""
    return low * np.where(COLUMNS % 2, -1.0, 1.0)


def of_parts(gray: NDArray[np.float64], parts: NDArray[np.float64]) -> NDArray[np.float64]:
    """The frequencies (n, 64) of one part (n, 4) of each of the gray pictures (n, 32, 32)."""
    down, across = _stretching(parts[:, 0], parts[:, 1]), _stretching(parts[:, 2], parts[:, 3])
    low = (_LOWEST @ down) @ gray @ (_LOWEST @ across).transpose(0, 2, 1)
    return np.asarray(low[:, ROWS, COLUMNS])


def _stretching(start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    """Matrices (n, 32, 32) that stretch the part from `start` to `end` (n,) over all 32 cells."""
    places = start[:, None] + (end - start)[:, None] * (np.arange(SIDE) + 0.5) / SIDE
    places = np.clip(places * SIDE - 0.5, 0, SIDE - 1)
    # Between two cells, each counts as much as it is near.
    return np.asarray(np.maximum(0.0, 1 - np.abs(places[:, :, None] - np.arange(SIDE))))


def _dct_matrix(size: int) -> NDArray[np.float64]:
    """The orthonormal DCT-II of length `size`, size × size."""
    k = np.arange(size)
    matrix = np.cos(np.pi * (2 * k[None, :] + 1) * k[:, None] / (2 * size))
    matrix[0] /= np.sqrt(2)
    return np.asarray(matrix * np.sqrt(2 / size))


def _zigzag(count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of the `count` lowest frequencies after the constant one."""
    order = sorted(
        ((r, c) for r in range(SIDE) for c in range(SIDE)),
        key=lambda rc: (rc[0] + rc[1], rc[0] if (rc[0] + rc[1]) % 2 else rc[1]),
    )[1 : count + 1]
    return np.array([r for r, _ in order]), np.array([c for _, c in order])


DCT = _dct_matrix(SIDE)
ROWS, COLUMNS = _zigzag(_BITS)
_LOWEST = DCT[: int(max(ROWS.max(), COLUMNS.max())) + 1]
