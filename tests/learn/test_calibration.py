"""Temperatures planted and found again; the calibration error by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tellapart.learn import calibration


@pytest.mark.parametrize("planted", [0.3, 1.0, 2.5])
def test_a_planted_temperature_is_found(planted: float) -> None:
    rng = np.random.default_rng(0)
    logits = 2 * rng.normal(size=(20_000, 3))
    chances = calibration.softmax(logits)
    y = (rng.random(20_000)[:, None] > chances.cumsum(axis=1)).sum(axis=1)
    found = calibration.fit_temperature(logits * planted, y)
    assert found == pytest.approx(planted, rel=0.05)
    before = calibration.ece(calibration.softmax(logits * planted), y)
    after = calibration.ece(calibration.softmax(logits * planted / found), y)
    assert after < 0.015 and after <= before + 0.005


def test_weights_count_rows_and_no_row_leaves_logits_alone() -> None:
    logits = np.array([[2.0, 0.0], [2.0, 0.0], [2.0, 0.0]])
    doubled = calibration.fit_temperature(logits, [0, 0, 1])
    assert calibration.fit_temperature(logits[1:], [0, 1], weights=[2, 1]) == doubled
    assert calibration.fit_temperature(np.empty((0, 2)), []) == 1.0


def test_a_separable_set_stays_within_bounds() -> None:
    assert calibration.fit_temperature([[5.0, 0.0]], [0]) == pytest.approx(0.05, rel=0.01)
    assert calibration.fit_temperature([[5.0, 0.0]], [1]) == pytest.approx(20, rel=0.01)


def test_calibration_error_by_hand() -> None:
    chances = [[0.9, 0.1], [0.9, 0.1], [0.62, 0.38], [0.62, 0.38]]
    # Bin of .9: half right, gap .4; bin of .62: all right, gap .38; each holds half.
    assert calibration.ece(chances, [0, 1, 0, 0]) == pytest.approx(0.39)
    assert calibration.ece([[1.0, 0.0]], [0]) == 0.0
    assert calibration.ece(np.empty((0, 2)), []) == 0.0


def test_softmax_of_huge_logits_is_finite() -> None:
    assert calibration.softmax([[1e4, 0.0], [-1e4, 0.0]]).tolist() == [[1.0, 0.0], [0.0, 1.0]]
