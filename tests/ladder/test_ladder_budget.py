"""Time as a promise, on a clock of the test's own; what is kept after a kill."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tellapart.learn.calibration import softmax
from tellapart.learn.ladder import Budget, better
from tellapart.learn.ladder.budget import seconds_of
from tellapart.learn.ladder.kept import Kept
from tellapart.learn.ladder.mixing import mix
from tellapart.learn.ladder.rungs import TunedRung, tuned_size


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_budget_counts_from_the_commands_start_and_keeps_its_reserve() -> None:
    clock = Clock()
    budget = Budget(60.0, start=clock.now - 20, reserve=10.0, clock=clock)
    assert (budget.left, budget.spent, budget.deadline) == (30.0, 20.0, 1030.0)
    assert budget.fits(26.0)  # 15 % more would still fit
    assert not budget.fits(27.0)
    clock.now += 40
    assert (budget.left, budget.fits(0.1)) == (0.0, False)
    assert budget.with_reserve(0.0).deadline == 1040.0


def test_rungs_end_within_a_tenth_of_the_budget_although_estimates_err() -> None:
    """Rungs are begun while they fit; the true time is up to 10 % off the estimate."""
    for seed in range(50):
        source, clock = np.random.default_rng(seed), Clock()
        budget = Budget(300.0, clock.now, reserve=20.0, clock=clock)
        while budget.fits(cost := float(source.uniform(5, 30))):
            clock.now += cost * source.uniform(0.9, 1.1)
        assert clock.now - 1000.0 + 20.0 <= 300.0
        assert budget.left < 30 * 1.15


def test_efforts_have_times_of_their_own() -> None:
    assert [seconds_of("auto", effort) for effort in ("good", "best")] == [600.0, 7200.0]
    assert seconds_of(90.0, "best") == 90.0


def test_less_time_means_smaller_pictures_and_then_no_tuning() -> None:
    rung = TunedRung("any", 320, 320)
    sides = [tuned_size(rung, free, 900, speed=40.0) for free in (2000, 170, 120, 30)]
    assert sides == [256, 224, 192, None]


def test_what_was_kept_is_found_again_and_other_pictures_begin_anew(tmp_path: Path) -> None:
    kept = Kept.open(tmp_path, "these")
    told = np.array([[0.2, 0.8], [np.nan, np.nan]])
    kept.add({"rung": "one", "kept": True}, {"told": told})
    kept.note(12.34)
    again = Kept.open(tmp_path, "these")
    assert (again.spent, [row["rung"] for row in again.rungs]) == (12.3, ["one"])
    np.testing.assert_array_equal(again.arrays("one")["told"], told)
    assert Kept.open(tmp_path, "others").rungs == []
    assert Kept.open(tmp_path, "these").rungs == []


def test_a_damaged_state_and_a_lost_file_are_forgotten(tmp_path: Path) -> None:
    kept = Kept.open(tmp_path, "these")
    kept.add({"rung": "one"}, {"told": np.ones((1, 2))})
    kept.add({"rung": "two"}, {"told": np.ones((1, 2))})
    file = kept.folder / str(kept.rungs[0]["file"])
    file.unlink()
    assert [row["rung"] for row in Kept.open(tmp_path, "these").rungs] == ["two"]
    (kept.folder / "state.json").write_bytes(b'{"key": "the')
    assert Kept.open(tmp_path, "these").rungs == []


@pytest.fixture
def tables() -> tuple[list[np.ndarray], np.ndarray]:
    """Two models that are wrong on different pictures."""
    source = np.random.default_rng(3)
    y = source.integers(0, 3, 400)
    told = []
    for _ in range(2):
        logits = source.normal(size=(400, 3))
        logits[np.arange(400), y] += 1.2
        told.append(softmax(logits))
    return told, y


def test_a_mixture_beats_both_and_is_the_linear_head_it_says(
    tables: tuple[list[np.ndarray], np.ndarray],
) -> None:
    told, y = tables
    half = np.arange(400) < 200
    found = mix(told, y, half)
    for one in told:
        assert better(found.probabilities[~half], one[~half], y[~half], None).replaces
    logits = sum(f * np.log(one) for f, one in zip(found.factors, told, strict=True))
    np.testing.assert_allclose(softmax(logits), found.probabilities, atol=1e-9)


def test_a_useless_model_gets_the_smallest_share(
    tables: tuple[list[np.ndarray], np.ndarray],
) -> None:
    told, y = tables
    noise = softmax(np.random.default_rng(4).normal(size=(400, 3)))
    found = mix([told[0], noise], y, np.ones(400, dtype=bool))
    assert found.factors[1] < 0.2 * found.factors[0]


def test_other_weights_under_the_same_name_undo_what_was_made_of_the_old(tmp_path: Path) -> None:
    kept = Kept.open(tmp_path, "these")
    kept.take({"first": "a", "second": "b"})
    for name in ("first at 224 px", "second at 320 px"):
        kept.add({"rung": name, "seconds": 4.0}, {"told": np.ones((1, 2))})
    kept.planned["second tuned"] = {}
    (kept.folder / "second-320").mkdir()
    kept.note(10.0)
    again = Kept.open(tmp_path, "these")
    again.take({"first": "a", "third": "c"})  # a network that is away now, and a new one
    assert len(again.rungs) == 2
    again.take({"first": "a", "second": "other"})
    assert [row["rung"] for row in again.rungs] == ["first at 224 px"]
    assert (again.spent, again.planned) == (6.0, {})
    assert not (kept.folder / "second-320").exists()
