"""Tuned rungs on small drawn pictures, from the command to a verified bundle."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tellapart.demo.drawing import write_folder
from tellapart.learn import backbone, familiarity, similarity, trained
from tellapart.learn.ladder import kept, rungs
from tellapart.learn.ladder.rungs import TunedRung
from tellapart.project import Project
from tellapart.recipe import check
from tellapart.settings import Settings
from tellapart.steps import StepContext, train
from tellapart.steps.train import deepening, frozen, tuned
from tellapart.steps.train.climbing import Climb, Ended

pytest.importorskip("torch")
pytest.importorskip("timm")


@pytest.mark.slow
def test_networks_are_tuned_mixed_and_packaged(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two networks of two folds each, a few epochs at 64 pixels."""
    data = write_folder(tmp_path / "data", ("apple", "sun"), 16)
    recipe = {
        "name": "drawn",
        "data": str(data),
        "effort": "good",
        "budget": 900,
        "curate": {"min_side": 8},
        "train": {"size": 64, "batch_size": 8},
    }
    # Small ones, and one of them: the rest is the ladder's own.
    monkeypatch.setattr(deepening, "TunedRung", partial(TunedRung, folds=2, epochs=2))
    monkeypatch.setattr(deepening, "_MOST", 1)
    monkeypatch.setattr(deepening, "_LONGEST", 2)
    monkeypatch.setattr(rungs, "FILLING", ())
    seen: dict[str, object] = {}
    climbed, tune = tuned.climb, tuned._tune
    tuned_folds: list[int] = []

    def watched(climb: Climb, rung: TunedRung, deadline: float) -> object:
        found = climbed(climb, rung, deadline)
        seen["reached"], seen["judges"], seen["climb"] = found, climb.judges, climb
        return found

    def stopped_once(climb: Climb, rung: TunedRung, fold: int, *others: Any) -> object:
        tuned_folds.append(fold)
        if tuned_folds == [0, 1]:
            raise Ended
        return tune(climb, rung, fold, *others)

    monkeypatch.setattr(tuned, "climb", watched)
    monkeypatch.setattr(tuned, "_tune", stopped_once)
    with Project.create(check(recipe), settings) as project:
        project.run("split", spawn=False)
        assert not train.run(project.context())["finished"]
        result = project.run(spawn=False)
        context: StepContext = project.context()
    assert tuned_folds == [0, 1, 1]  # what was tuned before the stop is not tuned again
    assert result.bundle.is_file()
    facts = trained.load(context.work).facts
    kinds = [row["kind"] for row in facts["ladder"]]
    assert kinds[-3:] == ["tuned", "blend", "head"]  # the last with time that was left over
    _check_what_is_unfamiliar(seen["climb"], facts)  # type: ignore[arg-type]
    _check_networks_outlive_their_graphs(seen["climb"], context)  # type: ignore[arg-type]
    assert set(json.loads((context.work / "reserve.json").read_text())["took"]) == {
        "evaluate",
        "compile",
        "package",
    }
    _check_answers(seen)
    assert (context.work / kept.FOLDER / "state.json").is_file()


def _check_answers(seen: dict[str, object]) -> None:
    """The model's own answers are those that were judged, where the whole of it was asked."""
    reached, vectors = seen["reached"]  # type: ignore[misc]
    own = seen["judges"].own  # type: ignore[attr-defined]
    np.testing.assert_allclose(
        reached.head.probabilities(vectors[own:]), reached.told[own:], atol=1e-4
    )
    # A training picture was judged by the network that had not seen it alone.
    assert np.abs(reached.head.probabilities(vectors[:own]) - reached.told[:own]).max() > 1e-3
    assert reached.unseen is not None
    assert np.isfinite(reached.unseen).all()
    assert reached.backbone.tuned
    assert len(reached.backbone.parts) == 2


def _check_what_is_unfamiliar(climb: Climb, facts: dict[str, Any]) -> None:
    """A mixture's training pictures are as familiar as all of its features have them."""
    blend = climb.recall(facts["ladder"][-2]["rung"])
    assert blend is not None
    assert blend.kind == "blend"
    assert blend.unseen is not None
    vectors = frozen.looked(climb.context, climb.judges.rows, blend.backbone, lambda *_: None)
    own, y = climb.judges.own, climb.judges.y[: climb.judges.own]
    fold_of = tuned.folds_of(climb, 2)
    width = sum(part.backbone.dim for part in blend.backbone.parts[:2]) // 2
    parts = [vectors[:own, :width], vectors[:own, width : 2 * width]]
    bank = familiarity.bank_rows(y, climb.context.recipe.train.bank, climb.context.recipe.seed)
    for fold, part in enumerate(parts):
        both = np.concatenate([part * 2**0.5, vectors[:own, 2 * width :]], axis=1)
        rows = bank[fold_of[bank] != fold]
        expected = familiarity.score(
            both[fold_of == fold],
            similarity.normalized(both[rows]),
            climb.context.recipe.train.neighbours,
        )
        np.testing.assert_allclose(blend.unseen[fold_of == fold], expected, atol=1e-4)


def _check_networks_outlive_their_graphs(climb: Climb, context: StepContext) -> None:
    """What joins tuned networks is written anew where it is gone; they themselves stay."""
    name = next(row["rung"] for row in climb.kept.rungs if row["kind"] == "tuned")
    before = climb.recall(name)
    assert before is not None
    before.backbone.onnx.unlink()
    again = climb.recall(name)
    assert again is not None
    assert again.backbone.onnx.is_file()
    assert again.backbone.graph == before.backbone.graph
    backbone.prune(context.work, {"backbone": {"name": "none"}}, *kept.networks(context.work))
    assert not again.backbone.onnx.exists()
    assert all(part.backbone.onnx.is_file() for part in again.backbone.parts)
