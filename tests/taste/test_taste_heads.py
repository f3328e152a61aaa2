"""A head: few bytes, the same answers after them, and nothing but its own labels in it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellapart.errors import DataError, InputError, VerificationError
from tellapart.learn.taste import Labelled, Pool, Taste, anew, fit
from tellapart.learn.taste.fitting import held_out
from tellapart.learn.taste.wholes import fit_whole
from tests.taste.conftest import DIM, Stream, stream

NUMBERS = st.floats(-50, 50, width=32)


@given(
    weight=st.lists(NUMBERS, min_size=1, max_size=20),
    bias=NUMBERS,
    base=st.text(max_size=30),
    whole=st.tuples(NUMBERS, NUMBERS, NUMBERS),
)
def test_bytes_bring_a_head_back(
    weight: list[float], bias: float, base: str, whole: tuple[float, float, float]
) -> None:
    head = Taste(
        np.array(weight, np.float32), bias, base=base, likes=3, passes=4, whole_weights=whole
    )
    found = Taste.from_bytes(head.to_bytes())
    assert np.array_equal(found.weight, head.weight)
    assert found.to_bytes() == head.to_bytes()
    assert (found.base, found.labels, found.whole_weights) == (base, 7, whole)


@given(data=st.binary(max_size=200))
def test_other_bytes_are_refused(data: bytes) -> None:
    for one in (data, b"TASTE1\n" + data):
        with pytest.raises(VerificationError):
            Taste.from_bytes(one)


@given(place=st.integers(0, 10_000), value=st.integers(0, 255))
def test_a_damaged_head_is_refused_or_whole(place: int, value: int) -> None:
    good = bytearray(Taste(np.ones(8, np.float32), 0.5).to_bytes())
    good[place % len(good)] = value
    try:
        found = Taste.from_bytes(bytes(good))
    except VerificationError:
        return
    assert np.isfinite(found.score(np.zeros((1, found.dim)))).all()


def test_a_head_of_the_embedded_backbone_takes_little_room() -> None:
    assert len(Taste(np.ones(1280, np.float32), 0.1, base="x" * 120).to_bytes()) < 12_000


def test_features_of_another_length_are_refused() -> None:
    with pytest.raises(InputError, match="head of 8"):
        Taste(np.ones(8, np.float32), 0.0).score(np.ones((2, 9)))


def test_a_score_does_not_depend_on_what_is_asked_beside_it(made: Stream) -> None:
    head = fit(made.labelled(np.arange(60)))
    together = head.score(made.rows)
    assert np.array_equal(together, [float(head.score(row)[0]) for row in made.rows])
    assert np.array_equal(together[::-1], head.score(made.rows[::-1]))


def test_the_map_s_mean_is_the_logit() -> None:
    rng = np.random.default_rng(0)
    places = rng.normal(size=(DIM, 7, 7)).astype(np.float32)
    head = Taste(rng.normal(size=DIM).astype(np.float32), 0.3)
    heat = head.map(places)
    assert heat.shape == (7, 7)
    assert float(heat.mean()) == pytest.approx(float(head.logits(places.mean((1, 2)))[0]), abs=1e-4)


def test_whole_candidates() -> None:
    head = Taste(np.array([1.0], np.float32), 0.0)
    pool = Pool.of([[2.0], [-1.0], [0.5]], ["b", "a", "b"])
    names, scores = head.judge(pool, rule="first")
    assert names.tolist() == ["b", "a"]
    assert scores == pytest.approx([1 / (1 + np.exp(-2.0)), 1 / (1 + np.exp(1.0))])
    assert head.judge(pool)[1][0] == pytest.approx(1 / (1 + np.exp(-1.25)))
    assert head.whole([None, None]) is None
    both = head.score([[2.0], [0.5]]).tolist()
    assert head.whole([both[0], None, both[1]]) == pytest.approx(head.judge(pool)[1][0])


def test_the_best_picture_counts_where_labels_say_so() -> None:
    rng = np.random.default_rng(0)
    numbers = np.repeat(np.arange(200), 3)
    logits = rng.normal(-2, 1, 600)
    likes = rng.random(200) < 0.5
    logits[np.arange(200)[likes] * 3] = 3.0  # one good picture is enough
    mean, most, _ = fit_whole(logits, numbers, likes)
    assert most > mean
    assert fit_whole(logits[:9], numbers[:9], likes[:3]) == (1.0, 0.0, 0.0)


def test_it_learns_and_tells_what_it_learned_from(made: Stream) -> None:
    labelled, rest = made.labelled(np.arange(120)), np.arange(120, 300)
    head = fit(labelled, base="b")
    assert (head.likes, head.passes) == labelled.counts()
    assert (head.base, head.tuned_at) == ("b", 120)
    assert made.right(head, rest) > 0.9 > made.likes[rest].mean()
    assert fit(labelled, base="b").to_bytes() == head.to_bytes()
    chances = held_out(labelled, head)
    assert ((chances >= 0.4) == labelled.answers()).mean() > 0.9


def test_another_label_goes_on_from_the_last_head(made: Stream) -> None:
    first = fit(made.labelled(np.arange(100)))
    more = fit(made.labelled(np.arange(101)), start=first)
    assert (more.C, more.temperature, more.tuned_at) == (first.C, first.temperature, 100)
    assert more.labels == 101
    assert fit(made.labelled(np.arange(130)), start=first).tuned_at == 130
    # A head on other features is no beginning.
    assert fit(made.labelled(np.arange(101)), start=first, base="other").tuned_at == 101


def test_many_labels_are_tuned_by_some_of_them() -> None:
    made = stream(700)  # some 1,400 pictures
    head = fit(made.labelled(np.arange(600)))
    assert (head.labels, head.tuned_at) == (600, 600)
    assert made.right(head, np.arange(600, 700)) > 0.9


def test_a_candidate_counts_once_however_many_pictures() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(20, 4)).astype(np.float32)
    likes, names = rows[:, 0] > 0, [f"c{i}" for i in range(20)]
    plain = fit(Labelled.of(rows, likes, names))
    doubled = fit(Labelled.of(np.repeat(rows, 2, 0), np.repeat(likes, 2), np.repeat(names, 2)))
    assert doubled.score(rows) == pytest.approx(plain.score(rows), abs=0.02)


def test_labels_that_teach_nothing() -> None:
    with pytest.raises(DataError, match="0 candidates are liked and 2 passed"):
        fit(Labelled.of(np.eye(2), [False, False], ["a", "b"]))
    two = fit(Labelled.of(np.eye(2), [True, False], ["a", "b"]))
    assert two.score(np.eye(2))[0] > 0.5 > two.score(np.eye(2))[1]
    with pytest.raises(InputError, match="liked and passed at once"):
        Labelled.of(np.eye(2), [True, False], ["a", "a"])
    with pytest.raises(InputError, match="shape"):
        Labelled.of(np.full((1, 2), np.nan), [True], ["a"])


def test_a_correction_moves_its_candidate_and_those_alike(made: Stream) -> None:
    ids, pool = np.arange(60), made.pool(np.arange(300))
    before = fit(made.labelled(ids))
    # A candidate of a liked look, that the person passes all the same.
    wrong = int(np.flatnonzero(made.likes[60:])[0]) + 60
    said = made.likes.copy()
    said[wrong] = False
    after = fit(made.labelled(np.append(ids, wrong), likes=said), start=before)
    found = anew(before, after, pool, f"c{wrong:03d}")
    assert found.after[wrong] < found.before[wrong]
    assert len(found.alike) == 20 and wrong not in found.alike
    moved = (found.after - found.before)[found.alike]
    assert moved.mean() < 0
    assert (np.diff(found.cosines) <= 0).all()
    assert np.isnan(anew(None, after, pool, "nobody").before).all()


def test_nobody_s_labels_move_another_s_scores(made: Stream) -> None:
    heads = [fit(made.labelled(np.arange(40 + n))) for n in range(3)]
    before = [head.judge(made.pool(np.arange(300)))[1] for head in heads]
    flipped = ~made.likes
    heads[1] = fit(made.labelled(np.arange(60), likes=flipped), start=heads[1])
    after = [head.judge(made.pool(np.arange(300)))[1] for head in heads]
    assert np.array_equal(before[0], after[0]) and np.array_equal(before[2], after[2])
    assert not np.array_equal(before[1], after[1])
