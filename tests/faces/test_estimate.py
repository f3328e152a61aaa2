"""Estimated ages: they may refuse, they never admit."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellapart.errors import DataError
from tellapart.learn.faces import AgeEstimate
from tellapart.learn.faces.errors import calibrated

_any = st.floats(allow_nan=True, allow_infinity=True)
_years = st.floats(0, 120)
_error = st.floats(0.5, 40)


@given(_any, _any, _any)
def test_clearly_adult_is_at_least_two_errors_above_18(
    years: float, error: float, bias: float
) -> None:
    said = AgeEstimate(years, error, bias).clearly_adult
    assert isinstance(said, bool)
    least = min(years, years + bias) - 2 * error
    if not all(map(math.isfinite, (years, error, bias))) or error <= 0 or least < 18:
        assert not said
    else:
        assert said


@given(_years, _error, st.floats(0, 20))
def test_a_bias_that_raises_ages_never_makes_an_adult(
    years: float, error: float, bias: float
) -> None:
    plain, raised = AgeEstimate(years, error), AgeEstimate(years, error, bias)
    assert raised.clearly_adult == plain.clearly_adult
    lowered = AgeEstimate(years, error, -bias)
    assert plain.clearly_adult or not lowered.clearly_adult


def test_the_usual_error_refuses_below_33() -> None:
    assert not AgeEstimate(32, 7.2, 8).clearly_adult
    assert AgeEstimate(33, 7.2, 8).clearly_adult


@given(_years, _error, st.floats(-20, 20), _years, _years)
def test_chances_grow_with_the_limit(
    years: float, error: float, bias: float, first: float, second: float
) -> None:
    estimate = AgeEstimate(years, error, bias)
    low, high = estimate.under(min(first, second)), estimate.under(max(first, second))
    assert 0 <= low <= high <= 1
    assert estimate.under(estimate.likely) == pytest.approx(0.5)
    assert estimate.under(estimate.likely + error) == pytest.approx(0.8413, abs=1e-3)


def test_what_is_no_number_says_nothing() -> None:
    assert AgeEstimate(math.nan, 7).under(50) == 0.5
    assert AgeEstimate(40, math.nan).under(50) == 0.5
    assert AgeEstimate(40, 0).under(50) == 0.5


def test_errors_are_found_on_known_ages() -> None:
    said = list(range(20, 60))
    found = calibrated(said, [14 + 0.8 * year + (-1) ** year * 3 for year in said])
    assert found.bias == pytest.approx(14, abs=1)
    assert found.slope == pytest.approx(0.8, abs=0.02)
    assert found.error == pytest.approx(3.08, abs=0.02)
    assert found.estimate(50).likely == pytest.approx(54, abs=0.5)
    assert calibrated([30] * 10, list(range(40, 50))).slope == 1
    with pytest.raises(DataError, match="3 estimates"):
        calibrated([1, 2, 3], [1, 2, 3])
