"""What a careless split would claim: exact, and higher where copies leak."""

from __future__ import annotations

import numpy as np
import pytest

from tellapart.learn import grouping, head


def _blobs(n: int, classes: int, seed: int, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    centers = rng.normal(size=(classes, 24))
    return (centers[y] + spread * rng.normal(size=(n, 24))).astype(np.float32), y


def test_held_out_answers_are_those_of_a_refit() -> None:
    features, y = _blobs(90, 3, 0, 2.0)
    shares = grouping.Ridge(features, y).right(None)
    rows = features - features.mean(axis=0)
    rows = rows / np.sqrt((rows**2).sum(axis=1).mean())
    rows = np.hstack([rows, np.ones((90, 1))]).astype(np.float64)
    hits = np.zeros(90)
    for draw in range(3):
        folds = head.folds(y, None, 5, draw)
        for fold in range(5):
            held = folds == fold
            own = rows[~held]
            inner = own.T @ own + grouping._PENALTY * np.eye(25)
            weight = np.linalg.solve(inner, own.T @ np.eye(3)[y[~held]])
            hits[held] += (rows[held] @ weight).argmax(axis=1) == y[held]
    assert np.allclose(shares, hits / 3)
    assert 0 < shares.mean() < 1


def test_copies_flatter_a_naive_split_and_groups_tell() -> None:
    # Noise without any class in it, every row there five times: only copies can be told.
    rng = np.random.default_rng(1)
    base = rng.normal(size=(40, 64))
    features = np.repeat(base, 5, axis=0) + 0.01 * rng.normal(size=(200, 64))
    y = np.repeat(np.arange(40) % 2, 5)
    twins = [str(row // 5) for row in range(200)]
    naive, ours, points = grouping.curve(features, y, twins)
    assert naive.accuracy > 0.95
    assert ours.accuracy < 0.7
    assert ours.low < ours.accuracy < ours.high
    assert naive.grouped == 0.0
    assert ours.grouped == 1.0
    assert points[0].cosine == grouping.COSINES[0]
    assert points[0].accuracy == pytest.approx(ours.accuracy, abs=0.1)


def test_the_curve_ends_where_one_group_outgrows_its_class() -> None:
    features, y = _blobs(60, 2, 2, 0.01)
    _, _, points = grouping.curve(features, y, [str(row) for row in range(60)])
    assert points == []


def test_the_same_on_any_number_of_threads() -> None:
    from threadpoolctl import threadpool_limits

    features, y = _blobs(300, 4, 3, 2.5)
    given = [str(row // 2) for row in range(300)]
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append(grouping.curve(features, y, given))
    assert found[0] == found[1]
