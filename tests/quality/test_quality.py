"""Shares of noise: drawn towards each other where little is known, with intervals that hold."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.learn.collecting import Looked, Quality, Share
from tellapart.learn.collecting.quality import first_rank

SOURCES = {"clean": 0.05, "fair": 0.2, "bad": 0.5}


def drawn(rng: np.random.Generator, each: int = 40) -> list[Looked]:
    """Three classes, three sources of different noise."""
    return [
        Looked(label, source, label, rank, float(rng.random() < share))
        for label in ("a", "b", "c")
        for source, share in SOURCES.items()
        for rank in range(each)
    ]


def ordered(share: Share) -> bool:
    return 0 <= share.low <= share.share <= share.high <= 1


def test_planted_shares_are_found_and_their_intervals_hold() -> None:
    held, off = [], []
    for seed in range(25):
        found = Quality(drawn(np.random.default_rng(seed))).by_source()
        assert [one.n for one in found.values()] == [120, 120, 120]
        assert found["clean"].share < found["fair"].share < found["bad"].share
        for source, share in SOURCES.items():
            held.append(found[source].low <= share <= found[source].high)
            off.append(abs(found[source].share - share))
    assert np.mean(held) >= 0.8
    assert np.mean(off) < 0.04


def test_the_worst_of_small_queries_is_drawn_towards_the_others() -> None:
    rng = np.random.default_rng(1)
    looked = [
        Looked("a", "s", f"q{query}", rank, float(rng.random() < 0.2))
        for query in range(30)
        for rank in range(5)
    ]
    looked += [Looked("a", "s", "unlucky", rank, 1.0) for rank in range(3)]
    queries = Quality(looked).by_query()
    unlucky, quiet = queries["a", "s", "unlucky"], min(queries.values(), key=lambda q: q.share)
    assert 0.2 < unlucky.share < 0.75 and unlucky.high > unlucky.low + 0.2
    assert 0.02 < quiet.share < 0.25
    assert unlucky.n == 3


def test_noise_that_grows_with_the_rank_is_foretold_further_down() -> None:
    rng = np.random.default_rng(2)
    looked = [
        Looked(label, source, label, rank, float(rng.random() < share))
        for label in ("a", "b")
        for rank in range(160)
        for source, share in (("steady", 0.1), ("worse", min(0.7, 0.03 + rank / 250)))
    ]
    quality = Quality(looked)
    top, deep = (quality.at("a", "worse", "a", rank).share for rank in (0, 300))
    assert top < 0.2 and deep > 0.4
    assert quality.among(200, 220, "a", "steady", "a").share < 0.25
    stretches = quality.by_rank()
    assert [first for source, first in stretches if source == "worse"] == [0, 20, 60, 140]
    shares = [share.share for (source, _), share in stretches.items() if source == "worse"]
    assert all(one < other for one, other in pairwise(shares))


def test_what_was_never_seen_is_known_the_least() -> None:
    quality = Quality(drawn(np.random.default_rng(3)))
    seen, unseen = quality.at("a", "fair", "a", 10), quality.at("a", "new", "a", 10)
    assert unseen.high - unseen.low > 2 * (seen.high - seen.low)
    assert ordered(quality.at("new", "new", "new", 0))
    nothing = Quality([])
    assert ordered(nothing.at("a", "s", "q", 0)) and nothing.by_source() == {}
    assert nothing.overall() == Share(0.0, 0.0, 1.0, 0)


def test_the_order_of_pictures_changes_nothing() -> None:
    looked = drawn(np.random.default_rng(4))
    assert Quality(looked).by_query() == Quality(looked[::-1]).by_query()


def test_many_classes_are_estimated_in_parts_that_agree() -> None:
    rng = np.random.default_rng(5)
    looked = [
        Looked(f"class {i:03d}", source, "q", rank, float(rng.random() < share))
        for i in range(95)
        for source, share in (("clean", 0.05), ("bad", 0.4))
        for rank in range(8)
    ]
    found = Quality(looked)
    by_source = found.by_source()
    assert by_source["clean"].share == pytest.approx(0.05, abs=0.03)
    assert by_source["bad"].share == pytest.approx(0.4, abs=0.05)
    assert by_source["bad"].n == 95 * 8 and found.overall().n == 2 * 95 * 8
    assert len(found.by_query()) == 190


def test_stretches_of_ranks() -> None:
    assert [first_rank(rank) for rank in (0, 19, 20, 59, 60, 139, 140, 300)] == [
        *(0, 0, 20, 20, 60, 60, 140, 300)
    ]


anything = st.lists(
    st.builds(
        Looked,
        label=st.sampled_from("abc"),
        source=st.sampled_from(("s", "t")),
        query=st.sampled_from(("", "q", "ü [x]")),
        rank=st.integers(0, 10_000),
        noise=st.floats(-1, 2),
    ),
    max_size=30,
)


@given(anything)
@settings(max_examples=40, deadline=None)
def test_shares_lie_in_their_intervals_and_those_within_0_and_1(looked: list[Looked]) -> None:
    quality = Quality(looked)
    shares = [quality.overall(), quality.at("a", "s", "q", 5), quality.among(0, 20, "b", "t", "")]
    shares += [*quality.by_source().values(), *quality.by_query().values()]
    shares += quality.by_rank().values()
    assert all(ordered(share) for share in shares)
    assert sum(share.n for share in quality.by_query().values()) == len(looked)
