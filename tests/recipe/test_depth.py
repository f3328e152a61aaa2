"""Recipes that ask for depth: effort and budget, backbones, stages, the shipped ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.errors import RecipeError
from tellapart.recipe import asked, budgets, canonical, check, parse, read, resolve, shipped
from tellapart.recipe import with_changes as changed

HERE = Path(__file__).parent
TWO = {"classes": ["apple", "pear"]}
BROKEN = yaml.safe_load((HERE / "broken_depth.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", BROKEN, ids=[case["name"] for case in BROKEN])
def test_a_broken_recipe_is_told_with_line_and_fix(case: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(case["text"], encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        read(file)
    problems = caught.value.problems
    assert all(problem["expected"] for problem in problems)
    found = [f"{p['line']} | {p['path']} | {p['what']} | {p['do']}" for p in problems]
    assert found == case["said"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("5m", 300),
        ("2h", 7200),
        ("1h30m", 5400),
        ("1.5 h", 5400),
        (" 10M ", 600),
        ("45", 45),
        (45, 45),
        (0.5, None),
        ("31d", None),
        ("m5", None),
        ("5x", None),
        ("", None),
        ("-5m", None),
        ("30m1h", None),
        ("5e3", None),
        (True, None),
        ([5], None),
    ],
)
def test_budgets(text: object, seconds: float | None) -> None:
    if seconds is None:
        with pytest.raises(RecipeError) as caught:
            check({**TWO, "effort": "good", "budget": text})
        assert [p["path"] for p in caught.value.problems] == ["budget"]
    else:
        assert check({**TWO, "budget": text}).budget_seconds == seconds


@settings(deadline=None, max_examples=150)
@given(st.text(st.sampled_from("0123456789.dhms -+eE"), max_size=12) | st.text(max_size=8))
def test_any_text_is_a_budget_or_a_problem(text: str) -> None:
    try:
        recipe = check({**TWO, "effort": "good", "budget": text})
    except RecipeError as error:
        assert [p["path"] for p in error.problems] == ["budget"]
    else:
        seconds = recipe.budget_seconds
        assert seconds is not None
        assert text == "auto" or budgets.SHORTEST <= seconds <= budgets.LONGEST


def test_the_dial_and_its_time() -> None:
    quick, good = check(TWO), check({**TWO, "effort": "good"})
    assert (quick.tuned, quick.budget_seconds, quick.train.backbone) == (
        False,
        None,
        "tf_efficientnet_lite0",
    )
    assert (good.tuned, good.budget_seconds, good.train.backbone) == (True, 600, "auto")
    assert check({**TWO, "effort": "best"}).budget_seconds == 7200
    assert check({**TWO, "effort": "good", "train": {"backbone": "resnet50"}}).train.backbone == (
        "resnet50"
    )
    timed = check({**TWO, "budget": "90s"})
    assert timed.effort == "good" and "effort" not in asked(timed)
    assert resolve(timed)[1]["effort"] == "a budget is asked for"


def test_a_quick_recipe_says_nothing_of_depth() -> None:
    """What it stores and ships is what it was before there was any depth."""
    plain = canonical(check(TWO))
    assert set(plain["train"]) == {
        *("backbone", "view", "C", "class_weight", "refuse", "neighbours", "bank"),
    }
    assert "budget" not in plain and "recipe" not in plain
    assert set(resolve(check(TWO))[1]) >= {"train.C", "effort"}
    assert not {"budget", "train.stages", "train.ema"} & set(resolve(check(TWO))[1])
    written = check({**TWO, "train": {"size": 320, "mirror": True}})
    assert canonical(written)["train"]["size"] == 320 and not written.tuned


def test_stages_are_read() -> None:
    recipe = check(
        {
            **TWO,
            "train": {
                "backbone": "hf_hub:timm/resnet50.a1_in1k",
                "stages": [
                    {"freeze": "body", "epochs": 1, "lr": "find", "size": "auto"},
                    {"freeze": 2, "cycles": "3", "cycle_mult": 2, "lr": "1e-3"},
                ],
                "augmentation": "none",
                "weights": "none",
            },
        }
    )
    first, second = recipe.train.stages
    assert (first.freeze, first.lr, first.size, first.cycle_epochs) == (
        "body",
        "find",
        "auto",
        None,
    )
    assert (second.freeze, second.lr, second.cycle_epochs) == (2, 1e-3, 7)
    assert (recipe.effort, recipe.train.backbone, recipe.budget_seconds) == (
        "good",
        "resnet50.a1_in1k",
        None,
    )
    assert recipe.train.augmentation is not None and not recipe.train.augmentation.flip
    again = check(asked(recipe))
    assert canonical(again) == canonical(recipe)
    assert resolve(recipe)[1]["effort"] == "stages are asked for"


def test_weights_are_named_by_their_file_alone_where_they_are_passed_on(tmp_path: Path) -> None:
    recipe = check(
        {**TWO, "train": {"weights": "own/net.safetensors", "backbone": "resnet18"}}, base=tmp_path
    )
    assert recipe.train.weights == tmp_path / "own" / "net.safetensors"
    assert canonical(recipe)["train"]["weights"] == "net.safetensors"
    assert check(asked(recipe), base=Path("/")).train.weights == recipe.train.weights


def test_swipr_is_what_it_was() -> None:
    recipe = check({**TWO, "recipe": "swipr"})
    train = recipe.train
    assert train.backbone == "resnext50_32x4d"
    assert (train.head, train.batch_size) == ("concat512", 24)
    assert train.class_weight is None
    assert [
        (s.freeze, s.size, s.lr, s.cycles, s.cycle_length, s.cycle_mult) for s in train.stages
    ] == [
        ("body", 224, 1e-4, 3, 1, 2),
        ("body", 229, 1e-3, 3, 1, 2),
    ]
    assert train.stages[0].find
    varied = train.augmentation
    assert varied is not None
    assert (varied.flip, varied.zoom, varied.rotate, varied.lighting) == (True, 1.1, 10, 0.05)
    assert (varied.crop, varied.mixup, varied.cutmix) == (1, 0, 0)
    assert (recipe.seed, recipe.split.validation, recipe.split.test) == (42, 0.2, 0.1)
    assert any("head only" in note for note in recipe.notes)


def test_picaisso_is_what_it_was() -> None:
    recipe = check({**TWO, "recipe": "picaisso"})
    train = recipe.train
    assert (train.backbone, train.head, train.view, train.size) == (
        *("resnet50", "linear", "crop", 224),
    )
    assert (train.optimizer, train.learning_rate, train.batch_size, train.epochs) == (
        *("adam", 1e-3, 4, 100),
    )
    assert [(s.freeze, s.lr, s.schedule) for s in train.stages] == [("none", "auto", "constant")]
    assert train.best_weights and train.decay_by_layer == 1 and train.freeze_norm is False
    assert train.class_weight is None
    assert recipe.split.validation == 0.2


@pytest.mark.parametrize("name", shipped.names())
def test_a_shipped_recipe_is_started_from(name: str) -> None:
    """Its keys are replaced by those beside it; what is stored needs it no more."""
    recipe = check(
        {
            **TWO,
            "recipe": name,
            "split": {"train": 0.6, "test": 0.2},
            "train": {"backbone": "resnet18", "optimizer": "auto"},
            "notes": ["mine"],
        }
    )
    assert recipe.train.backbone == "resnet18" and recipe.train.optimizer == "auto"
    assert recipe.split.validation == 0.2 and recipe.split.train == 0.6
    assert recipe.train.stages and recipe.notes[-1] == "mine" and recipe.recipe is None
    stored = asked(recipe)
    assert "recipe" not in stored and canonical(check(stored)) == canonical(recipe)
    # The same is stored when it is started from once more.
    assert canonical(check(changed(stored, {"recipe": name}))) != {}
    assert check(parse(shipped.text(name)) | TWO).train.stages == recipe.train.stages


def test_all_shipped_recipes_are_those_that_can_be_named() -> None:
    with pytest.raises(RecipeError) as caught:
        check({**TWO, "recipe": "none of them"})
    expected = caught.value.problems[0]["expected"]
    assert set(shipped.names()) == {"swipr", "picaisso"}
    assert all(name in expected for name in shipped.names())
    with pytest.raises(KeyError):
        shipped.text("../schema")
