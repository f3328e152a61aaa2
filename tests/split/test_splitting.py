"""Dealing pictures: whole groups, near the asked sizes, and a test part that never changes."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.learn.splitting import (
    ASIDE,
    SPLITS,
    TEST,
    TRAIN,
    VALIDATION,
    Deal,
    Member,
    Shares,
    deal,
)

SHARES = Shares(0.7, 0.1, 0.2, seed=0)


def member(i: int, label: str = "a", **old: str | None) -> Member:
    return Member(f"id{i}", label, hashlib.sha256(str(i).encode()).hexdigest(), **old)


def again(members: list[Member], last: Deal) -> list[Member]:
    """The same members, remembering their places."""
    return [
        Member(m.id, m.label, m.sha256, last.places[m.id].split, last.places[m.id].group)
        if m.id in last.places
        else m
        for m in members
    ]


def split_of(members: list[Member], made: Deal) -> dict[str, str]:
    return {m.id: made.places[m.id].split for m in members}


def sizes(members: list[Member], made: Deal) -> dict[str, Counter[str]]:
    out: dict[str, Counter[str]] = defaultdict(Counter)
    for m in members:
        out[m.label][made.places[m.id].split] += 1
    return out


@st.composite
def sets(draw, most: int = 40):
    """Members of up to three classes and links between some of them."""
    n = draw(st.integers(1, most))
    labels = draw(st.lists(st.sampled_from("abc"), min_size=n, max_size=n))
    members = [member(i, label) for i, label in enumerate(labels)]
    ends = st.integers(0, n - 1)
    links = draw(st.lists(st.tuples(ends, ends), max_size=n))
    return members, [(a, b) for a, b in links if a != b]


def components(n: int, links: list[tuple[int, int]]) -> list[int]:
    root = list(range(n))

    def find(i: int) -> int:
        while root[i] != i:
            i = root[i]
        return i

    for a, b in links:
        root[find(a)] = find(b)
    return [find(i) for i in range(n)]


@settings(max_examples=200, deadline=None)
@given(sets(), st.integers(0, 5))
def test_everyone_has_a_place_and_no_group_crosses(made, seed):
    members, links = made
    result = deal(members, links, Shares(0.7, 0.1, 0.2, seed))
    assert set(result.places) == {m.id for m in members}
    assert {p.split for p in result.places.values()} <= set(SPLITS)
    where = defaultdict(set)
    names = defaultdict(set)
    for m, root in zip(members, components(len(members), links), strict=True):
        where[root].add(result.places[m.id].split)
        names[root].add(result.places[m.id].group)
    assert all(len(splits) == 1 for splits in where.values())
    assert all(len(found) == 1 for found in names.values())
    assert len({name for found in names.values() for name in found}) == len(names)


@settings(max_examples=150, deadline=None)
@given(sets(), st.data())
def test_neither_order_nor_names_of_links_matter(made, data):
    members, links = made
    first = deal(members, links, SHARES)
    order = data.draw(st.permutations(range(len(members))))
    place = {old: new for new, old in enumerate(order)}
    turned = [(place[b], place[a]) for a, b in reversed(links)]
    assert deal([members[i] for i in order], turned, SHARES).places == first.places
    assert deal(again(members, first), links, SHARES).places == first.places


@settings(max_examples=200, deadline=None)
@given(sets(30), st.data())
def test_additions_change_no_test_picture_and_leak_nothing(made, data):
    members, links = made
    n = len(members)
    first = deal(members, links, SHARES)
    extra = data.draw(st.integers(1, 12))
    grown = again(members, first) + [
        member(1000 + i, data.draw(st.sampled_from("abcd"))) for i in range(extra)
    ]
    ends = st.integers(0, n + extra - 1)
    # New links have a newcomer at one end: old pictures do not change.
    more = [
        (a, b)
        for a, b in data.draw(st.lists(st.tuples(ends, ends), max_size=2 * extra))
        if a != b and max(a, b) >= n
    ]
    second = deal(grown, links + more, SHARES)
    before, after = split_of(members, first), split_of(members, second)
    assert before == after
    for a, b in links + more:
        pair = {second.places[grown[a].id].split, second.places[grown[b].id].split}
        assert len(pair - {ASIDE}) <= 1, "linked pictures on both sides"
    # Whoever is aside is linked, maybe through other newcomers, to a held-out picture.
    for new in grown[n:]:
        if second.places[new.id].split == ASIDE:
            assert second.places[new.id].reason
    third = deal(again(grown, second), links + more, SHARES)
    assert third.places == second.places


@settings(max_examples=100, deadline=None)
@given(
    st.integers(10, 300), st.integers(0, 9), st.sampled_from([(0.7, 0.1, 0.2), (0.5, 0.25, 0.25)])
)
def test_sizes_of_single_pictures_are_exact_to_one(n, seed, parts):
    members = [member(i) for i in range(n)]
    counts = sizes(members, deal(members, [], Shares(*parts, seed)))["a"]
    for split, part in zip(SPLITS, parts, strict=True):
        assert abs(counts[split] - n * part) < 1


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 12), min_size=12, max_size=60), st.integers(0, 5))
def test_sizes_of_groups_are_near(groups, seed):
    members, links, n = [], [], 0
    for size in groups:
        members += [member(n + i) for i in range(size)]
        links += [(n, n + i) for i in range(1, size)]
        n += size
    counts = sizes(members, deal(members, links, Shares(0.7, 0.1, 0.2, seed)))["a"]
    for split, part in zip(SPLITS, (0.7, 0.1, 0.2), strict=True):
        assert abs(counts[split] - n * part) <= max(groups) + 1
    assert counts[TEST] and counts[TRAIN]


def test_splits_are_stratified():
    members = [member(i, "a" if i < 200 else "b") for i in range(230)]
    counts = sizes(members, deal(members, [], SHARES))
    assert counts["a"] == {TRAIN: 140, VALIDATION: 20, TEST: 40}
    assert counts["b"] == {TRAIN: 21, VALIDATION: 3, TEST: 6}


def test_another_seed_deals_others():
    members = [member(i) for i in range(100)]
    tests = [
        {
            k
            for k, v in split_of(members, deal(members, [], Shares(0.7, 0.1, 0.2, s))).items()
            if v == TEST
        }
        for s in range(6)
    ]
    assert len({frozenset(found) for found in tests}) == 6
    overlap = [len(a & b) for i, a in enumerate(tests) for b in tests[:i]]
    assert sum(overlap) / len(overlap) < 8  # 4 expected by chance


def test_small_classes_have_a_test_picture_from_two_groups_up():
    for n in range(2, 8):
        members = [member(i) for i in range(n)] + [member(100 + i, "b") for i in range(50)]
        counts = sizes(members, deal(members, [], SHARES))["a"]
        assert counts[TEST] >= 1 and counts[TRAIN] >= 1, n


def test_three_large_groups_leave_one_for_the_test():
    members = [member(i) for i in range(30)]
    links = [(i - i % 10, i) for i in range(30) if i % 10]
    counts = sizes(members, deal(members, links, SHARES))["a"]
    assert counts[TEST] == 10 and counts[TRAIN] >= 10


def test_a_test_part_is_not_made_of_one_scene_where_it_need_not_be():
    members = [member(i) for i in range(120)]
    links = [(0, i) for i in range(1, 20)]  # a scene of 20; the test part has 24
    for seed in range(10):
        made = deal(members, links, Shares(0.7, 0.1, 0.2, seed))
        groups = Counter(p.group for p in made.places.values() if p.split == TEST)
        assert max(groups.values()) == 1


def test_a_class_in_one_group_is_said_and_learned_from():
    members = [member(i) for i in range(6)] + [member(10 + i, "b") for i in range(20)]
    made = deal(members, [(0, i) for i in range(1, 6)], SHARES)
    assert sizes(members, made)["a"] == {TRAIN: 6}
    assert [n for n in made.notes if "'a' lies in one group of 6 pictures" in n]
    assert not [n for n in made.notes if "'b'" in n]


def test_a_class_of_one_picture_is_said():
    members = [member(0)] + [member(10 + i, "b") for i in range(20)]
    made = deal(members, [], SHARES)
    assert made.places["id0"].split == TRAIN
    assert "one picture" in made.notes[0] and "'a'" in made.notes[0]


def test_a_newcomer_linked_to_test_goes_aside_with_all_its_kin():
    old = [member(i) for i in range(20)]
    first = deal(old, [], SHARES)
    held = next(i for i in range(20) if first.places[f"id{i}"].split == TEST)
    learned = next(i for i in range(20) if first.places[f"id{i}"].split == TRAIN)
    grown = again(old, first) + [member(100 + i) for i in range(3)]
    made = deal(grown, [(20, held), (20, 21), (22, learned)], SHARES)
    assert [made.places[f"id{i}"].split for i in (100, 101, 102)] == [ASIDE, ASIDE, TRAIN]
    assert made.places["id100"].group == first.places[f"id{held}"].group
    assert made.places["id102"].group == first.places[f"id{learned}"].group
    assert "test" in made.places["id100"].reason


def test_a_newcomer_that_joins_train_and_test_goes_aside_and_moves_nobody():
    old = [member(i) for i in range(20)]
    first = deal(old, [], SHARES)
    by_split = {split: [m.id for m in old if first.places[m.id].split == split] for split in SPLITS}
    ends = [int(by_split[split][0][2:]) for split in (TRAIN, TEST)]
    made = deal([*again(old, first), member(100)], [(20, end) for end in ends], SHARES)
    assert made.places["id100"].split == ASIDE
    assert split_of(old, made) == split_of(old, first)
    both = [int(by_split[split][0][2:]) for split in (TRAIN, VALIDATION)]
    made = deal([*again(old, first), member(100)], [(20, end) for end in both], SHARES)
    assert made.places["id100"].split == ASIDE


def test_an_old_training_picture_newly_linked_to_test_goes_aside():
    old = [member(i) for i in range(20)]
    first = deal(old, [], SHARES)
    held = next(i for i in range(20) if first.places[f"id{i}"].split == TEST)
    learned = next(i for i in range(20) if first.places[f"id{i}"].split == TRAIN)
    made = deal(again(old, first), [(held, learned)], SHARES)
    assert made.places[f"id{held}"].split == TEST
    assert made.places[f"id{learned}"].split == ASIDE


def test_nothing_to_deal():
    assert deal([], [], SHARES).places == {}
