"""The old spec's layouts, spellings and defaults; and the way from them to our spelling."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from tellapart.errors import RecipeError
from tellapart.recipe import Network, Recipe, asked, canonical, check, read, resolve, trace
from tellapart.recipe.quickml import convert

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(name: str = "mnist_cnn") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    return found


def network(recipe: Recipe) -> Network:
    assert recipe.input is not None
    return trace(recipe.layers, recipe.input)


def spec(*layers: dict[str, Any], dim: str = "(28, 28, 1)", **dataset: Any) -> dict[str, Any]:
    """A spec with these layers and, after them, what makes it a good one."""
    end = [{"layer": "FlattenLyr"}, {"layer": "DenseLyr", "units": 10, "activation": "softmax"}]
    numbered = {f"layer_{n}": layer for n, layer in enumerate([*layers, *end])}
    return {
        "model": {
            "model_name": "net",
            "num_layers": len(numbered),
            "optimizer": "sgd",
            "input_layer": {"dim": dim},
            **numbered,
        },
        "dataset": {"name": "MNIST", "epochs": 3, **dataset},
    }


def test_the_examples_say_what_they_always_said() -> None:
    cnn = read(EXAMPLES / "mnist_cnn.json")
    assert (cnn.name, cnn.title, cnn.dataset) == ("simple-cnn", "simple CNN", "mnist")
    assert (cnn.model_kind, cnn.data_kind, cnn.input) == ("network", "arrays", (28, 28, 1))
    assert (cnn.train.optimizer, cnn.train.epochs, cnn.train.batch_size) == ("adadelta", 12, 32)
    assert cnn.train.loss == "categorical_crossentropy"
    assert any("'mse' is ignored" in note for note in cnn.notes)
    assert (cnn.compile.coreml_input, cnn.compile.coreml_output) == ("image", "digit_probs")
    assert network(cnn).parameters == 1_199_882
    iris = read(EXAMPLES / "iris_spec.json")
    assert (iris.name, iris.title, iris.dataset) == ("test-v0", "Test-v0", "iris")
    assert (iris.model_kind, iris.data_kind, iris.input) == ("network", "table", (4,))
    assert (iris.train.optimizer, iris.train.epochs, iris.train.batch_size) == ("rmsprop", 1, 32)
    assert iris.compile.coreml_input == "iris_features"
    assert iris.compile.coreml_output == "classification"
    assert iris.split.test == 0.2


@pytest.mark.parametrize("name", ["mnist_cnn", "iris_spec"])
def test_both_spellings_of_an_example_are_one_recipe(name: str) -> None:
    old, new = read(EXAMPLES / f"{name}.json"), read(EXAMPLES / f"{name}.yaml")
    assert old == new
    assert network(old) == network(new)
    assert canonical(old) == canonical(new)


def test_what_is_stored_of_an_old_spec_reads_back_equal() -> None:
    recipe = check(example())
    assert check(asked(recipe)) == recipe
    assert check(json.loads(json.dumps(canonical(recipe)))) == recipe
    full, reasons = resolve(recipe)
    assert full == recipe
    assert reasons["data"] == reasons["layers"] == reasons["train.optimizer"] == "asked for"
    assert not any(path.startswith(("curate.", "train.C", "sources")) for path in reasons)


def test_the_older_layout_has_everything_at_the_top() -> None:
    grouped = example()
    flat = {"__info__": "x", **grouped["model"], **grouped["dataset"]}
    assert check(flat) == check(grouped)
    with pytest.raises(RecipeError) as caught:
        check({**flat, "epochs": 0, "num_layers": 20, "optimizer": None})
    assert [p["path"] for p in caught.value.problems] == ["recipe", "num_layers", "epochs"]


def full_convolution() -> dict[str, Any]:
    return {
        "layer": "Conv2DLyr",
        "filters": 8,
        "kernel_size": "(3, 5)",
        "stride": "(2,1)",
        "padding": "same",
        "data_format": "channels_last",
        "dilation_rate": "(1,1)",
        "activation": "tanh",
        "use_bias": False,
        "kernal_initializer": "he_normal",
        "bias_initializer": "ones",
        "kernel_regularizer": "l2",
        "bias_regularizer": None,
        "activity_regularizer": "l1_l2",
        "kernel_contraint": "max_norm",
        "bias_contraint": "non_neg",
    }


def test_misspelt_and_right_keys_are_both_read() -> None:
    misspelt = full_convolution()
    right = {
        key.replace("kernal", "kernel").replace("contraint", "constraint"): value
        for key, value in misspelt.items()
    }
    assert set(right) != set(misspelt)
    recipe = check(spec(misspelt))
    assert recipe.layers == check(spec(right)).layers
    assert recipe.layers[0].options() == {
        "filters": 8,
        "kernel_size": [3, 5],
        "stride": [2, 1],
        "padding": "same",
        "dilation_rate": [1, 1],
        "groups": 1,
        "activation": "tanh",
        "use_bias": False,
        "kernel_initializer": "he_normal",
        "bias_initializer": "ones",
        "kernel_regularizer": {"l2": 0.01},
        "bias_regularizer": None,
        "activity_regularizer": {"l1": 0.01, "l2": 0.01},
        "kernel_constraint": {"max_norm": 2.0},
        "bias_constraint": "non_neg",
    }


def test_what_is_left_out_has_the_defaults_of_the_old_program() -> None:
    conv, pool = (
        check(
            spec(
                {"layer": "Conv2DLyr", "filters": 8, "kernel_size": "(3)"},
                {"layer": "MaxPooling2DLyr", "stride": None},
            )
        )
        .layers[n]
        .options()
        for n in (0, 1)
    )
    assert (conv["stride"], conv["padding"], conv["activation"]) == ([1, 1], "valid", None)
    assert (conv["kernel_initializer"], conv["bias_initializer"]) == ("glorot_uniform", "zeros")
    assert (conv["kernel_size"], conv["dilation_rate"]) == ([3, 3], [1, 1])
    assert (pool["pool_size"], pool["stride"], pool["padding"]) == ([2, 2], None, "valid")


@pytest.mark.parametrize(
    ("dim", "shape"),
    [
        ("(4)", (4,)),
        ("(0, 0, 4)", (4,)),
        ("(-1,4,0)", (4,)),
        ("4", (4,)),
        ("(4,)", (4,)),
        ("[4]", (4,)),
        (" ( 4 ) ", (4,)),
        ([0, 0, 4], (4,)),
        (4, (4,)),
    ],
)
def test_sizes_up_to_zero_do_not_count(dim: object, shape: tuple[int, ...]) -> None:
    data = example("iris_spec")
    data["model"]["input_layer"]["dim"] = dim
    assert check(data).input == shape


def test_every_layer_of_the_old_spec_is_known() -> None:
    recipe = check(
        spec(
            {"layer": "BatchNormalizationLyr", "momentum": 0.9, "epsilon": 1e-5},
            {"layer": "DropoutLyr", "rate": "0.25", "noise_shape": "(32, 1, 1, 1)", "seed": 7},
            {"layer": "FlattenLyr", "info": "rows now"},
            {"layer": "ReshapeLyr", "dim": "(28, 28, 1)"},
        )
    )
    norm, drop, _, reshape = (layer.options() for layer in recipe.layers[:4])
    assert norm == {"axis": -1, "momentum": 0.9, "epsilon": 1e-5}
    assert drop == {"rate": 0.25, "noise_shape": [1, 1, 1], "seed": 7}
    assert reshape == {"dim": [28, 28, 1]}
    assert [layer.name for layer in recipe.layers] == [f"layer_{n}" for n in range(6)]


def test_what_is_not_as_it_was_is_said() -> None:
    convolution = {**full_convolution(), "activation": "hard_sigmoid"}
    dropout = {"layer": "DropoutLyr", "rate": 0.5, "noise_shape": "(1, 1, 1, 3)", "seed": 7}
    size = network(check(spec(convolution))).layers[0].output
    dropout["noise_shape"] = str((1, *size))
    recipe = check(spec(convolution, dropout))
    notes = " ".join(recipe.notes)
    assert "layer_0" in notes and "hard_sigmoid" in notes and "0.2" in notes
    assert "layer_1" in notes and "noise_shape" in notes and "every sample" in notes
    assert any("layer_1" in note and "seed" in note for note in network(recipe).notes)
    plain = check(spec({"layer": "DropoutLyr", "rate": 0.5, "noise_shape": "(None, 1, 1, 1)"}))
    assert not plain.notes and not network(plain).notes


def test_what_means_nothing_is_ignored_and_noted() -> None:
    data = spec(img_rows=28, data_split=[0.8], metrics=["accuracy", "mae"], loss=None)
    data["model"] |= {"info": "about", "layer_2": {"layer": "Nonsense"}, "theme": "dark"}
    data["model"]["layer_0"] |= {"units": 5, "__info__": "flat"}
    data["version"] = 2
    notes = " ".join(check(data).notes)
    for word in ("img_rows", "data_split", "version", "model.theme", "'mae'", "layer_2", "'units'"):
        assert word in notes
    assert "info" not in notes
    assert check(spec(metrics=["acc"])).notes == ()


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("simple CNN", "simple-cnn"),
        ("net", "net"),
        ("../../etc/passwd", "etc-passwd"),
        ("Сеть 1", "сеть-1"),
        (7, "7"),
        ("a\n b\tc", "a-b-c"),
    ],
)
def test_names_are_made_safe_and_the_title_kept(title: Any, name: str) -> None:
    data = spec()
    data["model"]["model_name"] = title
    recipe = check(data)
    assert recipe.name == name
    shown = " ".join(str(title).split())
    assert (recipe.title or recipe.name) == shown
    assert recipe.compile.coreml_single_file, "apps that read the old files find theirs"
    assert not check({"title": shown, "data": "mnist"}).compile.coreml_single_file
    assert check(convert(data)) == recipe


@pytest.mark.parametrize(
    "data",
    [
        example(),
        example("iris_spec"),
        spec(full_convolution(), {"layer": "MaxPooling2DLyr", "pool_size": "(2, 3)"}),
        spec({"layer": "DropoutLyr", "rate": 0.5, "noise_shape": "(1, 28, 1, 1)"}),
        spec({"layer": "FlattenLyr"}, {"layer": "ReshapeLyr", "dim": "(7, 112)"}),
        spec({"layer": "BatchNormalizationLyr", "axis": 3}, batch_size=64),
    ],
)
def test_old_to_new_spelling_is_the_same_network(data: dict[str, Any]) -> None:
    before = copy.deepcopy(data)
    if "(7, 112)" in str(data):
        with pytest.raises(RecipeError, match="dim"):
            convert(data)
        return
    ours = convert(data)
    assert data == before
    assert not {"model", "dataset"} & set(ours)
    old, new = check(data), check(json.loads(json.dumps(ours)))
    assert network(old).to_dict() == network(new).to_dict()
    assert old == new
    assert convert(ours) == ours


def test_our_own_recipes_are_never_taken_for_old_ones() -> None:
    assert check({"classes": ["model", "dataset"]}).model_kind == "head"
    with pytest.raises(RecipeError) as caught:
        check({"classes": ["a", "b"], "model": {"model_name": "x"}})
    assert [p["path"] for p in caught.value.problems] == ["model"]
