"""The ladder's top on small drawn pictures: several models taught to one network."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tellapart.demo.drawing import write_folder
from tellapart.learn import trained
from tellapart.learn.ladder.mixing import mix
from tellapart.learn.ladder.rungs import TunedRung
from tellapart.project import Project
from tellapart.recipe import check
from tellapart.settings import Settings
from tellapart.steps import train
from tellapart.steps.train import deepening, distilled, distilling, lessons, teaching, tuned
from tellapart.steps.train.climbing import Climb, Ended
from tellapart.steps.train.lessons import Fold, Lesson
from tellapart.steps.train.reached import Reached

pytest.importorskip("torch")
pytest.importorskip("timm")

FOLDS = 3
#: Small and at random: what is taught matters here, not how well.
NETWORK = "test_efficientnet"


class Watched:
    """What was taught to whom; the first network that judges is broken off once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lessons: list[tuple[str, Lesson]] = []
        self.climb: Climb | None = None
        self.reached: Reached | None = None
        self.vectors = np.zeros(0)
        self._stopped = False
        judge, learn = distilled.judged, lessons.learn

        def judged(climb: Climb, *others: Any) -> Any:
            self.climb = climb
            self.reached, self.vectors = judge(climb, *others)
            return self.reached, self.vectors

        def learned(climb: Climb, rung: TunedRung, task: Lesson, *others: Any) -> Any:
            if rung.teachers and task.folder.name == "1" and not self._stopped:
                self._stopped = True
                raise Ended
            self.lessons.append((rung.name, task))
            return learn(climb, rung, task, *others)

        monkeypatch.setattr(distilling, "judged", judged)
        for place in (tuned, distilled):
            monkeypatch.setattr(place, "learn", learned)

    def named(self, word: str) -> list[str]:
        return [task.folder.name for name, task in self.lessons if word in f"{name} {task.said}"]


