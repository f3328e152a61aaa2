"""Pairs, groups and their names against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellapart.errors import InputError
from tellapart.learn import similarity


def _slow_roots(n: int, pairs: list[tuple[int, int]]) -> list[int]:
    roots = list(range(n))
    for _ in range(n):
        for i, j in pairs:
            roots[i] = roots[j] = min(roots[i], roots[j])
    return roots


@given(st.lists(st.integers(0, 2**64 - 1), max_size=12), st.integers(0, 64))
def test_hamming_pairs_are_those_of_brute_force(hashes: list[int], bits: int) -> None:
    pairs, distances = similarity.hamming_pairs(np.array(hashes, dtype=np.uint64), bits)
    expected = [
        ([i, j], (hashes[i] ^ hashes[j]).bit_count())
        for i in range(len(hashes))
        for j in range(i + 1, len(hashes))
        if (hashes[i] ^ hashes[j]).bit_count() <= bits
    ]
    assert list(zip(pairs.tolist(), distances.tolist(), strict=True)) == expected


def test_bits_are_counted_the_same_without_numpy_2(monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = np.random.default_rng(0).integers(0, 2**63, 300, dtype=np.uint64)
    with_it = similarity.hamming_pairs(hashes, 28)
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    without = similarity.hamming_pairs(hashes, 28)
    assert len(with_it[0]) > 1000
    assert np.array_equal(with_it[0], without[0]) and np.array_equal(with_it[1], without[1])


def test_one_pair_among_ten_thousand_hashes() -> None:
    hashes = np.random.default_rng(0).integers(0, 2**63, 10_000, dtype=np.uint64)
    hashes[9_999] = hashes[3] ^ np.uint64(5)
    pairs, distances = similarity.hamming_pairs(hashes, 6)
    assert pairs.tolist() == [[3, 9_999]] and distances.tolist() == [2]


def test_cosine_pairs_cross_the_blocks() -> None:
    rows = np.random.default_rng(1).normal(size=(2_500, 40)).astype(np.float32)
    rows[2_400] = 3 * rows[7] + 0.001
    rows[1_030] = rows[1_029]
    pairs, cosines = similarity.cosine_pairs(rows, 0.95)
    assert pairs.tolist() == [[7, 2_400], [1_029, 1_030]]
    assert cosines[1] == 1.0 and 0.95 <= cosines[0] <= 1.0


def test_cosine_pairs_of_equal_label_only_and_rows_of_zeros_near_nobody() -> None:
    rows = np.array([[1, 0], [1, 0], [1, 0], [0, 0], [0, 0]], dtype=np.float32)
    pairs, _ = similarity.cosine_pairs(rows, 0.5, labels=["a", "b", "a", "a", "a"])
    assert pairs.tolist() == [[0, 2]]
    assert similarity.cosine_pairs(rows[3:], 0.5)[0].tolist() == []


@given(st.integers(1, 12), st.data())
def test_groups_are_those_of_brute_force(n: int, data: st.DataObject) -> None:
    one = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1))
    pairs = data.draw(st.lists(one, max_size=20))
    assert similarity.groups(n, pairs).tolist() == _slow_roots(n, pairs)


def test_a_long_chain_in_any_order_is_one_group() -> None:
    order = np.random.default_rng(0).permutation(20_000)
    chain = np.stack([order[:-1], order[1:]], axis=1)
    assert set(similarity.groups(20_000, chain).tolist()) == {0}


def test_a_pair_of_unknown_rows_is_an_error() -> None:
    with pytest.raises(InputError, match="row 3 of 3 rows"):
        similarity.groups(3, [(0, 3)])


def test_group_names_do_not_depend_on_the_order_of_rows() -> None:
    shas = ["d", "a", "c", "b"]
    names = similarity.group_names(shas, [(0, 2), (2, 3)])
    assert names == ["b", "a", "b", "b"]
    back = similarity.group_names(shas[::-1], [(0, 1), (1, 3)])
    assert back == names[::-1]
