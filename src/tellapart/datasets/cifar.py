"""CIFAR-10's two forms: bytes (label, then 3 planes of 32 × 32) and Python's pickled batches.

Format: https://www.cs.toronto.edu/~kriz/cifar.html
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.errors import DataError

SIDE, CHANNELS, CLASSES = 32, 3, 10
_PIXELS = SIDE * SIDE * CHANNELS
_RECORD = 1 + _PIXELS
#: A batch of the original has 30,730,000 bytes as binary, 31,035,704 as pickle.
MAX_BYTES = 256 * 1024 * 1024

Batch = tuple[NDArray[np.uint8], NDArray[np.int64]]


def decode_binary(data: bytes, name: str = "The file") -> Batch:
    """Pictures uint8 (n, 32, 32, 3) and labels int64 (n,) of a binary batch.

    Raises `DataError` for anything else.
    """
    if not data or len(data) % _RECORD:
        raise _problem(name, f"has {len(data):,} bytes, no multiple of {_RECORD:,}: it is cut")
    records = np.frombuffer(data, dtype=np.uint8).reshape(-1, _RECORD)
    return _batch(records[:, 1:], records[:, 0], name)


def decode_pickle(data: bytes, name: str = "The file") -> Batch:
    """The same of a pickled batch, by an unpickler that makes arrays of bytes and nothing else.

    Raises `DataError` for anything else, such as a pickle that names other code.
    """
    try:
        found: Any = _Unpickler(io.BytesIO(data), encoding="bytes").load()
        pixels = found.get(b"data", found.get("data")).pixels
        labels = found.get(b"labels", found.get("labels"))
        whole = isinstance(labels, list) and all(type(label) is int for label in labels)
    except DataError:
        raise
    except Exception as error:  # a damaged pickle raises whatever it likes
        raise _problem(name, f"is no batch of pictures ({type(error).__name__}: {error})") from None
    if not whole or len(labels) != len(pixels) or not labels:
        raise _problem(name, f"does not hold {len(pixels):,} whole numbers under `labels`")
    if not 0 <= min(labels) <= max(labels) < CLASSES:
        raise _problem(name, f"has labels from {min(labels)} to {max(labels)}")
    return _batch(pixels, np.array(labels), name)


def _batch(pixels: NDArray[np.uint8], labels: NDArray[Any], name: str) -> Batch:
    if len(labels) and int(labels.max()) >= CLASSES:
        raise _problem(name, f"has the label {int(labels.max())}")
    planes = pixels.reshape(-1, CHANNELS, SIDE, SIDE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels.astype(np.int64)


class _Code:
    """Stands for numpy's types while unpickling: no code of numpy's is run on a stranger's data."""

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        if state[1] not in ("|", b"|") or any(part not in (None, -1, 0) for part in state[2:]):
            raise ValueError("an array of other things than bytes")


class _Byte(_Code):
    """Stands for the type of a byte."""

    def __init__(self, code: Any, *_: Any) -> None:
        if code not in ("u1", b"u1"):
            raise ValueError(f"an array of {code!r} instead of bytes")


class _Pixels:
    """Stands for an array: takes its shape and its bytes, which must fit each other."""

    pixels: NDArray[np.uint8]

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, raw = state
        if not isinstance(kind, _Byte) or fortran or not isinstance(raw, bytes):
            raise ValueError("an array that is not made of bytes, row by row")
        if len(shape) != 2 or shape[1] != _PIXELS or shape[0] * shape[1] != len(raw):
            raise ValueError(f"{len(raw):,} bytes for an array of shape {shape!r}")
        self.pixels = np.frombuffer(raw, dtype=np.uint8).reshape(-1, _PIXELS)


# Python's own unpickler, not the one in C: that one makes room for as many objects as a damaged
# file says it refers to.
class _Unpickler(pickle._Unpickler):
    """Knows the few names that a pickled array of bytes is made with."""

    def find_class(self, module: str, name: str) -> Any:
        known = _NAMES.get((module.replace("numpy._core", "numpy.core"), name))
        if known is None:
            raise _problem("The file", f"names {module}.{name}, which no batch of pictures needs")
        return known

    def persistent_load(self, pid: Any) -> Any:
        raise _problem("The file", "names objects outside of it")


def _latin(text: str, encoding: str) -> bytes:
    return text.encode("latin-1")


_NAMES: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _Pixels,
    ("numpy", "ndarray"): _Code,
    ("numpy", "dtype"): _Byte,
    ("_codecs", "encode"): _latin,
}


def _problem(name: str, what: str) -> DataError:
    return DataError(
        f"{name} {what}.",
        expected="a whole batch of CIFAR-10: data_batch_1.bin … or data_batch_1 …",
        do="Fetch or copy the file again.",
    )
