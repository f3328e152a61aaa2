"""Schedules and pacing: how the rate moves, and how a plan is fitted to the time."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("torch")

from tellapart.learn.deep.tuning import Stage
from tellapart.learn.deep.tuning.pacing import Pace, Work
from tellapart.learn.deep.tuning.schedules import factor


def test_cycles_double_and_each_falls_by_a_cosine_from_the_peak() -> None:
    stage = Stage(cycles=3, cycle_length=1, cycle_mult=2)
    assert stage.lengths == (1, 2, 4) and stage.length == 7
    starts = [factor(stage, epoch / 7) for epoch in (0, 1, 3)]
    assert starts == pytest.approx([1, 1, 1])
    assert factor(stage, 0.5 / 7) == pytest.approx(0.5)  # the middle of the first cycle
    assert factor(stage, 2 / 7) == pytest.approx(0.5)  # of the second
    assert factor(stage, 4 / 7) == pytest.approx((1 + math.cos(math.pi / 4)) / 2)
    assert factor(stage, 0.9999 / 7) < 1e-6 and factor(stage, 1.0) == pytest.approx(0)


def test_one_cycle_climbs_then_falls_and_a_constant_rate_stays() -> None:
    stage = Stage(epochs=4, schedule="one_cycle")
    rates = [factor(stage, step / 100) for step in range(101)]
    peak = rates.index(max(rates))
    assert rates[0] == pytest.approx(0.04) and rates[-1] == pytest.approx(0.001)
    assert peak == 25 and rates[peak] == pytest.approx(1)
    assert rates[:26] == sorted(rates[:26]) and rates[25:] == sorted(rates[25:], reverse=True)
    assert {factor(Stage(schedule="constant"), step / 10) for step in range(11)} == {1.0}
    assert factor(Stage(schedule="cosine"), 0.25) == pytest.approx((1 + math.cos(math.pi / 4)) / 2)


def _run(works: list[Work], deadline: float | None, seconds: float) -> tuple[list[int], float]:
    """Steps of each stage and the time at the end, a step of cost 1 taking `seconds`."""
    pace, now, steps = Pace(works, deadline), 0.0, []
    for stage, work in enumerate(works):
        pace.begin(stage)
        while pace.left(now):
            now += work.cost * seconds
            pace.timed(work.cost * seconds)
            pace.step(now)
        assert pace.progress == pytest.approx(1) or deadline is not None
        now += work.look * seconds
        steps.append(pace.steps)
    return steps, now


def test_without_a_deadline_the_plan_is_kept() -> None:
    works = [Work(20, 1.0, 2.0, 1), Work(50, 3.0, 2.0, 5)]
    assert _run(works, None, 9.0) == ([20, 50], 20 * 9 + 2 * 9 + 50 * 27 + 2 * 9)


@pytest.mark.parametrize("deadline", [30.0, 60.0, 100.0, 150.0])
def test_stages_shrink_alike_and_end_in_time(deadline: float) -> None:
    # As planned: 20 + 50 · 3 = 170, and the last look.
    works = [Work(20, 1.0, 0.5, 1), Work(50, 3.0, 0.5, 1)]
    steps, end = _run(works, deadline, 1.0)
    assert end <= deadline
    assert end >= deadline - 2 * 3.0 - 1
    share = deadline / 171
    assert steps[0] == pytest.approx(20 * share, abs=2.0)
    assert steps[1] == pytest.approx(50 * share, abs=2.0)


def test_a_machine_that_slows_down_is_followed() -> None:
    pace, now = Pace([Work(100, 1.0, 1.0, 1)], deadline=60.0), 0.0
    pace.begin(0)
    while pace.left(now):
        seconds = 1.0 if pace.steps < 10 else 3.0
        now += seconds
        pace.timed(seconds)
        pace.step(now)
    assert 50 < now <= 60
    assert pace.progress > 0.9


def test_more_time_than_needed_adds_nothing() -> None:
    steps, end = _run([Work(20, 1.0, 0.5, 1)], 1000.0, 1.0)
    assert steps == [20] and end == 20.5


def _until(pace: Pace, now: float, deadline: float, end: float) -> float:
    """Steps of a second each, fitted to `deadline`, until it is `end`."""
    pace.deadline = deadline
    while pace.left(now) and now < end:
        now += 1
        pace.timed(1.0)
        pace.step(now)
    return now


@pytest.mark.parametrize(("more", "steps"), [(40.0, 40), (70.0, 70), (500.0, 100), (None, 100)])
def test_more_time_after_a_stop_is_used(more: float | None, steps: int) -> None:
    """A plan cut down to 40 s was stopped after 30; then there are 40, 70, 500, or all."""
    works = [Work(100, 1.0, 0.0, 1)]
    first = Pace(works)
    now = _until(first, 0.0, 40.0, 30.0)
    assert first.progress > 0.6
    pace = Pace(works, more)
    pace.restore(first.state())
    pace.widen(now)
    if more is None:
        assert pace.left(now) == 70 and pace.progress == pytest.approx(0.3)
    else:
        _until(pace, now, more, math.inf)
        assert pace.steps == pytest.approx(steps, abs=2)


def test_less_time_after_a_stop_ends_it() -> None:
    first = Pace([Work(100, 1.0, 0.0, 1)])
    now = _until(first, 0.0, 40.0, 30.0)
    pace = Pace(first.works, 20.0)
    pace.restore(first.state())
    pace.widen(now)
    assert pace.left(now) == 0 and pace.progress == first.progress
