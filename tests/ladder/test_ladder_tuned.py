"""Tuned rungs on small drawn pictures, from the command to a verified bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tellapart.demo.drawing import write_folder
from tellapart.learn import backbone, trained
from tellapart.learn.ladder import kept
from tellapart.learn.ladder.rungs import TunedRung
from tellapart.project import Project
from tellapart.recipe import check
from tellapart.settings import Settings
from tellapart.steps import StepContext
from tellapart.steps.train import deepening, tuned
from tellapart.steps.train.climbing import Climb

pytest.importorskip("torch")
pytest.importorskip("timm")


@pytest.mark.slow
def test_networks_are_tuned_mixed_and_packaged(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two networks of two folds each, a few epochs at 64 pixels."""
    data = write_folder(tmp_path / "data", ("apple", "sun"), 24)
    recipe = {
        "name": "drawn",
        "data": str(data),
        "effort": "good",
        "budget": 900,
        "curate": {"min_side": 8},
        "train": {"size": 64, "batch_size": 8},
    }
    rung = TunedRung(backbone.NAME, 64, 64, folds=2, epochs=2)
    turns = iter([rung, None])
    monkeypatch.setattr(deepening, "_planned", lambda *_: next(turns))
    seen: dict[str, object] = {}
    climbed = tuned.climb

    def watched(climb: Climb, rung: TunedRung, deadline: float) -> object:
        found = climbed(climb, rung, deadline)
        # Both folds are kept: no time is needed any more.
        again = climbed(climb, rung, 0.0)
        np.testing.assert_array_equal(again[0].told, found[0].told)  # type: ignore[index]
        seen["reached"], seen["judges"] = found, climb.judges
        return found

    monkeypatch.setattr(tuned, "climb", watched)
    with Project.create(check(recipe), settings) as project:
        result = project.run(spawn=False)
        context: StepContext = project.context()
    assert result.bundle.is_file()
    facts = trained.load(context.work).facts
    assert [row["kind"] for row in facts["ladder"]] == ["head", "head", "head", "tuned", "blend"][
        -len(facts["ladder"]) :
    ]
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
