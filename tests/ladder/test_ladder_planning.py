"""What a recipe says of tuning holds for the networks that a ladder tunes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tellapart.learn import backbone
from tellapart.learn.ladder.rungs import TunedRung, tuned_size
from tellapart.recipe import check
from tellapart.steps.train.planning import as_asked, plan_of

RECIPE = {"name": "some", "classes": ["a", "b"], "effort": "good"}


def test_epochs_rate_and_mirror_are_the_recipes_own() -> None:
    rung = TunedRung("any", 320, 256)
    assert as_asked(rung, check(RECIPE)) == rung
    train = {"epochs": 3, "learning_rate": 0.02, "mirror": True}
    asked = as_asked(rung, check({**RECIPE, "train": train}))
    assert (asked.epochs, asked.learning_rate, asked.mirror) == (3, 0.02, True)
    assert asked.passes()["any"] == 2 * rung.passes()["any"]
    # Where three epochs are asked for, three have to fit, and no more.
    assert tuned_size(rung, 25.0, 900, speed=100.0) is None
    assert tuned_size(asked, 25.0, 900, speed=100.0) == 192


def test_every_key_of_tuning_reaches_the_plan(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    train = {
        "optimizer": "sgd",
        "learning_rate": 0.02,
        "epochs": 3,
        "batch_size": 7,
        "weight_decay": 0.3,
        "decay_by_layer": 0.6,
        "ema": 0.5,
        "label_smoothing": 0.2,
        "freeze_norm": False,
        "class_weight": None,
        "precision": "fp32",
        "device": "cpu",
        "augmentation": {"rotate": 3},
    }
    recipe = check({**RECIPE, "train": train})
    net = backbone.embedded(tmp_path, 64)
    rung = as_asked(TunedRung(backbone.NAME, 64, 64), recipe)
    plan = plan_of(rung, net, recipe, 1)
    own = plan.to_dict() | plan.to_dict()["stages"][0]
    for key, value in train.items():
        if key == "augmentation":
            assert (plan.augmentation.rotate, plan.augmentation.flip) == (3, False)
        else:
            assert own["lr" if key == "learning_rate" else key] == value, key
    # Taught by others, whose answers are smooth by themselves, a network needs none of its own.
    plain = check(RECIPE)
    alone, taught = (TunedRung("any", 64, 64, teachers=names) for names in ((), ("one",)))
    assert plan_of(alone, net, plain, 0).label_smoothing > 0
    assert plan_of(taught, net, plain, 0).label_smoothing == 0
    assert plan_of(taught, net, recipe, 0).label_smoothing == 0.2
