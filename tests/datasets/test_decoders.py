"""IDX and CIFAR-10: right for whole files, a DataError for everything else, no code run."""

from __future__ import annotations

import contextlib
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tellapart.datasets import cifar, files, idx
from tellapart.errors import DataError


@given(hnp.arrays(np.uint8, hnp.array_shapes(max_dims=4, max_side=5)))
def test_idx_comes_back(array: np.ndarray) -> None:
    found = idx.decode(idx.encode(array))
    assert found.shape == array.shape
    assert (found == array).all()


@given(st.binary(max_size=40), st.integers(0, 16), st.integers(0, 12))
def test_whatever_lies_in_an_idx_file_only_a_data_error_comes_out(
    tail: bytes, kind: int, dimensions: int
) -> None:
    for data in (tail, b"\0\0" + tail, bytes([0, 0, kind, dimensions]) + tail):
        try:
            found = idx.decode(data, "x")
        except DataError as error:
            assert error.what.startswith("x ")
        else:
            assert found.size == len(data) - 4 - 4 * data[3]


@given(st.data())
def test_a_cut_idx_file_is_told(data: st.DataObject) -> None:
    whole = idx.encode(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(DataError):
        idx.decode(whole[:cut])
    with pytest.raises(DataError, match="too long"):
        idx.decode(whole + b"\0")


def test_an_idx_header_announcing_too_much_makes_no_array() -> None:
    with pytest.raises(DataError, match="announces"):
        idx.decode(b"\0\0\x08\x03" + b"\xff" * 12)
    with pytest.raises(DataError, match="type 0x0d"):
        idx.decode(b"\0\0\x0d\x01\0\0\0\0")


@given(st.binary(max_size=80))
def test_gzip_data_come_back_or_are_a_data_error(data: bytes) -> None:
    import gzip

    packed = gzip.compress(data)
    assert files.unpacked(packed, "x") == data
    for bad in (data, packed[:-1], packed[:12], b"\x1f\x8b" + data):
        with pytest.raises(DataError):
            files.unpacked(bad, "x")
    if len(data) > 1:
        with pytest.raises(DataError, match="more than"):
            files.unpacked(packed, "x", most=1)


def _pixels(count: int = 3) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def _flat(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)).reshape(len(pixels), -1)


def _binary(pixels: np.ndarray, labels: list[int]) -> bytes:
    return b"".join(
        bytes([label]) + row.tobytes() for label, row in zip(labels, _flat(pixels), strict=True)
    )


def test_a_binary_batch_comes_back() -> None:
    pixels = _pixels()
    x, y = cifar.decode_binary(_binary(pixels, [1, 9, 0]))
    assert (x == pixels).all()
    assert y.tolist() == [1, 9, 0]
    with pytest.raises(DataError, match="label 10"):
        cifar.decode_binary(_binary(pixels, [1, 10, 0]))


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("key", [str, str.encode])
def test_a_pickled_batch_comes_back(protocol: int, key: Any) -> None:
    pixels = _pixels()
    batch = {key("batch_label"): "x", key("labels"): [1, 9, 0], key("data"): _flat(pixels)}
    x, y = cifar.decode_pickle(pickle.dumps(batch, protocol))
    assert (x == pixels).all()
    assert y.tolist() == [1, 9, 0]


class _Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise SystemExit('code was run')",)


def _float(pixels: np.ndarray) -> np.ndarray:
    return _flat(pixels).astype(np.float64)


@pytest.mark.parametrize(
    "batch",
    [
        _Evil(),
        {"data": _Evil(), "labels": [1, 2, 3]},
        {"data": _flat(_pixels()), "labels": [1, 2]},
        {"data": _flat(_pixels()), "labels": [1, 2, 10]},
        {"data": _flat(_pixels()), "labels": [1, 2, -1]},
        {"data": _flat(_pixels()), "labels": [1, 2, "3"]},
        {"data": _flat(_pixels())[:, :-1], "labels": [1, 2, 3]},
        {"data": _float(_pixels()), "labels": [1, 2, 3]},
        {"data": np.array([_Evil()], dtype=object), "labels": [1]},
        {"data": np.dtype([("a", "u1")]), "labels": [1]},
        {"labels": [1]},
        [1, 2],
    ],
)
def test_another_pickle_is_a_data_error_and_runs_nothing(batch: Any) -> None:
    with pytest.raises(DataError):
        cifar.decode_pickle(pickle.dumps(batch, 2), "x")


@given(st.data())
def test_a_damaged_batch_is_a_data_error_or_a_batch(data: st.DataObject) -> None:
    pixels = _pixels(1)
    whole = pickle.dumps({b"labels": [3], b"data": _flat(pixels)}, 2)
    # The pixels themselves may be anything: the damage goes to what is around them.
    around = [i for i in range(len(whole)) if i < 260 or i > len(whole) - 40]
    place = data.draw(st.sampled_from(around))
    damaged = whole[:place] + data.draw(st.binary(max_size=3)) + whole[place + 1 :]
    for bad in (damaged, whole[:place], data.draw(st.binary(max_size=60))):
        try:
            x, y = cifar.decode_pickle(bad)
        except DataError:
            continue
        assert x.shape == (len(y), 32, 32, 3)
    with contextlib.suppress(DataError):
        cifar.decode_binary(damaged)
