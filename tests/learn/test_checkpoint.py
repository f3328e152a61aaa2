"""The restricted unpickler reads what torch reads, and nothing that does more."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.errors import NotFoundError, VerificationError
from tellapart.learn import backbone
from tellapart.learn.checkpoint import read_checkpoint

WEIGHTS = backbone._weights_file()


class _Named:
    """Pickles as the global `module.name`."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class _Reference:
    def __init__(self, pid: Any) -> None:
        self.pid = pid


class _Call:
    def __init__(self, function: Any, arguments: tuple[Any, ...]) -> None:
        self.function, self.arguments = function, arguments


class _Writer(pickle._Pickler):  # the one in Python: it can be told to write any global
    def persistent_id(self, obj: Any) -> Any:
        return obj.pid if isinstance(obj, _Reference) else None

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        if isinstance(obj, _Named):
            self.write(f"c{obj.module}\n{obj.name}\n".encode())
        elif isinstance(obj, _Call):
            self.save(obj.function)
            self.save(obj.arguments)
            self.write(b"R")
        else:
            super().save(obj, save_persistent_id)


def _pickle(thing: Any) -> bytes:
    stream = io.BytesIO()
    _Writer(stream, 2).dump(thing)
    return stream.getvalue()


REBUILD = _Named("torch._utils", "_rebuild_tensor_v2")
FLOATS = _Named("torch", "FloatStorage")


def _tensor(shape: tuple[int, ...], strides: tuple[int, ...], count: int, offset: int = 0) -> _Call:
    storage = _Reference(("storage", FLOATS, "7", "cpu", count, None))
    return _Call(REBUILD, (storage, offset, shape, strides, False, None))


def _file(
    named: Any, values: np.ndarray, *, declared: int | None = None, tail: bytes = b""
) -> bytes:
    head = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, named, ["7"]]
    count = len(values) if declared is None else declared
    data = count.to_bytes(8, "little") + values.astype("<f4").tobytes()
    return b"".join(map(_pickle, head)) + data + tail


SIX = np.arange(6, dtype=np.float32)
GOOD = _file({"a": _tensor((2, 3), (3, 1), 6)}, SIX)


@pytest.fixture
def read(tmp_path: Path) -> Any:
    def reader(raw: bytes, **options: Any) -> dict[str, np.ndarray]:
        path = tmp_path / "w.pth"
        path.write_bytes(raw)
        return read_checkpoint(path, **options)

    return reader


def test_equals_torch_load_in_all_tensors() -> None:
    torch = pytest.importorskip("torch", reason="compared with torch.load where torch is installed")
    theirs = torch.load(WEIGHTS, weights_only=True)
    ours = read_checkpoint(WEIGHTS, sha256=backbone.WEIGHTS_SHA256)
    assert list(ours) == list(theirs)
    assert len(ours) == 296
    for name, tensor in theirs.items():
        expected = tensor.numpy()
        assert ours[name].dtype == expected.dtype, name
        assert ours[name].shape == expected.shape, name
        assert np.array_equal(ours[name], expected), name


def test_the_embedded_weights_are_the_known_ones() -> None:
    tensors = read_checkpoint(WEIGHTS, sha256=backbone.WEIGHTS_SHA256)
    assert tensors["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert tensors["_fc.bias"].shape == (1000,)
    assert sum(t.size for t in tensors.values() if t.dtype == np.float32) == 4_694_024


def test_reads_what_the_test_wrote(read: Any) -> None:
    assert np.array_equal(read(GOOD)["a"], SIX.reshape(2, 3))


def test_axes_may_lie_in_any_order(read: Any) -> None:
    found = read(_file({"a": _tensor((2, 3), (1, 2), 6)}, SIX))["a"]
    assert np.array_equal(found, SIX.reshape(3, 2).T)


def test_wrong_hash_is_refused_before_reading(read: Any) -> None:
    with pytest.raises(VerificationError, match="SHA-256") as caught:
        read(GOOD, sha256="0" * 64)
    assert hashlib.sha256(GOOD).hexdigest() in caught.value.what
    assert "pip install" in caught.value.do


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="cannot be read"):
        read_checkpoint(tmp_path / "none.pth")


class _Evil:
    def __reduce__(self) -> Any:
        return os.mkdir, ("PWNED",)


@pytest.mark.parametrize(
    "named",
    [
        _Evil(),
        {"a": _Evil()},
        _Named("os", "system"),
        _Call(_Named("builtins", "eval"), ("1",)),
        _Named("builtins", "getattr"),
        _Named("torch", "DoubleStorage"),
        _Named("torch._utils", "_rebuild_parameter"),
        _Named("torch.storage", "_load_from_bytes"),
        _Named("collections", "defaultdict"),
        {"a": 1},
        {3: _tensor((6,), (1,), 6)},
        [1, 2],
        OrderedDict(a=_Call(REBUILD, (5, 0, (1,), (1,), False, None))),
        {"a": _tensor((1 << 40,), (0,), 6)},
        {"a": _tensor((2, 3), (3, 0), 6)},
        {"a": _tensor((7,), (1,), 6)},
        {"a": _tensor((6,), (1,), 6, offset=1)},
        {"a": _tensor((-6,), (1,), 6)},
        {"a": _tensor((6,), (1,), 1 << 60)},
        {"a": _Call(REBUILD, (_Reference(("storage", FLOATS, "7", "cpu", 6, (0, 1))), 0, (), ()))},
        {"a": _Reference("storage")},
    ],
)
def test_anything_else_is_refused(
    read: Any, named: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(VerificationError) as caught:
        read(_file(named, SIX))
    assert "'w.pth'" in caught.value.what
    assert not (tmp_path / "PWNED").exists()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x80\x02",
        b"PK\x03\x04 the newer layout",
        GOOD[:-1],
        GOOD + b"\0",
        _file({"a": _tensor((6,), (1,), 6)}, SIX, declared=1 << 50),
        # Remembering one object under a huge number would reserve 64 GB.
        b"\x80\x02Nr\xff\xff\xff\xff." + GOOD,
    ],
)
def test_damaged_files_are_refused(read: Any, raw: bytes) -> None:
    with pytest.raises(VerificationError):
        read(raw)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_changed_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    raw = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(raw) - 1))
        raw[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    path = tmp_path_factory.getbasetemp() / "changed.pth"
    path.write_bytes(raw)
    try:
        tensors = read_checkpoint(path)
    except VerificationError:
        return
    assert all(isinstance(tensor, np.ndarray) for tensor in tensors.values())
