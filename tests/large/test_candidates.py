"""The search for near hashes finds what comparing each with each finds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.learn import candidates

_WORDS = st.integers(0, 2**64 - 1)


@st.composite
def _crowd(draw: st.DrawFn) -> np.ndarray:
    """Codes some of which are equal to, or a few bits from, another one."""
    codes = draw(st.lists(_WORDS, min_size=1, max_size=12))
    for _ in range(draw(st.integers(0, 12))):
        flipped = codes[draw(st.integers(0, len(codes) - 1))]
        for bit in draw(st.lists(st.integers(0, 63), max_size=9)):
            flipped ^= 1 << bit
        codes.append(flipped)
    return np.array(codes, dtype=np.uint64)


def _slowly(a: np.ndarray, b: np.ndarray, bits: int) -> list[tuple[int, int, int]]:
    apart = [[int(x ^ y).bit_count() for y in b] for x in a]
    return [(i, j, d) for i, row in enumerate(apart) for j, d in enumerate(row) if d <= bits]


def _listed(found: candidates.Found) -> list[tuple[int, int, int]]:
    pairs, apart = found
    return [(i, j, d) for (i, j), d in zip(pairs.tolist(), apart.tolist(), strict=True)]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ways of large sets, taken by small ones: blocks, keys, crowds, spreading."""
    for name, value in {"_FEW": 0, "_HIGH": 3, "_WIDE": 5, "_CROWD": 4, "_SPREAD": 2}.items():
        monkeypatch.setattr(candidates, name, value)


@settings(deadline=None, max_examples=60)
@given(_crowd(), st.integers(0, 7), st.integers(0, 3))
def test_every_key_finds_what_each_with_each_finds(
    codes: np.ndarray, bits: int, equal: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(candidates, "_parts", lambda codes, bits: equal)
        found = _listed(candidates.within(codes, bits))
    assert found == [pair for pair in _slowly(codes, codes, bits) if pair[0] < pair[1]]


@settings(deadline=None, max_examples=60)
@given(_crowd(), _crowd(), st.integers(0, 64))
def test_new_ones_meet_all_old_ones(new: np.ndarray, old: np.ndarray, bits: int) -> None:
    assert _listed(candidates.between(new, old, bits)) == _slowly(new, old, bits)


def test_the_search_ends_where_there_are_too_many() -> None:
    codes = np.zeros(50, dtype=np.uint64)
    assert len(candidates.within(codes, 0, most=1225)[0]) == 1225
    with pytest.raises(candidates.TooManyError):
        candidates.within(codes, 0, most=1224)
    with pytest.raises(candidates.TooManyError):
        candidates.between(codes, codes, 3, most=100)


def test_many_codes_are_compared_by_keys_unless_those_tell_nothing_apart() -> None:
    drawn = np.random.default_rng(0)
    many = drawn.integers(0, 2**64, 40_000, dtype=np.uint64)
    assert candidates._parts(many, 5) >= 2
    assert candidates._parts(many, 30) == 0
    # All but one bit are the same: keys would not tell them apart.
    assert candidates._parts(many & np.uint64(1), 5) == 0


def test_no_codes_and_one_code_have_no_pairs() -> None:
    for count in (0, 1):
        pairs, apart = candidates.within(np.zeros(count, np.uint64), 64)
        assert pairs.shape == (0, 2) and apart.shape == (0,)
