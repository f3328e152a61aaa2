"""The split a data set brings: kept as it is, its twins in train set aside."""

from __future__ import annotations

import hashlib
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.learn.official import deal_official
from tellapart.learn.splitting import ASIDE, TEST, TRAIN, VALIDATION, Member, Shares

SHARES = Shares(0.7, 0.1, 0.2)


def members(n: int) -> list[Member]:
    return [
        Member(f"id{i}", "ab"[i % 2], hashlib.sha256(str(i).encode()).hexdigest()) for i in range(n)
    ]


def test_what_is_given_is_kept():
    given = [TRAIN] * 20 + [VALIDATION] * 4 + [TEST] * 6
    made = deal_official(members(30), given, [], [], SHARES)
    assert [made.places[f"id{i}"].split for i in range(30)] == given
    assert made.notes == []


def test_twins_of_later_parts_go_aside_and_scenes_do_not():
    given = [TRAIN] * 20 + [VALIDATION] * 4 + [TEST] * 6
    near = [(0, 29), (1, 2), (2, 20), (21, 28)]
    made = deal_official(members(30), given, near, [*near, (5, 27)], SHARES)
    splits = {i: made.places[f"id{i}"].split for i in range(30)}
    assert {i for i in splits if splits[i] == ASIDE} == {0, 1, 2, 21}
    assert splits[5] == TRAIN and splits[27] == TEST
    assert made.places["id0"].reason == "linked to official test"
    assert "4 pictures" in made.notes[0]


def test_a_missing_validation_is_carved_out_of_train_by_scenes():
    given = [TRAIN] * 80 + [TEST] * 20
    scenes = [(i, i + 2) for i in range(0, 78, 4)]
    made = deal_official(members(100), given, [], scenes, SHARES)
    counts = Counter(made.places[f"id{i}"].split for i in range(100))
    assert counts[TEST] == 20 and 8 <= counts[VALIDATION] <= 12
    for a, b in scenes:
        assert made.places[f"id{a}"].split == made.places[f"id{b}"].split
    assert "no validation" in made.notes[0]


def test_a_missing_test_is_carved_out_of_train():
    given = [TRAIN] * 80 + [VALIDATION] * 20
    made = deal_official(members(100), given, [], [], SHARES)
    counts = Counter(place.split for place in made.places.values())
    assert counts[VALIDATION] == 20 and counts[TEST] == 18  # .2 / .9 of 80
    assert any("no test" in note for note in made.notes)


def test_a_picture_without_a_split_learns_unless_it_is_a_twin_of_test():
    given = ["", "", *[TRAIN] * 8, *[VALIDATION] * 4, *[TEST] * 6]
    made = deal_official(members(20), given, [(1, 19)], [], SHARES)
    assert made.places["id0"].split == TRAIN
    assert made.places["id1"].split == ASIDE


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_no_near_link_joins_two_parts(data):
    n = data.draw(st.integers(4, 40))
    given = data.draw(
        st.lists(st.sampled_from([TRAIN, VALIDATION, TEST, ""]), min_size=n, max_size=n)
    )
    ends = st.integers(0, n - 1)
    near = [(a, b) for a, b in data.draw(st.lists(st.tuples(ends, ends), max_size=n)) if a != b]
    made = deal_official(members(n), given, near, near, SHARES)
    for i, split in enumerate(given):
        if split == TEST:
            assert made.places[f"id{i}"].split == TEST
    for a, b in near:
        pair = {made.places[f"id{a}"].split, made.places[f"id{b}"].split}
        assert len(pair - {ASIDE}) <= 1
