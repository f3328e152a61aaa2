"""Who does not belong: on classes made of numbers, and on real photographs where they are."""

from __future__ import annotations

import numpy as np

from tellapart.learn import outliers


def cloud(seed: int, n: int, center: int, dim: int = 64, spread: float = 0.6) -> np.ndarray:
    """`n` vectors around one axis."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(0, spread / np.sqrt(dim), (n, dim))
    rows[:, center] += 1
    return rows.astype(np.float32)


def test_strangers_score_below_the_default_and_own_pictures_above():
    own, strangers = cloud(0, 60, 0), cloud(1, 5, 7)
    scores = outliers.belonging(np.concatenate([own, strangers]), np.zeros(65))
    assert scores[:60].min() > 0.8
    assert scores[60:].max() < 0.65


def test_strangers_of_one_kind_do_not_vouch_for_each_other():
    crowd = cloud(1, 9, 7, spread=0.05)
    scores = outliers.belonging(np.concatenate([cloud(0, 60, 0), crowd]), np.zeros(69))
    assert scores[60:].max() < 0.65


def test_a_tight_class_does_not_turn_away_its_own_variety():
    tight = cloud(0, 60, 0, spread=0.1)
    turned = np.zeros((1, 64), np.float32)
    turned[0, :2] = (0.7, 0.71)  # cosine .7 with its class, where the others have .99
    scores = outliers.belonging(np.concatenate([tight, turned]), np.zeros(61))
    assert scores[60] > 0.9


def test_in_an_even_class_a_doubted_label_makes_the_difference():
    tight = cloud(0, 60, 0, spread=0.1)
    odd = np.zeros((1, 64), np.float32)
    odd[0, :2] = (0.7, 0.71)
    rows, kinds = np.concatenate([tight, odd]), np.zeros(61)
    sure, doubted = np.full(61, 0.97), np.full(61, 0.97)
    doubted[60] = 0.05
    assert outliers.belonging(rows, kinds, sure)[60] > 0.9
    assert outliers.belonging(rows, kinds, doubted)[60] < 0.65
    assert outliers.belonging(rows, kinds, doubted)[:60].min() > 0.9


def test_small_classes_are_not_judged():
    rows = np.concatenate([cloud(0, outliers.FEWEST - 1, 0), cloud(1, outliers.FEWEST, 1)])
    kinds = np.repeat([0, 1], [outliers.FEWEST - 1, outliers.FEWEST])
    scores = outliers.belonging(rows, kinds, np.full(len(rows), 0.1))
    assert np.isnan(scores[kinds == 0]).all()
    assert not np.isnan(scores[kinds == 1]).any()


def test_order_changes_nothing():
    rows = np.concatenate([cloud(0, 30, 0), cloud(1, 30, 1)])
    kinds = np.repeat([0, 1], 30)
    order = np.random.default_rng(3).permutation(60)
    assert np.array_equal(
        outliers.belonging(rows, kinds)[order], outliers.belonging(rows[order], kinds[order])
    )


def test_fit_tells_another_class_from_none():
    rows = np.concatenate([cloud(0, 30, 0), cloud(1, 30, 1), cloud(2, 1, 1), cloud(3, 1, 9)])
    kinds = np.array([0] * 30 + [1] * 30 + [0, 0])
    fit = outliers.fit_to(rows, kinds, np.ones(62))
    assert fit[60] > 0.8 > fit[61]
    assert np.median(fit[30:60]) == 1.0


def test_zeros_are_near_to_nobody():
    rows = np.concatenate([cloud(0, 20, 0), np.zeros((1, 64), np.float32)])
    assert outliers.belonging(rows, np.zeros(21))[20] == 0
