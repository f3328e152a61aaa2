"""Dealt by columns, members go where dealing them one by one puts them; and so do many."""

from __future__ import annotations

import hashlib

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.learn import official, sharing, splitting
from tellapart.learn.splitting import ASIDE, SPLITS, TEST, TRAIN, Member, Shares

from . import plainly

_PARTS = (None, *SPLITS, ASIDE)


def _sha(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


@st.composite
def _sets(draw: st.DrawFn, most: int = 40) -> tuple[list[Member], list[tuple[int, int]], Shares]:
    """Members of any past, also ones that no deal of ours leaves behind, and links between them."""
    count = draw(st.integers(0, most))
    # Equal contents now and then; groups by the name that ours have, and by any other.
    contents = [draw(st.integers(0, 2 * most)) for _ in range(count)]
    past = draw(st.booleans())
    members = []
    for at, content in enumerate(contents):
        before = draw(st.sampled_from(_PARTS)) if past else None
        names = (None, _sha(content)[:16], _sha(draw(st.integers(0, 5)))[:16], "zug", "é")
        group = draw(st.sampled_from(names)) if before else None
        label = draw(st.sampled_from(["b", "a", "Ä"]))
        members.append(Member(f"id{at}", label, _sha(content), before, group))
    links: list[tuple[int, int]] = []
    if count:
        ends = st.integers(0, count - 1)
        links = draw(st.lists(st.tuples(ends, ends), max_size=count))
    parts = draw(st.sampled_from([(0.7, 0.1, 0.2), (0.5, 0.25, 0.25), (8, 0, 2), (1, 0, 0)]))
    return members, links, Shares(*parts, seed=draw(st.integers(0, 3)))


@settings(max_examples=1000, deadline=None)
@given(_sets())
def test_columns_give_what_objects_give(
    made: tuple[list[Member], list[tuple[int, int]], Shares],
) -> None:
    members, links, shares = made
    assert splitting.deal(members, links, shares) == plainly.deal(members, links, shares)


@settings(max_examples=300, deadline=None)
@given(_sets(), st.data())
def test_official_columns_give_what_objects_give(
    made: tuple[list[Member], list[tuple[int, int]], Shares], data: st.DataObject
) -> None:
    members, scenes, shares = made
    count = len(members)
    some = data.draw(st.sampled_from([("", TRAIN, TEST), ("", *SPLITS), ("", TRAIN)]))
    hints = data.draw(st.lists(st.sampled_from(some), min_size=count, max_size=count))
    near = data.draw(st.lists(st.sampled_from(scenes), max_size=count)) if scenes else []
    found = official.deal_official(members, hints, near, scenes, shares)
    assert found == plainly.deal_official(members, hints, near, scenes, shares)


def test_many_are_dealt_in_turns_as_objects_are() -> None:
    """Enough of them that classes, sizes and crowds of groups meet their quotas."""
    drawn = np.random.default_rng(0)
    count = 3000
    members = [Member(f"id{at}", "abcd"[at % 4], _sha(at)) for at in range(count)]
    links = drawn.integers(0, count, (400, 2)).tolist()
    shares = Shares(0.7, 0.1, 0.2, seed=7)
    first = splitting.deal(members, links, shares)
    assert first == plainly.deal(members, links, shares)
    again = [
        Member(m.id, m.label, m.sha256, first.places[m.id].split, first.places[m.id].group)
        for m in members
    ]
    again += [Member(f"new{at}", "abcde"[at % 5], _sha(count + at)) for at in range(200)]
    links += drawn.integers(0, count + 200, (60, 2)).tolist()
    assert splitting.deal(again, links, shares) == plainly.deal(again, links, shares)


def test_large_groups_go_first_and_the_seed_draws_among_them() -> None:
    sizes = np.array([1, 2, 3, 4, 1])
    names = np.array([b"a", b"b", b"c", b"d", b"e"])
    turns = [sharing._in_turn(np.arange(5), sizes, names, seed).tolist() for seed in range(20)]
    assert all(turn[0] == 3 and set(turn[1:3]) == {1, 2} for turn in turns)
    assert len({tuple(turn) for turn in turns}) == 4
