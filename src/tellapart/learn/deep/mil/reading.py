"""Read an `.mlpackage` from disk: its manifest, its program, its file of weights.

Formats: `MIL.proto` and `Model.proto` of Apple's Core ML specification; the weights' file as
`MILBlob/Blob/StorageFormat.hpp` of coremltools describes it: a header of 64 bytes, then one
record of 64 bytes (sentinel, type, length, offset) a tensor and the figures it points to.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tellapart.learn.deep.described import broken
from tellapart.learn.deep.quiet import coremltools

_SENTINEL = 0xDEADBEEF
#: Sentinel, type, length in bytes, offset.
_RECORD = struct.Struct("<IIQQ")
#: By the type's number in a weights' file.
_BLOB_TYPES = {1: np.float16, 2: np.float32, 3: np.uint8, 4: np.int8, 8: np.int32}
#: By the type's name in the program.
_NUMBERS = {
    "FLOAT16": np.float16,
    "FLOAT32": np.float32,
    "INT8": np.int8,
    "UINT8": np.uint8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "BOOL": np.bool_,
}
TORCH = {
    "FLOAT16": torch.float16,
    "FLOAT32": torch.float32,
    "INT32": torch.int32,
    "INT64": torch.int64,
    "BOOL": torch.bool,
}


def read_package(folder: Path) -> tuple[Any, Path]:
    """The `Model` message of a package, and the folder that its weights are named from.

    Raises `VerificationError` where the package is not whole.
    """
    spec = coremltools().proto.Model_pb2.Model()
    try:
        manifest = json.loads((folder / "Manifest.json").read_bytes())
        item = manifest["itemInfoEntries"][manifest["rootModelIdentifier"]]
        path = folder / "Data" / item["path"]
        spec.ParseFromString(path.read_bytes())
    except Exception as error:  # protobuf's own errors have no common base
        raise broken(f"in {folder.name!r} cannot be read ({type(error).__name__})") from error
    return spec, path.parent


class Values:
    """Turns the program's literals into tensors, words and lists."""

    def __init__(self, enum: Any, base: Path) -> None:
        self._enum, self._base = enum, base
        self._files: dict[str, bytes] = {}

    def type_name(self, tensor_type: Any) -> str:
        """Such as `FLOAT32`."""
        name: str = self._enum.Name(tensor_type.dataType)
        return name

    def read(self, value: Any) -> Any:
        """A `Value`: a tensor, a word, a list of either."""
        if value.WhichOneof("value") == "blobFileValue":
            return self._blob(value)
        literal = value.immediateValue
        kind = literal.WhichOneof("value")
        if kind == "tensor":
            return self._tensor(value.type.tensorType, literal.tensor)
        if kind in ("list", "tuple"):
            return [self.read(item) for item in getattr(literal, kind).values]
        raise broken(f"holds a literal of the kind {kind!r}")

    def _tensor(self, kind: Any, literal: Any) -> Any:
        name, shape = self.type_name(kind), _shape(kind)
        field = literal.WhichOneof("value")
        if name == "STRING":
            words = list(literal.strings.values)
            return words if shape else words[0]
        if name not in _NUMBERS:
            raise broken(f"holds figures of the type {name}")
        dtype = np.dtype(_NUMBERS[name])
        held: Any = getattr(literal, field).values if field else []
        figures = np.frombuffer(held, dtype) if field == "bytes" else np.array(held, dtype)
        return torch.from_numpy(figures.copy().reshape(shape))

    def _blob(self, value: Any) -> torch.Tensor:
        place = value.blobFileValue
        name, start = place.fileName, int(place.offset)
        if name not in self._files:
            path = self._base / name.removeprefix("@model_path/")
            try:
                self._files[name] = path.read_bytes()
            except OSError as error:
                raise broken(f"names weights in {name!r}, which is not there") from error
        data = self._files[name]
        if start + _RECORD.size > len(data):
            raise broken(f"names weights at byte {start} of {name!r} that are not there")
        sentinel, code, length, offset = _RECORD.unpack_from(data, start)
        kind, shape = value.type.tensorType, _shape(value.type.tensorType)
        wanted = np.dtype(_NUMBERS.get(self.type_name(kind), np.void))
        found = _BLOB_TYPES.get(code)
        count = int(np.prod(shape, dtype=np.int64))
        if sentinel != _SENTINEL or found is None or np.dtype(found) != wanted:
            raise broken(f"names weights at byte {start} of {name!r} that are not there")
        if length != count * wanted.itemsize or offset + length > len(data):
            raise broken(f"has {length} bytes of weights at {start} for the shape {shape}")
        figures = np.frombuffer(data, wanted, count, offset)
        return torch.from_numpy(figures.copy().reshape(shape))


def _shape(kind: Any) -> tuple[int, ...]:
    return tuple(int(d.constant.size) for d in kind.dimensions)
