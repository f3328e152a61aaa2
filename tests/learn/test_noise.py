"""Planted wrong labels come out first."""

from __future__ import annotations

import numpy as np

from tellapart.learn import head, noise


def test_planted_labels_have_the_lowest_quality() -> None:
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], 60)
    rows = (rng.normal(size=(180, 20)) + 3 * np.eye(20)[y]).astype(np.float32)
    planted = rng.choice(180, 9, replace=False)
    wrong = y.copy()
    wrong[planted] = (y[planted] + 1) % 3
    fitted = head.fit(rows, wrong, n_classes=3)
    assert fitted.out_of_fold is not None
    quality = noise.label_issues(fitted.out_of_fold, wrong)
    assert quality.min() >= 0 and quality.max() <= 1
    lowest = np.argsort(quality, kind="stable")[:9]
    assert len(set(lowest.tolist()) & set(planted.tolist())) >= 8


def test_rows_that_were_not_held_out_are_not_doubted() -> None:
    chances = [[0.9, 0.1], [np.nan, np.nan], [0.8, 0.2]]
    assert noise.label_issues(chances, [0, 1, 1]).round(6).tolist() == [0.9, 1.0, 0.2]
    assert noise.label_issues([[np.nan, np.nan]], [0]).tolist() == [1.0]
    assert noise.label_issues(np.empty((0, 2)), []).tolist() == []


def test_a_class_without_rows_is_no_trouble() -> None:
    chances = [[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]]
    assert noise.label_issues(chances, [0, 0]).round(6).tolist() == [0.7, 0.1]
