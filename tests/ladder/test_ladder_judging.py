"""The paired test: it seldom takes chance for a gain, and sees a gain that is there."""

from __future__ import annotations

import numpy as np
import pytest

from tellapart.errors import InputError
from tellapart.learn.calibration import softmax
from tellapart.learn.ladder import better, figures, level_after, spares


def told(source: np.random.Generator, y: np.ndarray, teams: np.ndarray, skill: float) -> np.ndarray:
    """Answers that know the class by `skill`; what is drawn for a group is alike in it."""
    classes = int(y.max()) + 1
    shared = source.normal(size=(int(teams.max()) + 1, classes))[teams]
    logits = 0.8 * shared + 0.6 * source.normal(size=(len(y), classes))
    logits[np.arange(len(y)), y] += skill
    return softmax(logits)


def trials(number: int, gain: float, rows: int = 120, teams_of: int = 3) -> float:
    """The share of trials in which a model with `gain` more skill replaces the other."""
    replaced = 0
    for seed in range(number):
        source = np.random.default_rng(seed)
        y = source.integers(0, 4, rows)
        teams = np.repeat(np.arange(rows // teams_of), teams_of)
        both = [told(source, y, teams, skill) for skill in (1.5, 1.5 + gain)]
        replaced += better(both[1], both[0], y, teams).replaces
    return replaced / number


def test_no_difference_replaces_in_at_most_one_of_twenty() -> None:
    assert trials(1000, 0.0) <= 0.05 + 0.01  # the binomial's own noise at 1,000 trials


def test_groups_are_no_independent_witnesses() -> None:
    """The same answers taken for unrelated would replace far too often."""
    replaced = 0
    for seed in range(300):
        source = np.random.default_rng(seed)
        y = np.repeat(source.integers(0, 4, 12), 20)  # twelve scenes of twenty frames
        teams = np.repeat(np.arange(12), 20)
        both = [told(source, y, teams, 1.5) for _ in range(2)]
        replaced += better(both[1], both[0], y, None).replaces
        assert better(both[1], both[0], y, teams).groups == 12
    assert replaced / 300 > 0.15
    assert trials(300, 0.0, rows=240, teams_of=20) <= 0.08


def test_a_clear_gain_replaces() -> None:
    assert trials(100, 1.0) > 0.95


def test_a_worse_model_never_replaces() -> None:
    assert trials(200, -0.8) == 0.0


@pytest.mark.parametrize("lost", [30, 1])
def test_surer_but_less_often_right_does_not_replace(lost: int) -> None:
    y = np.zeros(200, dtype=int)
    old = np.tile([0.51, 0.49], (200, 1))
    new = np.tile([0.99, 0.01], (200, 1))
    new[:lost] = [0.45, 0.55]
    verdict = better(new, old, y, None)
    assert verdict.p <= 0.05
    assert verdict.gain_log_loss > 0
    assert verdict.gain_accuracy == pytest.approx(-lost / 200)
    assert not verdict.replaces


def test_few_groups_count_every_combination() -> None:
    """Four groups that all gain: chance alone would do so once in sixteen."""
    y = np.zeros(4, dtype=int)
    old, new = np.tile([0.5, 0.5], (4, 1)), np.tile([0.9, 0.1], (4, 1))
    assert better(new, old, y, None).p == 1 / 16
    assert not better(new, old, y, None).replaces


def test_the_same_answers_give_the_same_verdict_and_rows_unknown_are_left_out() -> None:
    source = np.random.default_rng(5)
    y = source.integers(0, 4, 60)
    old, new = (told(source, y, np.arange(60), skill) for skill in (1.0, 2.0))
    verdict = better(new, old, y, None)
    assert verdict == better(new, old, y, None)
    gap = np.vstack([new, np.full((3, 4), np.nan)])
    more = better(gap, np.vstack([old, old[:3]]), np.concatenate([y, y[:3]]), None)
    assert more == verdict
    assert figures(gap, np.concatenate([y, y[:3]]))["n"] == 60


def test_nothing_to_compare_replaces_nothing() -> None:
    empty = np.empty((0, 3))
    assert not better(empty, empty, [], None).replaces
    same = np.tile([0.7, 0.2, 0.1], (50, 1))
    verdict = better(same, same, np.zeros(50, dtype=int), None)
    assert (verdict.p, verdict.replaces) == (1.0, False)
    assert figures(empty, [])["accuracy"] is None


def test_shapes_that_do_not_fit_are_said() -> None:
    with pytest.raises(InputError, match="shapes"):
        better(np.ones((3, 2)), np.ones((4, 2)), [0, 0, 0], None)


def test_levels_of_all_tests_add_up_and_passed_ones_go_on() -> None:
    assert level_after([]) == pytest.approx(0.025)
    assert sum(level_after([False] * k) for k in range(2000)) == pytest.approx(0.05, rel=1e-3)
    assert level_after([True]) == pytest.approx(0.025 + 0.05 / 6)
    assert level_after([True, False]) == level_after([False, False])


def test_twenty_tries_of_nothing_replace_no_more_often_than_one() -> None:
    """Each against the first, as on a ladder on which nothing helps."""
    climbed = 0
    for seed in range(80):
        source = np.random.default_rng(seed)
        y = source.integers(0, 4, 60)
        teams = np.arange(60)
        first, passed = told(source, y, teams, 1.5), []
        for _ in range(20):
            rung = told(source, y, teams, 1.5)
            passed.append(better(rung, first, y, teams, level_after(passed)).replaces)
            if passed[-1]:
                climbed += 1
                break
    assert climbed / 80 <= 0.05 + 0.05  # two standard errors of 80 trials


def test_a_strict_level_is_met_by_a_gain_that_is_there() -> None:
    source = np.random.default_rng(1)
    y = source.integers(0, 4, 400)
    teams = np.arange(400)
    old, new = (told(source, y, teams, skill) for skill in (1.5, 2.5))
    found = better(new, old, y, teams, level_after([False] * 60))
    assert found.replaces
    assert found.p < found.level < 2e-5


def test_a_cheaper_model_is_spared_a_dearer_one_only_where_it_is_as_good() -> None:
    source = np.random.default_rng(3)
    y = source.integers(0, 4, 400)
    teams = np.arange(400)
    base = told(source, y, teams, 1.5)
    assert spares(base, base, y, None).equal
    assert spares(told(source, y, teams, 3.0), base, y, teams).equal  # better is as good
    assert not spares(base, told(source, y, teams, 2.5), y, teams).equal
    # As sure, but on six of 400 pictures less often right: that is not nothing.
    other = base.copy()
    lost = np.flatnonzero(base.argmax(1) == y)[:6]
    other[lost] = np.roll(base[lost], 1, axis=1)
    found = spares(other, base, y, None)
    assert found.gain_accuracy == pytest.approx(-6 / 400)
    assert not found.equal
    assert not spares(base[:0], base[:0], y[:0], None).equal


def test_few_pictures_prove_no_equality() -> None:
    """One of a hundred more wrong is within noise and yet too many."""
    y = np.zeros(100, np.int64)
    base = np.tile([0.6, 0.4], (100, 1))
    other = base.copy()
    other[0] = [0.4, 0.6]
    found = spares(other, base, y, None)
    assert found.p > 0.05
    assert not found.equal
