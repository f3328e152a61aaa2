"""Speakers for and against an answer, checked against heads fitted from scratch."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from tellapart.learn import head
from tellapart.learn.influence import Influence, speakers

Rows = NDArray[np.float32]


def drawn(n_classes: int, n: int = 60, seed: int = 0) -> tuple[Rows, NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    middles = rng.normal(size=(n_classes, 20)) * 0.6
    return (middles[y] + rng.normal(size=(n, 20)) + 2).astype(np.float32), y


def scratch(X: Rows, y: NDArray[np.int64], fitted: head.Head, asked: Rows) -> NDArray[np.float64]:  # noqa: N803
    """scikit-learn's own optimum, at the C and temperature of `fitted`."""
    center = X.mean(axis=0, dtype=np.float64)
    rows = X.astype(np.float64) - center
    scale = np.sqrt((rows**2).sum(axis=1).mean())
    model = LogisticRegression(C=fitted.C, class_weight="balanced", tol=1e-10, max_iter=10_000)
    model.fit(rows / scale, y)
    logits = model.decision_function((asked - center) / scale) / fitted.temperature
    if logits.ndim == 1:
        logits = np.stack([-logits, logits], axis=1) / 2
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(chances / chances.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_without_a_picture_it_is_as_never_trained_on(n_classes: int) -> None:
    X, y = drawn(n_classes)  # noqa: N806
    asked = drawn(n_classes, 12, seed=5)[0]
    fitted = head.fit(X, y, n_classes=n_classes)
    influence = Influence(X, y, fitted)
    assert np.abs(influence.chances(asked) - scratch(X, y, fitted, asked)).max() < 1e-3
    for row in (0, 7, 31):
        kept = np.delete(np.arange(len(y)), row)
        exact = scratch(X[kept], y[kept], fitted, asked)
        assert np.abs(influence.without(row, asked) - exact).max() < 1e-3
        # The picture matters more than what is lost by rounding.
        assert np.abs(exact - scratch(X, y, fitted, asked)).max() > 2e-3


def test_who_speaks_for_and_against_is_told_by_the_probability_without() -> None:
    X, y = drawn(3)  # noqa: N806
    fitted = head.fit(X, y, n_classes=3)
    asked = drawn(3, 3, seed=9)[0][1]
    found = speakers(X, y, fitted, asked, 1, count=2)
    assert found.label == 1 and found.pro and found.against
    assert len(found.pro) <= 2 and len(found.against) <= 2
    assert all(one.without < found.probability for one in found.pro)
    assert all(one.without > found.probability for one in found.against)
    moved = [abs(found.probability - one.without) for one in found.pro]
    assert moved == sorted(moved, reverse=True)
    for one in (*found.pro, *found.against):
        kept = np.delete(np.arange(len(y)), one.row)
        exact = scratch(X[kept], y[kept], fitted, asked[None])[0, 1]
        assert one.without == pytest.approx(exact, abs=1e-3)
        assert one.label == y[one.row]


def test_a_wrongly_labelled_twin_speaks_against() -> None:
    X, y = drawn(2, seed=3)  # noqa: N806
    asked = X[1] + 0.01
    X = np.concatenate([X, X[1:2]])  # noqa: N806
    y = np.append(y, 0)  # the twin of row 1, called 0
    fitted = head.fit(X, y, n_classes=2, C=30.0)
    found = speakers(X, y, fitted, asked, 1)
    assert found.against[0].row == len(y) - 1
    assert found.against[0].cosine > 0.999
    assert found.pro[0].row == 1


def test_the_last_picture_of_a_class_may_be_left_out() -> None:
    X, y = drawn(2, 20)  # noqa: N806
    X, y = np.concatenate([X, X[:1] + 9]), np.append(y, 2)  # noqa: N806
    fitted = head.fit(X, y, n_classes=3)
    chances = Influence(X, y, fitted).without(len(y) - 1, X)
    assert chances[:, 2].max() < 1e-6 and np.allclose(chances.sum(axis=1), 1)
