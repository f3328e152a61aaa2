"""A 64-bit fingerprint of what a picture shows, for finding near duplicates."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PIL import Image

from tellapart.doors import Analyzer, Picture

_SIDE = 32
_BITS = 64


class PerceptualHash(Analyzer):
    """`phash`: 64 bits as 16 hex digits; near duplicates differ in few bits (Hamming distance).

    The DCT hash of C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash
    Functions" (2010): gray, 32 × 32, two-dimensional DCT-II, low frequencies compared with their
    median. We take the 64 lowest frequencies in zigzag order without the constant term, which
    says nothing but the brightness. A picture of one color has no frequencies: all bits are 0.
    """

    name = "phash"
    version = 1

    def measure(self, picture: Picture) -> Mapping[str, float | int | str]:
        gray = Image.fromarray(picture.pixels).convert("L")
        small = gray.resize((_SIDE, _SIDE), Image.Resampling.BOX)
        g = np.asarray(small, dtype=np.float64)
        low = (_DCT @ g @ _DCT.T)[_ROWS, _COLUMNS]
        # Below a thousandth of a gray level is rounding, not picture: without this the bits of
        # an even ground would be chance.
        low = np.where(np.abs(low) < 1e-3, 0.0, low)
        bits = low > np.median(low)
        return {"phash": np.packbits(bits).tobytes().hex()}


def _dct_matrix(size: int) -> np.ndarray:
    """The orthonormal DCT-II of length `size`, size × size."""
    k = np.arange(size)
    matrix = np.cos(np.pi * (2 * k[None, :] + 1) * k[:, None] / (2 * size))
    matrix[0] /= np.sqrt(2)
    return np.asarray(matrix * np.sqrt(2 / size))


def _zigzag(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the `count` lowest frequencies after the constant one."""
    order = sorted(
        ((r, c) for r in range(_SIDE) for c in range(_SIDE)),
        key=lambda rc: (rc[0] + rc[1], rc[0] if (rc[0] + rc[1]) % 2 else rc[1]),
    )[1 : count + 1]
    return np.array([r for r, _ in order]), np.array([c for _, c in order])


_DCT = _dct_matrix(_SIDE)
_ROWS, _COLUMNS = _zigzag(_BITS)
