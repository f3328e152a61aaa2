"""A 64-bit fingerprint of what a picture shows, for finding near duplicates."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tellapart.doors import Analyzer, Picture
from tellapart.learn import hashing


class PerceptualHash(Analyzer):
    """`phash`: 64 bits as 16 hex digits; near duplicates differ in few bits (Hamming distance).

    The DCT hash of the gray picture at 32 × 32, see `learn/hashing.py`. The constant term, which
    says nothing but the brightness, is left out. A picture of one color has no frequencies: all
    bits are 0.
    """

    name = "phash"
    version = 1

    def measure(self, picture: Picture) -> Mapping[str, float | int | str]:
        cells = picture.cells(hashing.SIDE)
        low = hashing.frequencies(cells.astype(np.float64)[None])
        return {"phash": f"{int(hashing.coded(low)[0]):016x}"}
