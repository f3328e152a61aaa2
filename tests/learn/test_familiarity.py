"""The bank, scores with and without one's own group, and the threshold's promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellapart.errors import DataError, InputError
from tellapart.learn import familiarity


def test_the_bank_is_even_over_classes_drawn_by_seed_and_of_length_one() -> None:
    y = np.repeat([0, 1, 2], [500, 40, 10])
    rows = np.random.default_rng(0).normal(size=(550, 8)).astype(np.float32)
    chosen = familiarity.bank_rows(y, 100, 0)
    assert np.bincount(y[chosen]).tolist() == [50, 40, 10]
    assert len(set(chosen.tolist())) == 100 and (np.diff(chosen) > 0).all()
    assert not np.array_equal(chosen, familiarity.bank_rows(y, 100, 1))
    bank = familiarity.build_bank(rows, y, 100, 0)
    assert bank.shape == (100, 8) and np.allclose(np.linalg.norm(bank, axis=1), 1, atol=1e-6)
    assert len(familiarity.build_bank(rows, y, 1000, 0)) == 550


def test_the_score_is_the_mean_cosine_of_the_nearest() -> None:
    bank = np.array([[1, 0], [0, 1], [-1, 0]], dtype=np.float32)
    half = np.sqrt(0.5)
    scores = familiarity.score([[5, 5], [0, 2], [0, 0]], bank, 2)
    assert scores == pytest.approx([half, 0.5, 0.0])
    # With fewer rows than k all count.
    assert familiarity.score([[0, 2]], bank, 9) == pytest.approx([1 / 3])
    with pytest.raises(DataError):
        familiarity.score([[1, 2]], bank[:0], 2)


def test_a_row_is_not_compared_with_its_own_group() -> None:
    rows = np.array([[1, 0], [1, 0.01], [0, 1], [-1, 0]], dtype=np.float32)
    groups = ["twin", "twin", "b", "c"]
    scores = familiarity.held_out_score(rows, groups, [0, 1, 2, 3], 1)
    assert scores[0] == pytest.approx(0.0, abs=1e-6)
    assert scores[1] == pytest.approx(0.01, abs=1e-3)
    alone = familiarity.held_out_score(rows[:2], ["a", "a"], [0, 1], 3)
    assert np.isnan(alone).all()


def test_scores_cross_the_blocks() -> None:
    rows = np.random.default_rng(0).normal(size=(2100, 16)).astype(np.float32)
    bank = familiarity.build_bank(rows[:300], np.zeros(300, int), 300, 0)
    whole = familiarity.score(rows, bank, 5)
    assert whole[2000:] == pytest.approx(familiarity.score(rows[2000:], bank, 5))
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    slow = np.sort(unit @ bank.T, axis=1)[:, -5:].mean(axis=1)
    assert whole == pytest.approx(slow, abs=1e-5)


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=200), st.floats(0, 0.5))
def test_the_threshold_refuses_no_more_than_it_may(scores: list[float], refuse: float) -> None:
    least = familiarity.threshold(scores, refuse)
    assert (np.array(scores) < least).mean() <= refuse
    # A new picture is as likely as each known one to be the least familiar of them all.
    assert ((np.array(scores) < least).sum() + 1) / (len(scores) + 1) <= max(
        refuse, 1 / (len(scores) + 1)
    ) + 1e-9


def test_the_threshold_keeps_its_promise_on_new_pictures() -> None:
    rng = np.random.default_rng(0)
    refused = [
        (rng.normal(size=500) < familiarity.threshold(rng.normal(size=150), 0.03)).mean()
        for _ in range(200)
    ]
    assert 0.015 < np.mean(refused) < 0.032


def test_thresholds_of_few_or_no_scores() -> None:
    assert familiarity.threshold([0.5, 0.7, np.nan], 0.03) == 0.5
    assert familiarity.threshold([0.5, 0.7], 0.0) == 0.5
    with pytest.raises(DataError):
        familiarity.threshold([np.nan], 0.03)
    with pytest.raises(InputError, match=r"1\.5"):
        familiarity.threshold([0.5], 1.5)
