"""Verdicts by columns are those of the court over all pictures and all pairs."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.learn import candidates, deciding, verdicts
from tellapart.learn.nearness import Pairs

_LIMITS = verdicts.Limits(
    min_side=32,
    min_entropy=1.0,
    near_duplicate_bits=6,
    near_duplicate_cosine=0.75,
    off_topic=0.65,
    mislabelled=0.01,
    max_blur=0.9,
)
#: Hashes a few bits apart, so that chains and crowds come about.
_HASHES = (0, 1, 3, 7, 15, 63, 2**40, 2**40 + 1, 2**63)


@st.composite
def _sets(draw: st.DrawFn) -> tuple[deciding.Pictures, deciding.Measured]:
    count = draw(st.integers(0, 12))
    number = draw(st.integers(1, 9))

    def each(values: st.SearchStrategy[int], size: int) -> np.ndarray:
        return np.array(draw(st.lists(values, min_size=size, max_size=size)), dtype=np.int64)

    contents = np.arange(number)
    measured = deciding.Measured(
        shas=np.array([bytes([i + 1]) * 31 + b"\0" for i in contents], dtype="S32"),
        width=each(st.sampled_from([20, 64, 64, 96]), number),
        height=each(st.sampled_from([64, 64, 80]), number),
        entropy=each(st.sampled_from([0, 5, 5, 5]), number).astype(np.float64),
        blur=each(st.sampled_from([0, 0, 0, 1]), number).astype(np.float64),
        phash=np.array([draw(st.sampled_from(_HASHES)) for _ in contents], dtype=np.uint64),
    )
    content = each(st.integers(-1, number - 1), count)
    lost = np.full(count, bytes(range(32)), dtype="S32")
    pictures = deciding.Pictures(
        ids=np.arange(count, dtype=np.uint64) * np.uint64(2**60 + 7),
        content=content,
        shas=np.where(content >= 0, measured.shas[content], lost),
        labels=each(st.integers(0, 1), count),
        classes=["a", "b"],
        precedence=each(st.integers(0, 2), count),
        settled=each(st.integers(0, 4), count) == 0,
        position=each(st.integers(0, 1), count),
        rank=each(st.integers(0, 2), count),
    )
    return pictures, measured


def _all_at_once(
    pictures: deciding.Pictures, measured: deciding.Measured, limits: verdicts.Limits
) -> dict[int, verdicts.Decision]:
    rows, bits = candidates.within(measured.phash, deciding.allowed(limits.near_duplicate_bits))
    asked = [
        deciding._candidate(pictures, measured, place, lambda sha: {"reason": "cut", "what": sha})
        for place in range(len(pictures.ids))
    ]
    found = verdicts.decide(
        asked,
        [deciding.sha_text(sha) for sha in measured.shas],
        Pairs(rows, bits, np.ones(len(rows))),
        limits,
        pictures.classes,
    )
    return {i: deciding._told(one) for i, one in enumerate(found) if not one.kept}


@settings(deadline=None, max_examples=300)
@given(_sets(), st.integers(0, 20))
def test_columns_give_the_verdicts_of_the_court(
    drawn: tuple[deciding.Pictures, deciding.Measured], bits: int
) -> None:
    pictures, measured = drawn
    limits = replace(_LIMITS, near_duplicate_bits=bits)
    close = deciding.near(measured.phash, max(deciding.LOOSE_BITS, deciding.allowed(bits)))
    found = deciding.decide(
        pictures, measured, close, limits, lambda sha: {"reason": "cut", "what": sha}
    )
    assert found == _all_at_once(pictures, measured, limits)


@settings(deadline=None, max_examples=200)
@given(_sets())
def test_crowds_set_the_same_aside_as_one_by_one(
    drawn: tuple[deciding.Pictures, deciding.Measured],
) -> None:
    pictures, measured = drawn
    # Equal hashes alone: across hashes a crowd may keep one more, never lose one.
    limits = replace(_LIMITS, near_duplicate_bits=1)
    close = deciding.near(measured.phash, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deciding, "_ONE_BY_ONE", 1)
        found = deciding.decide(pictures, measured, close, limits, lambda sha: {})
    known = _all_at_once(pictures, measured, limits)
    assert {place: one.reason for place, one in found.items()} == {
        place: one.reason for place, one in known.items()
    }


def test_the_best_of_a_crowd_is_one_that_is_still_there() -> None:
    """The largest lies in two classes and is gone: the others are judged by the next best."""
    sides = [96, 64, 64]
    measured = deciding.Measured(
        shas=np.array([bytes([i + 1]) * 31 + b"\0" for i in range(3)], dtype="S32"),
        width=np.array(sides),
        height=np.array(sides),
        entropy=np.full(3, 5.0),
        blur=np.zeros(3),
        phash=np.zeros(3, dtype=np.uint64),
    )
    content = np.array([0, 0, 1, 2])
    pictures = deciding.Pictures(
        ids=np.arange(4, dtype=np.uint64),
        content=content,
        shas=measured.shas[content],
        labels=np.array([0, 1, 0, 0]),
        classes=["a", "b"],
        precedence=np.full(4, 2),
        settled=np.zeros(4, dtype=bool),
        position=np.zeros(4, dtype=np.int64),
        rank=np.arange(4),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deciding, "_ONE_BY_ONE", 1)
        found = deciding.decide(
            pictures, measured, deciding.near(measured.phash, 0), _LIMITS, lambda sha: {}
        )
    assert {place: one.reason for place, one in found.items()} == {
        0: "conflicting_label",
        1: "conflicting_label",
        3: "near_duplicate",
    }


@settings(deadline=None, max_examples=100)
@given(st.lists(st.sampled_from(_HASHES), max_size=9), st.lists(st.sampled_from(_HASHES)))
def test_new_hashes_join_what_is_known_and_gone_ones_leave_it(
    old: list[int], now: list[int]
) -> None:
    known = deciding.near(np.array(old, dtype=np.uint64), 8)
    wanted = np.array(now, dtype=np.uint64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deciding, "_FEW_NEW", 1.0)
        found = deciding.near(wanted, 8, known)
    fresh = deciding.near(wanted, 8)

    def told(near: deciding.Near) -> list[tuple[int, int, int]]:
        pairs = near.codes[near.rows].tolist()
        return sorted((*sorted(pair), bits) for pair, bits in zip(pairs, near.bits, strict=True))

    assert found.codes.tolist() == fresh.codes.tolist() == sorted(set(now))
    assert told(found) == told(fresh)


def test_where_very_many_are_alike_only_nearer_ones_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    codes = np.array([1 << i for i in range(30)] + [0], dtype=np.uint64)
    assert deciding.near(codes, 8).limit == 8
    # 30 pairs are one bit apart, 435 two.
    for most, limit, pairs in ((29, 0, 0), (30, 1, 30), (464, 1, 30), (465, 8, 465)):
        monkeypatch.setattr(deciding, "_PAIRS_EACH", 0)
        monkeypatch.setattr(deciding, "_PAIRS_ALWAYS", most)
        found = deciding.near(codes, 8)
        assert (found.limit, len(found.rows)) == (limit, pairs)
