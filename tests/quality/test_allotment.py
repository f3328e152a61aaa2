"""Ranks go to clean queries, to unknown ones as far as it takes to know them, and never to ends."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tellapart.learn.collecting import Pair, Share, targets

KNOWN = {
    "clean": Share(0.05, 0.02, 0.1),
    "alike": Share(0.08, 0.04, 0.15),
    "bad": Share(0.5, 0.4, 0.6),
    "unknown": Share(0.3, 0.0, 0.9),
}


def expect(pair: Pair, first: int, until: int) -> Share:
    assert until > first >= pair.reached
    return KNOWN[pair.source]


def more(pairs: list[Pair], wanted: int) -> dict[str, int]:
    """Ranks dealt beyond those reached, by source."""
    found = targets(pairs, wanted, expect)
    return {pair.source: found[pair.source, pair.query] - pair.reached for pair in pairs}


def test_what_is_bad_gets_nothing_while_there_is_something_clean() -> None:
    pairs = [Pair("clean", "q", 60), Pair("alike", "q", 60), Pair("bad", "q", 60)]
    assert more(pairs, 100) == {"clean": 60, "alike": 60, "bad": 0}


def test_what_is_unknown_is_tried_but_not_trusted() -> None:
    pairs = [Pair("bad", "q", 60), Pair("unknown", "q", 0)]
    dealt = more(pairs, 200)
    assert dealt["unknown"] >= 40
    pairs = [Pair("clean", "q", 60), Pair("unknown", "q", 0)]
    assert more(pairs, 200)["unknown"] == 40


def test_an_end_is_an_end() -> None:
    pairs = [Pair("clean", "q", 60, exhausted=True), Pair("bad", "q", 60)]
    dealt = more(pairs, 20)
    assert dealt == {"clean": 0, "bad": 40}
    assert more([Pair("bad", "q", 7, exhausted=True)], 20) == {"bad": 0}
    assert targets([], 20, expect) == {}


def test_more_ranks_for_hits_of_which_fewer_come_to_anything() -> None:
    pairs = [Pair("clean", "q", 60)]
    few = targets(pairs, 100, expect, {("clean", "q"): 1.0})["clean", "q"]
    many = targets(pairs, 100, expect, {("clean", "q"): 0.25})["clean", "q"]
    assert few == 180 and 460 <= many <= 500


@given(
    st.lists(
        st.builds(
            Pair,
            source=st.sampled_from(sorted(KNOWN)),
            query=st.sampled_from(("q", "r")),
            reached=st.integers(0, 500),
            exhausted=st.booleans(),
        ),
        max_size=6,
        unique_by=lambda pair: (pair.source, pair.query),
    ),
    st.integers(0, 500),
)
def test_nothing_goes_back_and_enough_is_dealt(pairs: list[Pair], wanted: int) -> None:
    found = targets(pairs, wanted, expect)
    assert set(found) == {(pair.source, pair.query) for pair in pairs}
    dealt = sum(found[pair.source, pair.query] - pair.reached for pair in pairs)
    for pair in pairs:
        assert found[pair.source, pair.query] >= pair.reached
        assert not pair.exhausted or found[pair.source, pair.query] == pair.reached
    if wanted and any(not pair.exhausted for pair in pairs):
        assert dealt >= wanted
