"""Options of learning in depth reach the recipe, and their Python equals mean the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tellapart
from tellapart.api import _checked
from tellapart.cli import main
from tellapart.cli.options import recipe_keys
from tellapart.errors import RecipeError
from tellapart.recipe import Recipe


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, home: Path) -> list[Recipe]:
    """The recipes that commands come to, which are carried out no further."""
    found: list[Recipe] = []

    class EnoughError(Exception):
        pass

    def create(recipe: Recipe, *_: Any) -> Any:
        found.append(recipe)
        raise EnoughError

    monkeypatch.setattr(tellapart.Project, "create", create)
    return found


def test_options_are_keys_of_train_beside_pairs() -> None:
    keys = recipe_keys(
        ["train.size=320", "train.device=cuda"], effort="good", train__device="cpu", budget=None
    )
    assert keys == {"effort": "good", "train": {"size": 320, "device": "cpu"}}
    assert recipe_keys(None, train__backbone=None) == {}


@pytest.mark.parametrize("verb", ["make", "train", "run"])
def test_options_reach_the_recipe(verb: str, asked: list[Recipe], tmp_path: Path) -> None:
    for name in ("apple", "pear"):
        (tmp_path / "fruit" / name).mkdir(parents=True)
        (tmp_path / "fruit" / name / "1.jpg").write_bytes(b"")
    (tmp_path / "fruit.yaml").write_text("classes: [apple, pear]\n", encoding="utf-8")
    target = {
        "make": ["apple", "pear"],
        "train": [str(tmp_path / "fruit")],
        "run": [str(tmp_path / "fruit.yaml")],
    }[verb]
    options = ["--budget", "5m", "--backbone", "resnet50", "--device", "cpu", "--devices", "2"]
    main([verb, *target, *options])
    (recipe,) = asked
    assert (recipe.effort, recipe.budget_seconds) == ("good", 300)
    assert (recipe.train.backbone, recipe.train.device, recipe.train.devices) == (
        *("resnet50", "cpu", 2),
    )


def test_a_shipped_recipe_by_its_option(asked: list[Recipe]) -> None:
    argv = ["make", "apple", "pear", "--recipe", "picaisso", "--set", "train.weights=none"]
    main([*argv, "--set", "train.epochs=7", "--seed", "3"])
    (recipe,) = asked
    assert recipe.train.stages and (recipe.train.epochs, recipe.seed) == (7, 3)
    assert recipe.train.backbone == "resnet50"


def test_wrong_values_are_told_as_those_of_a_recipe(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["make", "apple", "pear", "--budget", "soon", "--device", "gpu", "--recipe", "swpr"]
    assert main([*argv, "--devices", "many"]) == 2
    err = capsys.readouterr().err
    for word in ("'soon'", "'gpu'", "Did you mean 'swipr'?", "'many'"):
        assert word in err
    assert not home.exists()


def test_calls_take_the_same() -> None:
    recipe = _checked(
        classes=["apple", "pear"], budget="2h", device="cpu", devices=2, backbone="resnet50"
    )
    assert (recipe.budget_seconds, recipe.train.device, recipe.train.devices) == (7200, "cpu", 2)
    with pytest.raises(RecipeError, match="only one"):
        _checked(classes=["a", "b"], effort="good", device="mps", devices=2)
    both = _checked(classes=["a", "b"], effort="good", device="cpu", train={"size": 320})
    assert (both.train.device, both.train.size) == ("cpu", 320)
    with pytest.raises(RecipeError):
        _checked(classes=["a", "b"], device="cpu", train=3)