@pytest.mark.slow
def test_what_several_models_know_is_taught_to_one_network(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One teacher of three folds and two heads, one epoch each at 64 pixels."""
    import timm
    from safetensors.torch import save_file

    save_file(timm.create_model(NETWORK, num_classes=0).state_dict(), tmp_path / "net.safetensors")
    data = write_folder(tmp_path / "data", ("apple", "sun"), 16)
    train_keys = {"backbone": NETWORK, "weights": str(tmp_path / "net.safetensors")}
    recipe = {
        "name": "drawn",
        "data": str(data),
        "effort": "best",
        "curate": {"min_side": 8},
        "train": {"size": 64, "batch_size": 16, "epochs": 1, **train_keys},
    }
    monkeypatch.setattr(deepening, "_MOST", 1)
    seen = Watched(monkeypatch)
    with Project.create(check(recipe), settings) as project:
        project.run("split", spawn=False)
        assert not train.run(project.context())["finished"]
        summary = train.run(project.context())
        work = project.context().work
    assert summary["finished"]
    # The first judge, tuned before the stop, is not tuned again.
    assert seen.named("judge") + seen.named("the model") == ["0", "1", "2", "whole"]
    row = next(row for row in summary["ladder"] if row["kind"] == "distilled")
    assert row["networks"] == 1
    assert len(row["of"]) == 3
    assert row["epochs"] == [1] * (FOLDS + 1)  # as the recipe has it
    assert seen.climb is not None and seen.reached is not None
    assert not seen.reached.backbone.parts  # one network, that looks once
    assert seen.reached.backbone.tuned
    assert not list((work / "ladder").glob("*/training"))
    _check_nobody_saw_what_it_judges(seen)
    _check_teachers_have_not_seen_the_fold(seen.climb, monkeypatch)
    _check_answers(seen)
    _check_as_good_at_less_cost(seen)
    state = json.loads((work / "ladder" / "state.json").read_bytes())
    assert state["planned"][row["rung"]]["teachers"] == row["of"]


def _check_nobody_saw_what_it_judges(seen: Watched) -> None:
    assert seen.climb is not None
    fold_of = tuned.folds_of(seen.climb, FOLDS)
    for _, task in seen.lessons:
        if task.folder.name == "whole":
            assert len(task.train) == len(fold_of)
            assert not len(task.out)
            continue
        held_out = fold_of == int(task.folder.name)
        np.testing.assert_array_equal(task.out, np.flatnonzero(held_out))
        np.testing.assert_array_equal(task.train, np.flatnonzero(~held_out))


def _check_teachers_have_not_seen_the_fold(climb: Climb, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for factors and temperatures, targets come from what knows no label of the fold.

    Other labels there, and whatever was told by networks that have seen them, move no target.
    """
    fold_of = tuned.folds_of(climb, FOLDS)
    rung = TunedRung(**next(p for p in climb.kept.planned.values() if not p.get("teachers")))
    found = teaching.teachers(climb, [rung])
    y, own = climb.judges.y, climb.judges.own
    whole = teaching.targets(climb, found, fold_of)
    for fold in range(FOLDS):
        rest = fold_of != fold
        before = teaching.targets(climb, found, fold_of, fold)
        np.testing.assert_allclose(before.sum(1), 1)
        # Neither the labels alone nor the answers alone.
        assert (np.abs(before[rest].max(1) - 1) > 1e-6).any()
        assert (before[rest].min(1) <= 0.5).all()
        wrong = y.copy()
        wrong[:own][~rest] = 1 - wrong[:own][~rest]
        other = replace(climb, judges=replace(climb.judges, y=wrong))
        np.testing.assert_array_equal(
            before[rest], teaching.targets(other, found, fold_of, fold)[rest]
        )
        with monkeypatch.context() as patched:
            shares = mix([each.told[:own] for each in found], y[:own], rest)
            patched.setattr(teaching, "mix", lambda *_, known=shares: known)
            patched.setattr(teaching, "kept_fold", _others_turned(fold))
            odd = [replace(each, told=each.told[:, ::-1]) for each in found]
            np.testing.assert_array_equal(
                before[rest], teaching.targets(other, odd, fold_of, fold)[rest]
            )
            assert np.abs(teaching.targets(climb, found, fold_of) - whole).max() > 1e-5
    labels = np.eye(2)[y[:own]]
    assert (np.abs(whole - labels) <= teaching.SOFT).all()


def _others_turned(fold: int) -> Callable[..., Fold | None]:
    """Reads kept networks; all but the one that has not seen `fold` say the opposite."""

    def read(climb: Climb, rung: TunedRung, name: str) -> Fold | None:
        found = lessons.kept_fold(climb, rung, name)
        if found is None or name == str(fold):
            return found
        return replace(found, weight=-found.weight, bias=-found.bias)

    return read


def _check_answers(seen: Watched) -> None:
    """Validation pictures are told by the model itself, training pictures by its judges."""
    assert seen.climb is not None and seen.reached is not None
    own = seen.climb.judges.own
    answers = seen.reached.head.probabilities(seen.vectors)
    np.testing.assert_allclose(answers[own:], seen.reached.told[own:], atol=1e-4)
    assert np.abs(answers[:own] - seen.reached.told[:own]).max() > 1e-4
    assert seen.reached.unseen is not None
    assert np.isfinite(seen.reached.unseen).all()
    facts = trained.load(seen.climb.context.work).facts
    assert facts["ladder"][-1]["kind"] == "distilled"


def _check_as_good_at_less_cost(seen: Watched) -> None:
    """A cheaper model need not be better than the one that stands, only than a cheaper rival."""
    climb, reached = seen.climb, seen.reached
    assert climb is not None and reached is not None
    y = climb.judges.y

    def told(right: float, wrong: int = 0) -> np.ndarray:
        chances = np.full((len(y), 2), 1 - right)
        chances[np.arange(len(y)), y] = right
        chances[:wrong] = 1 - chances[:wrong]
        return chances

    poor = replace(reached, name="poor", told=told(0.55, len(y) // 3), facts={})
    dear = replace(reached, name="dear", told=told(0.98), facts={})
    climb.kept.rungs, climb.best = [], None
    assert climb.offer(poor, seen.vectors, 1.0)
    assert climb.offer(dear, seen.vectors, 1.0)
    alike = replace(reached, name="alike", told=told(0.98), facts={})
    assert not climb.offer(alike, seen.vectors, 1.0)  # no cheaper: it would have to be better
    worse = replace(reached, name="worse", told=told(0.97), facts={})
    assert not climb.offer(worse, seen.vectors, 1.0, "poor")
    no_better = replace(reached, name="no better", told=poor.told, facts={})
    assert not climb.offer(no_better, seen.vectors, 1.0, "poor")
    assert climb.offer(replace(alike, name="cheap"), seen.vectors, 1.0, "poor")
    row = climb.kept.rungs[-1]
    assert row["equal_to"] == "dear"
    assert "as good as dear" in row["why"]
    assert climb.best is not None
    assert climb.best.name == "cheap"
