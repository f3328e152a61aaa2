"""Learning curves on numbers of known difficulty, and what is foretold against what comes true."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tellapart.errors import DataError
from tellapart.learn import curve, head
from tellapart.learn.extrapolate import Law

CLASSES = ("a", "b", "c")


def drawn(each: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """`each` rows a class around three points, in 30 dimensions."""
    middles = np.random.default_rng(1).normal(size=(3, 30)) * 0.5
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(3), each)
    return (middles[y] + rng.normal(size=(len(y), 30))).astype(np.float32), y


def test_what_is_foretold_comes_true() -> None:
    test = drawn(1500, seed=99)
    held = 0
    for seed in range(10):
        big = drawn(80, seed)
        small = np.concatenate([np.flatnonzero(big[1] == k)[:40] for k in range(3)])
        found = curve.fit(big[0][small], big[1][small], None, CLASSES, seed=seed)
        truth = head.fit(*big, n_classes=3).probabilities(test[0]).argmax(axis=1) == test[1]
        ahead = found.ahead[0]
        assert ahead.factor == 2 and ahead.n == 240
        assert ahead.low < ahead.accuracy < ahead.high <= 1
        # Not so wide that it says nothing.
        assert ahead.high - ahead.low < 0.25
        held += ahead.low <= truth.mean() <= ahead.high
    assert held >= 8


def test_the_curve_is_made_of_what_was_measured() -> None:
    X, y = drawn(60, 0)  # noqa: N806
    found = curve.fit(X, y, None, CLASSES)
    sizes = [one.n for one in found.points]
    assert sizes == sorted(sizes) and sizes[-1] == 144 and found.folds == 5
    assert found.points[0].accuracy < found.points[-1].accuracy
    assert all(one.low <= one.accuracy <= one.high for one in found.points)
    line = found.line(9)
    assert line[0].n == sizes[0] and line[-1].n == 5 * 180
    assert [one.accuracy for one in line] == sorted(one.accuracy for one in line)
    wide = [one.high - one.low for one in found.ahead]
    assert found.now.high - found.now.low < wide[0]
    tested = found.at(2.0, tested=50)
    assert tested.high - tested.low > wide[0]
    assert curve.fit(X, y, None, CLASSES).to_dict() == found.to_dict()
    assert found.to_dict()["now"]["n"] == 180
    assert curve.fit(X, y, None, CLASSES, now=90).ahead[0].n == 180


def test_the_class_that_is_told_worst_is_worth_most() -> None:
    X, y = drawn(80, 0)  # noqa: N806
    X = X + np.random.default_rng(5).normal(size=X.shape).astype(np.float32)  # noqa: N806
    few = np.concatenate([np.flatnonzero(y == 0)[:16], np.flatnonzero(y != 0)])
    found = curve.fit(X[few], y[few], None, CLASSES)
    first = found.classes[0]
    assert first.name == "a" and first.n == 16 and first.more == 50
    assert first.low < first.gain < first.high
    assert {one.name for one in found.classes} == set(CLASSES)


def test_groups_are_not_torn_apart() -> None:
    """Ten copies of each row: alone they look easy, in groups as hard as they are."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 30)).astype(np.float32), np.arange(60) % 3  # noqa: N806
    X, y, teams = np.repeat(X, 10, axis=0), np.repeat(y, 10), np.repeat(np.arange(60), 10)  # noqa: N806
    together = curve.fit(X, y, teams, CLASSES)
    assert together.points[-1].accuracy < 0.6
    assert curve.fit(X, y, None, CLASSES).points[-1].accuracy > 0.85
    # Sixty unrelated rows judge, not six hundred.
    last = together.points[-1]
    assert last.high - last.low > 0.15


def test_a_test_of_its_own_judges_alone() -> None:
    X, y = drawn(60, 0)  # noqa: N806
    other, truth = drawn(40, 7)
    # The official test is labelled by chance: nothing helps there.
    blind = np.random.default_rng(0).permutation(truth)
    tested = np.arange(len(y) + len(blind)) >= len(y)
    both = np.concatenate([X, other]), np.concatenate([y, blind])
    found = curve.fit(*both, None, CLASSES, tested=tested)
    assert found.points[-1].n == len(y) and found.folds == 1
    assert found.points[-1].accuracy < 0.5 and found.now.n == len(y)


def test_large_sets_are_drawn_from() -> None:
    X, y = drawn(700, 0)  # noqa: N806
    found = curve.fit(X, y, None, CLASSES)
    assert abs(found.pictures - curve.MOST_ROWS) <= 3
    assert found.now.n == 2100 and found.classes[0].n == 700


@pytest.mark.parametrize("counts", [(4, 40, 40), (0, 40, 40)])
def test_too_few_pictures_are_no_curve(counts: tuple[int, ...]) -> None:
    X, y = drawn(40, 0)  # noqa: N806
    few = np.concatenate([np.flatnonzero(y == k)[:n] for k, n in enumerate(counts)])
    with pytest.raises(DataError, match=f"{counts[0]} unrelated pictures"):
        curve.fit(X[few], y[few], None, CLASSES)


def test_no_error_seen_is_not_none_ever() -> None:
    law = Law.fit(np.array([40.0, 80.0]), np.zeros((100, 2)), np.arange(100))
    middle, low, high = law.quantiles(160, (0.5, 0.05, 0.95))
    assert 0 < low < middle < high and 0.005 < high < 0.1
