"""Whether a variant may stand for the exact model: shares, intervals, losses, calibration."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellapart.bundle.agreement import compare, wilson
from tellapart.learn import calibration, metrics


def odds(tops: list[int], classes: int = 3, sure: float = 0.9) -> np.ndarray:
    found = np.full((len(tops), classes), (1 - sure) / (classes - 1))
    found[np.arange(len(tops)), tops] = sure
    return found


def test_the_same_answers_agree() -> None:
    exact = odds([0, 1, 2] * 40)
    found = compare(exact, exact.copy(), np.array([0, 1, 2] * 40))
    assert (found.top1, found.points, found.log_loss, found.ece) == (1.0, 0.0, 0.0, 0.0)
    assert found.faults == [] and found.few and found.accuracy == 1.0
    json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.parametrize(("count", "differ", "good"), [(1000, 10, True), (1000, 11, False)])
def test_one_in_a_hundred_may_differ(count: int, differ: int, good: bool) -> None:
    exact = odds([0] * count)
    other = odds([1] * differ + [0] * (count - differ))
    found = compare(exact, other)
    assert (not found.faults) is good
    assert found.labelled == 0 and found.points is None and not found.few


@pytest.mark.parametrize(("count", "lost", "good"), [(1000, 5, True), (1000, 6, False)])
def test_half_a_point_may_be_lost(count: int, lost: int, good: bool) -> None:
    right = np.zeros(count, np.int64)
    # Before, some pictures were wrong; only the net loss counts.
    exact = odds([1] * 4 + [0] * (count - 4), sure=0.4)
    other = odds([0] * 4 + [1] * (lost + 4) + [0] * (count - lost - 8), sure=0.4)
    found = compare(exact, other, right)
    assert found.points == pytest.approx(100 * lost / count)
    assert any("points" in fault for fault in found.faults) is not good


@pytest.mark.parametrize(
    ("count", "differ", "good"),
    [(8, 0, True), (8, 1, False), (60, 1, False), (99, 1, False), (100, 1, True), (185, 1, True)],
)
def test_the_share_counts_however_few_the_pictures_are(count: int, differ: int, good: bool) -> None:
    exact = odds([0] * count, sure=0.4)
    found = compare(exact, odds([1] * differ + [0] * (count - differ), sure=0.4))
    assert (not found.faults) is good


def test_a_fault_of_few_pictures_says_how_little_they_prove() -> None:
    exact = odds([0] * 8)
    (fault,) = compare(exact, odds([1] + [0] * 7)).faults
    assert "agrees on 87.5 % of 8 pictures" in fault and "52.9 % to 97.8 %" in fault
    many = odds([0] * 1000)
    (fault,) = compare(many, odds([1] * 50 + [0] * 950)).faults
    assert fault == "agrees on 95.0 % of 1000 pictures"


@pytest.mark.parametrize(("known", "good"), [(185, True), (100, True), (99, False), (4, False)])
def test_one_lost_picture_of_a_hundred_with_a_class_is_the_least_that_can_differ(
    known: int, good: bool
) -> None:
    right = np.array([0] * known + [-1] * (400 - known))
    exact = odds([0] * 400, sure=0.34)
    found = compare(exact, odds([1] + [0] * 399, sure=0.34), right)
    assert found.points == pytest.approx(100 / known)
    assert any("points" in fault for fault in found.faults) is not good
    two = compare(exact, odds([1, 1] + [0] * 398, sure=0.34), right)
    assert any("points" in fault for fault in two.faults)


def test_calibration_must_be_kept() -> None:
    right = np.array([0] * 90 + [1] * 10)
    exact = odds([0] * 100, sure=0.9)
    surer = compare(exact, odds([0] * 100, sure=0.999), right)
    assert surer.top1 == 1.0 and surer.points == 0.0
    assert any("log loss" in f for f in surer.faults)
    assert any("calibration" in f for f in surer.faults)


def test_pictures_without_a_class_count_for_the_share_alone() -> None:
    exact = odds([0, 1, 2, 0])
    found = compare(exact, odds([0, 1, 2, 1]), np.array([0, 1, -1, -1]))
    assert (found.pictures, found.labelled, found.top1, found.points) == (4, 2, 0.75, 0.0)


def test_shapes_that_do_not_fit_are_refused() -> None:
    for one, two in ((odds([0]), odds([0, 1])), (odds([]), odds([])), (np.ones(3), np.ones(3))):
        with pytest.raises(ValueError, match="shapes"):
            compare(one, two)


@given(tries=st.integers(0, 500), data=st.data())
def test_figures_are_those_of_training(tries: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, tries))
    assert wilson(hits, tries) == metrics.wilson(hits, tries)


def test_the_calibration_error_is_that_of_training() -> None:
    rng = np.random.default_rng(1)
    one, two = rng.dirichlet(np.ones(4), 300), rng.dirichlet(np.ones(4), 300)
    y = rng.integers(0, 4, 300)
    found = compare(one, two, y)
    assert found.ece == pytest.approx(calibration.ece(two, y) - calibration.ece(one, y), abs=1e-6)
