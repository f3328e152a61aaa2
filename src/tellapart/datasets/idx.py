"""IDX, the format of MNIST's files: a header, then bytes.

Format: http://yann.lecun.com/exdb/mnist/ (two zero bytes, the type, the number of dimensions,
each dimension as a big-endian 32-bit number, the values in C order).
"""

from __future__ import annotations

import math
import struct

import numpy as np
from numpy.typing import NDArray

from tellapart.errors import DataError

_UNSIGNED_BYTE = 0x08
_MOST_DIMENSIONS = 4
MAX_VALUES = 1 << 31


def decode(data: bytes, name: str = "The file") -> NDArray[np.uint8]:
    """The array of an IDX file of unsigned bytes (not compressed), read-only.

    Raises `DataError` for anything else.
    """
    if len(data) < 4 or data[:2] != b"\0\0":
        raise _problem(name, f"begins with {data[:4]!r}, as no IDX file does")
    kind, dimensions = data[2], data[3]
    if kind != _UNSIGNED_BYTE:
        raise _problem(name, f"holds values of type 0x{kind:02x} instead of unsigned bytes (0x08)")
    start = 4 + 4 * dimensions
    if not 1 <= dimensions <= _MOST_DIMENSIONS:
        raise _problem(name, f"has {dimensions} dimensions")
    if len(data) < start:
        raise _problem(name, f"ends within its header ({len(data)} bytes)")
    shape = struct.unpack(f">{dimensions}I", data[4:start])
    values = math.prod(shape)
    if values > MAX_VALUES:
        raise _problem(name, f"announces {values:,} values")
    if len(data) - start != values:
        how = "is cut: it has" if len(data) - start < values else "is too long: it has"
        raise _problem(name, f"{how} {len(data) - start:,} of {values:,} values")
    return np.frombuffer(data, dtype=np.uint8, offset=start).reshape(shape)


def encode(array: NDArray[np.uint8]) -> bytes:
    """The bytes of an IDX file that holds `array`."""
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, _UNSIGNED_BYTE, array.ndim, *array.shape)
    return header + np.ascontiguousarray(array, dtype=np.uint8).tobytes()


def _problem(name: str, what: str) -> DataError:
    return DataError(
        f"{name} {what}.",
        expected="a whole IDX file of unsigned bytes, such as MNIST's",
        do="Fetch or copy the file again.",
    )
