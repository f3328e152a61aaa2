"""Kinds of data and of models: what a recipe means, what goes with it, what stays as it was."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tellapart.errors import RecipeError
from tellapart.recipe import asked, canonical, check, resolve, with_changes

DENSE = ["flatten", {"dense": {"units": 10}}]


def paths(data: object) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        check(data)
    return [problem["path"] for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("data", "data_kind", "model_kind"),
    [
        ({"classes": ["a", "b"]}, "pictures", "head"),
        ({"classes": ["a", "b"], "layers": ["flatten", {"dense": {"units": 2}}]}, None, "network"),
        ({"data": "folder"}, "pictures", "head"),
        ({"data": "list.csv"}, "pictures", "head"),
        ({"data": "project:fruit"}, "pictures", "head"),
        ({"data": "project:fruit", "layers": DENSE}, "pictures", "network"),
        ({"data": "mnist"}, "arrays", "network"),
        ({"data": "Fashion-MNIST"}, "arrays", "network"),
        ({"data": "CIFAR-10", "layers": DENSE}, "arrays", "network"),
        ({"data": "./mnist"}, "pictures", "head"),
        ({"data": "iris"}, "table", "table"),
        ({"data": "iris", "layers": [{"dense": {"units": 3}}]}, "table", "network"),
        ({"data": "rows.csv", "target": "species"}, "table", "table"),
        ({"data": "rows.parquet", "target": -1, "effort": "good"}, "table", "table"),
        ({"data": "rows.tsv", "target": 0, "layers": [{"dense": {"units": 3}}]}, None, "network"),
    ],
)
def test_the_kinds_follow_from_what_is_written(
    data: dict[str, Any], data_kind: str | None, model_kind: str
) -> None:
    recipe = check(data)
    assert recipe.model_kind == model_kind
    assert data_kind in {None, recipe.data_kind}
    assert check(asked(recipe)) == recipe
    again = check(json.loads(json.dumps(canonical(recipe))))
    assert (again.model_kind, again.data_kind) == (recipe.model_kind, recipe.data_kind)
    assert canonical(again) == canonical(recipe)
    full, reasons = resolve(recipe)
    assert full == recipe
    leaves = {
        f"{key}.{inner}" if key in {"curate", "split", "train", "compile"} else key
        for key, value in canonical(recipe).items()
        for inner in (value if key in {"curate", "split", "train", "compile"} else [""])
    }
    assert set(reasons) == leaves


def test_a_linear_head_is_what_it_was() -> None:
    """The figure is from before networks: fingerprints and bundles of old recipes stay."""
    recipe = check({"classes": ["apple", "pear"], "train": {"C": 2}, "curate": {"off_topic": None}})
    plain = json.dumps([canonical(recipe), resolve(recipe)[1]])
    assert hashlib.sha256(plain.encode()).hexdigest() == (
        "a6e08a1c78c6b52a03b443fc36cfc6a4f4f31cf407ac282795fcc173b2eeeb5a"
    )


def test_the_shape_of_what_goes_in_is_known_where_it_can_be() -> None:
    assert check({"data": "mnist"}).input == (28, 28, 1)
    assert check({"data": "iris", "layers": [{"dense": {"units": 3}}]}).input == (4,)
    assert check({"data": "pictures", "layers": DENSE}).input == (64, 64, 3)
    table = check({"data": "rows.csv", "target": "kind", "layers": [{"dense": {"units": 3}}]})
    assert table.input is None
    assert check({"data": "pictures"}).input is None


def test_layers_of_a_table_are_checked_before_it_is_read() -> None:
    layers = [{"dense": {"units": 8}}, {"conv2d": {"filters": 4, "kernel_size": 3}}]
    found = paths({"data": "rows.csv", "target": "kind", "layers": [*layers, "flatten"]})
    assert found == ["layers[1]"]


def test_a_network_is_good_unless_told_otherwise() -> None:
    recipe = check({"data": "digits"})
    assert recipe.effort == "good"
    assert "effort" not in asked(recipe)
    assert resolve(recipe)[1]["effort"] == "a network is trained"
    assert check({"data": "iris"}).effort == "quick"
    assert check({"data": "digits", "effort": "quick", "layers": DENSE}).effort == "quick"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"optimizer": "RMSprop"}, ("optimizer", "rmsprop")),
        ({"optimizer": "torch.optim.AdamW"}, ("optimizer", "adamw")),
        ({"loss": "CrossEntropyLoss"}, ("loss", "categorical_crossentropy")),
        ({"loss": "sparse_categorical_crossentropy"}, ("loss", "categorical_crossentropy")),
        ({"loss": "mean_squared_error"}, ("loss", "mse")),
        ({"loss": "BCE"}, ("loss", "binary_crossentropy")),
        ({"metrics": "acc"}, ("metrics", ("accuracy",))),
        ({"epochs": "auto"}, ("epochs", "auto")),
        ({"epochs": "12"}, ("epochs", 12)),
        ({"learning_rate": 0.1}, ("learning_rate", 0.1)),
        ({"early_stopping": None}, ("early_stopping", None)),
    ],
)
def test_training_words_of_keras_and_torch(
    written: dict[str, Any], meant: tuple[str, object]
) -> None:
    recipe = check({"data": "mnist", "layers": DENSE, "train": written})
    assert getattr(recipe.train, meant[0]) == meant[1]


@pytest.mark.parametrize(
    ("option", "written", "meant"),
    [
        ("activation", "ReLU", "relu"),
        ("activation", "swish", "silu"),
        ("activation", "LeakyReLU", "leaky_relu"),
        ("activation", "linear", None),
        ("kernel_initializer", "GlorotUniform", "glorot_uniform"),
        ("kernel_initializer", "he normal", "he_normal"),
        ("kernel_regularizer", {"l2": 0.1}, {"l2": 0.1}),
        ("kernel_regularizer", {"l1_l2": None}, {"l1": 0.01, "l2": 0.01}),
        ("kernel_constraint", "MaxNorm", {"max_norm": 2.0}),
        ("kernel_constraint", {"unit_norm": None}, "unit_norm"),
        ("bias_constraint", "non_neg", "non_neg"),
    ],
)
def test_words_of_options_in_the_forms_people_write(
    option: str, written: object, meant: object
) -> None:
    layers = ["flatten", {"dense": {"units": 10, option: written}}]
    recipe = check({"data": "mnist", "layers": layers})
    assert recipe.layers[1].options()[option] == meant
    assert check(json.loads(json.dumps(asked(recipe)))) == recipe


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({"data": "mnist", "classes": ["a", "b"]}, "data"),
        ({"data": "mnist", "sources": ["openverse"]}, "sources"),
        ({"data": "iris", "train": {"view": "crop"}}, "train.view"),
        ({"data": "iris", "train": {"epochs": 3}}, "train.epochs"),
        ({"data": "iris", "train": {"C": 3}}, "train.C"),
        ({"data": "iris", "input": [4]}, "input"),
        ({"data": "mnist", "target": 0}, "target"),
        ({"data": "a.csv", "target": ""}, "target"),
        ({"data": "a.csv", "target": True}, "target"),
        ({"data": "project:"}, "data"),
        ({"data": "mnist", "layers": "auto"}, None),
        (
            {"data": "mnist", "layers": ["flatten", {"dense": {"": 1, "units": 10}}]},
            "layers[1].dense.",
        ),
        (
            {"data": "mnist", "layers": ["flatten", {"dense": {"with_": 1}}]},
            "layers[1].dense.with_",
        ),
        ({"data": "mnist", "layers": ["flatten", {"dense": {5: 1}}]}, "layers[1].dense.5"),
        ({"data": "mnist", "title": "x" * 201}, "title"),
        ({"data": "mnist", "notes": "not a list"}, "notes"),
        ({"from_project": "fruit"}, "from_project"),
    ],
)
def test_keys_that_do_not_go_together(data: dict[str, Any], path: str | None) -> None:
    if path is None:
        assert check(data).layers == ()
        return
    assert path in paths(data)


def test_changes_to_the_groups_of_a_network_are_merged() -> None:
    stored = asked(check({"data": "mnist", "layers": DENSE, "compile": {"coreml": False}}))
    changed = check(with_changes(stored, {"compile": {"coreml_precision": "fp16"}}))
    assert (changed.compile.coreml, changed.compile.coreml_precision) == (False, "fp16")


def test_a_data_set_is_named_alike_on_every_machine(tmp_path: Path) -> None:
    assert canonical(check({"data": "MNIST"}, base=tmp_path))["data"] == "mnist"
    table = {"data": "rows.csv", "target": "kind", "name": "x"}
    assert canonical(check(table, base=tmp_path)) == canonical(check(table, base=tmp_path / "y"))
