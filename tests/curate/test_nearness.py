"""Near duplicates: the rule, the pairs, and the file they are kept in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.learn import nearness, similarity

BITS, COSINE = 10, 0.75


def unit(*angles: float) -> np.ndarray:
    """Vectors in a plane: the cosine of two is the cosine of their angle."""
    radians = np.radians(angles)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def code(bits: int) -> str:
    return f"{(1 << bits) - 1:016x}"


def test_hash_and_feature_make_up_for_each_other():
    bits = np.array([0, 0, 10, 10, 5, 5, 0])
    cosines = np.array([0.75, 0.74, 1.0, 0.99, 0.875, 0.87, 1.0])
    near = nearness.nearness(bits, cosines, BITS, COSINE) <= 1 + 1e-9
    assert near.tolist() == [True, False, True, False, True, False, True]


def test_thresholds_at_their_ends_ask_for_the_same():
    bits, cosines = np.array([0, 1, 0]), np.array([1.0, 1.0, 0.9])
    assert (nearness.nearness(bits, cosines, 0, 0.75) <= 1).tolist() == [True, False, True]
    assert (nearness.nearness(bits, cosines, 10, 1.0) <= 1).tolist() == [True, True, False]


def test_find_gives_every_pair_with_both_distances():
    pairs = nearness.find([code(0), code(3), code(40), code(4)], unit(0, 10, 0, 90), 16)
    assert pairs.rows.tolist() == [[0, 1], [0, 3], [1, 3]]
    assert pairs.bits.tolist() == [3, 4, 1]
    assert pairs.cosines == pytest.approx(
        [np.cos(np.radians(10)), 0, np.cos(np.radians(80))], abs=1e-5
    )
    assert pairs.near(BITS, COSINE).rows.tolist() == [[0, 1]]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_stricter_threshold_never_finds_more(data):
    n = data.draw(st.integers(1, 12))
    codes = data.draw(st.lists(st.integers(0, 255), min_size=n, max_size=n))
    angles = data.draw(st.lists(st.integers(0, 90), min_size=n, max_size=n))
    pairs = nearness.find([f"{c:016x}" for c in codes], unit(*angles))
    strict, loose = sorted(data.draw(st.tuples(st.integers(0, 16), st.integers(0, 16))))
    few = {tuple(row) for row in pairs.near(strict, 0.8).rows.tolist()}
    many = {tuple(row) for row in pairs.near(loose, 0.7).rows.tolist()}
    assert few <= many
    assert all(a < b for a, b in many)


def test_pairs_are_kept_and_found_again_for_fewer_pictures(tmp_path: Path):
    shas = ("a" * 64, "b" * 64, "c" * 64, "d" * 64)
    pairs = nearness.find([code(0), code(1), code(2), code(60)], unit(0, 1, 2, 3))
    path = tmp_path / "pairs.npz"
    nearness.save(path, "facts", nearness.Known(shas, pairs))
    assert [item.name for item in tmp_path.iterdir()] == ["pairs.npz"]
    known = nearness.load(path, "facts")
    assert known is not None
    same = known.among(shas)
    assert same is not None and same.rows.tolist() == pairs.rows.tolist()
    fewer = known.among((shas[0], shas[2]))
    assert fewer is not None
    assert (fewer.rows.tolist(), fewer.bits.tolist()) == ([[0, 1]], [2])
    assert known.among((*shas, "e" * 64)) is None


def test_a_file_of_other_facts_or_no_file_at_all_is_no_answer(tmp_path: Path):
    path = tmp_path / "pairs.npz"
    assert nearness.load(path, "facts") is None
    nearness.save(path, "facts", nearness.Known((), nearness.find([], np.zeros((0, 2)))))
    assert nearness.load(path, "facts") is not None
    assert nearness.load(path, "other facts") is None
    for damaged in (path.read_bytes()[:100], b"", b"PK nothing of the kind"):
        path.write_bytes(damaged)
        assert nearness.load(path, "facts") is None


def test_a_place_that_cannot_be_written_costs_only_the_keeping(tmp_path: Path):
    nearness.save(
        tmp_path / "no" / "folder" / "x.npz",
        "f",
        nearness.Known((), nearness.find([], np.zeros((0, 2)))),
    )
    assert not list(tmp_path.iterdir())


def test_a_crowd_of_likes_is_told_apart_but_one_scene_is_not():
    n = 40
    rows = np.array([[i, i + 1] for i in range(n - 1)])
    none = np.zeros((0, 2), np.int64)
    chain = nearness.Pairs(rows, np.zeros(n - 1, np.int64), np.full(n - 1, 0.91))
    links, notes = nearness.scenes_apart(chain, none, ["x"] * n, 0.88)
    assert len(links) == 0 and "'x'" in notes[0] and "0.92" in notes[0]
    film = nearness.Pairs(rows, np.zeros(n - 1, np.int64), np.full(n - 1, 0.99))
    links, notes = nearness.scenes_apart(film, none, ["x"] * n, 0.88)
    assert len(links) == n - 1
    # Links that stand anyway are never loosened, and a small group is left as it is.
    links, notes = nearness.scenes_apart(chain, rows, ["x"] * n, 0.88)
    assert len(links) == 0
    few = nearness.Pairs(rows[:9], np.zeros(9, np.int64), np.full(9, 0.91))
    links, notes = nearness.scenes_apart(few, none, ["x"] * 10, 0.88)
    assert len(links) == 9 and not notes


def test_of_very_many_scene_pairs_only_those_that_make_the_groups_are_kept(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(3)
    n = 1500  # more than one block; all alike, at many cosines
    vectors = (rng.normal(size=(1, 48)) * 2 + rng.normal(size=(n, 48))).astype(np.float32)
    rows, cosines = similarity.cosine_pairs(vectors, 0.7)
    found = nearness.scenes(vectors, 0.7)
    assert found.thinned and len(rows) > 100 * n and len(found.rows) <= 65 * n
    for least in (0.7, 0.8, 0.84, 0.88, 0.9, 0.92):
        all_of_them = similarity.groups(n, rows[cosines >= least])
        assert 1 <= len(np.unique(all_of_them)) <= n
        np.testing.assert_array_equal(
            similarity.groups(n, found.rows[found.cosines >= least]), all_of_them
        )
    none = np.empty((0, 2), np.int64)
    whole = nearness.Pairs(rows, np.zeros(len(rows), np.int64), cosines)
    ours, notes = nearness.scenes_apart(found, none, ["a"] * n, 0.7)
    theirs, same_notes = nearness.scenes_apart(whole, none, ["a"] * n, 0.7)
    np.testing.assert_array_equal(similarity.groups(n, ours), similarity.groups(n, theirs))
    assert notes == same_notes
    # A forest says nothing of a part of the pictures: without its root, branches fall apart.
    shas = tuple(f"{i:064x}" for i in range(n))
    nearness.save(tmp_path / "s.npz", "f", nearness.Known(shas, found))
    known = nearness.load(tmp_path / "s.npz", "f")
    assert known is not None and known.among(shas) is not None
    assert known.among(shas[1:]) is None
