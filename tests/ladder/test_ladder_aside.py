"""The time that is put aside for a ladder's end, over all the commands that climb it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tellapart.learn.backbone import NAME
from tellapart.learn.ladder import Budget
from tellapart.learn.ladder.kept import Kept
from tellapart.recipe import check
from tellapart.steps.train import distilling
from tellapart.steps.train.climbing import Climb
from tellapart.steps.train.reserve import Reserve

RECIPE = {"name": "some", "classes": ["a", "b"], "effort": "best"}
TUNED = {"rung": "one", "kind": "tuned", "log_loss": 0.1, "file": ""}


def held(folder: Path, seconds: float, *, spent: float = 0.0, ladder: str = "one") -> float:
    """What a command of a ladder of `seconds` puts aside, where earlier ones `spent` some."""
    context: Any = SimpleNamespace(recipe=check(RECIPE))
    judges: Any = SimpleNamespace(own=900, rows=[None] * 1000)
    budget = Budget(seconds, -spent, clock=lambda: 0.0)
    facts = {"inputs": {"ladder": ladder}}
    climb = Climb(context, judges, budget, Kept.open(folder, "key"), facts)
    return distilling.held(climb, Reserve(context, 100, (), {NAME: 200.0}), [NAME])


def climbed(folder: Path) -> None:
    """A tuned network that was finished."""
    kept = Kept.open(folder, "key")
    kept.rungs.append(TUNED)
    kept.note()


def test_a_ladder_that_goes_on_keeps_what_it_put_aside(tmp_path: Path) -> None:
    for number, seconds in enumerate((600.0, 7200.0)):
        folder = tmp_path / str(number)
        first = held(folder, seconds)
        assert first == (0.0 if seconds < 1000 else 0.3 * seconds)
        climbed(folder)
        assert held(folder, seconds, spent=0.6 * seconds) == first


def test_after_another_ladder_it_is_reckoned_anew(tmp_path: Path) -> None:
    """One of `good` has tuned a network too: that says nothing of what it put aside."""
    climbed(tmp_path)
    assert held(tmp_path, 600.0, spent=500.0) == 0.0
    assert held(tmp_path, 7200.0, spent=500.0, ladder="two") == 0.3 * 7200
    # Too little is left for the taught networks.
    assert held(tmp_path, 7200.0, spent=7100.0, ladder="three") == 0.0
