"""When there are enough pictures, by learning curves whose law is known."""

from __future__ import annotations

import numpy as np
import pytest

from tellapart.learn.collecting import Worth, contradicted, weigh
from tellapart.learn.curve import Curve, Forecast
from tellapart.learn.extrapolate import Law


def curve(last: float, exponent: float, kept: int, floor: float = 0.0, n: int = 0) -> Curve:
    """As measured on `kept` pictures whose error has come down to `last` by that law."""
    sizes = 0.56 * kept * 2.0 ** (-np.arange(7)[::-1] / 2)
    errors = floor + (last - floor) * (sizes / sizes[-1]) ** -exponent
    rng = np.random.default_rng(0)
    # The same pictures are hard at all sizes.
    wrong = (rng.random((max(n, kept), 1)) < errors).astype(float)
    law = Law.fit(sizes, wrong, np.arange(len(wrong)))
    now = round(0.7 * kept)
    middle = 1 - law.quantiles(now, (0.5,))[0]
    return Curve((), Forecast(1.0, now, middle, middle, middle), (), (), kept, 5, law)


def test_a_flat_curve_is_enough_and_a_steep_one_is_not() -> None:
    flat = weigh(curve(0.004, 0.5, 400, n=4000), 400, 0.2)
    assert flat.enough and flat.hundred < 0.2 and flat.aim == 400
    steep = weigh(curve(0.2, 0.5, 200), 200, 0.2)
    assert not steep.enough and steep.hundred > 0.2
    assert 250 <= steep.aim <= 400


def test_the_long_view_keeps_large_sets_going() -> None:
    # A hundred more of 5,000 bring almost nothing; 15,000 more would bring points.
    found = weigh(curve(0.08, 0.5, 5000), 5000, 0.2)
    assert found.hundred < 0.2 < found.fourfold
    assert not found.enough


def test_who_asks_for_less_stops_sooner() -> None:
    there = curve(0.05, 0.5, 300)
    asked = [weigh(there, 300, least).enough for least in (0.01, 0.2, 1.0, 5.0)]
    assert asked == sorted(asked) and asked[-1] and not asked[0]
    aims = [weigh(there, 300, least).aim for least in (0.01, 0.2, 1.0)]
    assert aims == sorted(aims, reverse=True)


def test_a_gain_stays_below_its_bound_as_often_as_is_said() -> None:
    law = curve(0.05, 0.5, 300).law
    bounds = [law.gain_below(200, 800, share) for share in (0.1, 0.5, 0.9, 0.99)]
    assert bounds == sorted(bounds)
    mean, _ = law.gain(200, 800)
    assert bounds[0] < mean < bounds[2]


def test_worth_is_told_in_points_with_all_its_figures() -> None:
    found = weigh(curve(0.2, 0.5, 200), 200, 0.2).to_dict()
    assert set(found) == set(Worth.__dataclass_fields__)
    assert found["kept"] == 200 and 0.7 < found["accuracy"] < 0.9
    assert found["hundred"] < found["fourfold"] < found["fourfold_high"]


def test_labels_are_contradicted_by_what_their_class_is_used_to() -> None:
    labels = [0, 0, 0, 1, 1, 1]
    quality = [0.9, 0.8, 0.1, 0.6, 0.5, 0.2]
    other = [1, 1, 1, 0, 0, 0]
    chance = [0.1, 0.2, 0.5, 0.4, 0.5, 0.7]
    # Class 1 is used to .43, class 0 to .6: the third and the last reach the other's.
    assert contradicted(labels, quality, other, chance).tolist() == [
        *(False, False, True, False, False, True)
    ]


@pytest.mark.parametrize("nobody", [2, 5])
def test_a_class_without_pictures_contradicts_nothing(nobody: int) -> None:
    assert contradicted([0, 1], [0.1, 0.1], [nobody, nobody], [0.9, 0.9]).tolist() == [False] * 2
    assert contradicted([], [], [], []).tolist() == []
