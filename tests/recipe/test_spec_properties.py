"""Whatever a spec holds: a recipe or a `RecipeError` comes out, with a line for every problem."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.errors import RecipeError
from tellapart.recipe import KINDS, Recipe, asked, canonical, check, parse_lines, trace
from tellapart.recipe.positions import line_of
from tellapart.recipe.quickml import convert

EXAMPLES = Path(__file__).parents[2] / "examples"
GOOD: list[dict[str, Any]] = [
    *(json.loads((EXAMPLES / f"{n}.json").read_text("utf-8")) for n in ("mnist_cnn", "iris_spec")),
    *(yaml.safe_load((EXAMPLES / f"{n}.yaml").read_text("utf-8")) for n in ("mnist_cnn",)),
    {
        "data": "cifar10",
        "layers": [
            {"conv2d": {"name": "stem", "filters": 8, "kernel_size": 3, "padding": "same"}},
            {"conv2d": {"filters": 8, "kernel_size": [3, 1], "padding": "same", "groups": 2}},
            {"add": {"with": "stem"}},
            "batch_norm",
            {"activation": {"function": "gelu"}},
            {"avg_pool2d": {"pool_size": 2}},
            {"reshape": {"dim": [8, 8, -1]}},
            "global_avg_pool",
            {"dropout": {"rate": 0.1}},
            {"dense": {"units": 10, "kernel_regularizer": {"l2": 0.01}}},
        ],
        "train": {"loss": "CrossEntropyLoss", "epochs": 3, "schedule": "one_cycle"},
    },
    {"data": "rows.csv", "target": "kind", "layers": [{"dense": {"units": 3}}]},
]
WORDS = [
    *KINDS,
    *("DenseLyr", "Conv2DLyr", "FlattenLyr", "ReshapeLyr", "(3, 3)", "(0, 0, 4)", "(", "auto"),
    *("layer_0", "layer_9", "dim", "units", "name", "with", "softmax", "channels_first", "mnist"),
    *("iris", "project:x", "rows.csv", "", "\0", "é", "None", "true", "1e999", "9" * 30),
]
LEAF = (
    st.sampled_from(WORDS)
    | st.none()
    | st.booleans()
    | st.integers(-3, 70_000)
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
)
JSON = st.recursive(
    LEAF,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values in `value`."""
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict | list):
        items = list(value.items() if isinstance(value, dict) else enumerate(value))
    below = [each for key, inner in items for each in places(inner, (*path, key))]
    return ([path] if path else []) + below


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A good spec with one to four of its values changed, removed, renamed or doubled."""
    data = copy.deepcopy(draw(st.sampled_from(GOOD)))
    for _ in range(draw(st.integers(1, 4))):
        found = places(data)
        if not found:
            break
        *above, last = draw(st.sampled_from(found))
        owner: Any = data
        for key in above:
            owner = owner[key]
        what = draw(st.sampled_from(["change", "change", "remove", "rename", "double"]))
        if what == "change":
            owner[last] = draw(JSON)
        elif what == "remove":
            del owner[last]
        elif what == "rename" and isinstance(owner, dict):
            owner[draw(st.sampled_from(WORDS))] = owner.pop(last)
        elif isinstance(owner, list):
            owner.append(copy.deepcopy(owner[last]))
    return data


def holds(data: object, lines: dict[str, int] | None = None) -> Recipe | None:
    """Check `data`; a recipe survives its own spellings, an error says all it must."""
    try:
        recipe = check(data, lines=lines)
    except RecipeError as error:
        assert error.what and error.expected and error.do and str(error)
        for problem in error.problems:
            assert all(problem.values()), problem
            assert (lines is not None) == ("line" in problem)
        return None
    assert check(json.loads(json.dumps(asked(recipe)))) == recipe
    plain = canonical(recipe)
    assert canonical(check(json.loads(json.dumps(plain)))) == plain
    if recipe.layers and recipe.input is not None:
        network = trace(recipe.layers, recipe.input)
        assert network.parameters >= 0
        assert len(network.layers) == len(recipe.layers)
    return recipe


@settings(deadline=None, max_examples=150)
@given(mutated())
def test_a_changed_spec_is_a_recipe_or_a_recipe_error(data: Any) -> None:
    recipe = holds(data)
    if recipe is not None and recipe.layers:
        assert check(convert(data)) == recipe


@settings(deadline=None, max_examples=150)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "model": JSON,
            "dataset": JSON,
            "layers": st.lists(JSON, max_size=4),
            "data": JSON,
        },
    )
    | st.dictionaries(st.sampled_from([*WORDS, "model_name", "num_layers", "input_layer"]), JSON)
)
def test_anything_that_looks_like_a_spec_is_answered(data: Any) -> None:
    holds(data)


@settings(deadline=None, max_examples=150)
@given(mutated(), st.sampled_from([None, 1, "\t"]))
def test_every_problem_in_a_json_file_has_its_line(data: Any, indent: Any) -> None:
    text = json.dumps(data, indent=indent)
    read, lines = parse_lines(text, form="json")
    holds(read, lines)
    assert set(lines.values()) <= set(range(1, text.count("\n") + 2))


@settings(deadline=None, max_examples=150)
@given(st.data(), st.sampled_from(["json", "yaml"]))
def test_the_text_of_a_good_spec_with_characters_changed(data: st.DataObject, form: str) -> None:
    file = "mnist_cnn." + form
    text = (EXAMPLES / file).read_text(encoding="utf-8")
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(text) - 1))
        piece = data.draw(st.sampled_from([*"{}[]:,\"'\n\t -#&*!0x", ""]))
        text = text[:place] + piece + text[place + data.draw(st.integers(0, 3)) :]
    try:
        read, lines = parse_lines(text, form=form)
    except RecipeError as error:
        assert error.do and ("line" in str(error) or "recipe" in str(error))
        return
    holds(read, lines)


def test_lines_are_those_of_the_text() -> None:
    text = '{\n "model": {\n\n  "layer_0": {"a": [1,\n 2],\n "b": "}\\n{"}},\n"x": 1}\n'
    data, lines = parse_lines(text, form="json")
    assert data["model"]["layer_0"]["b"] == "}\n{"
    wanted = {"model": 2, "model.layer_0": 4, "model.layer_0.a[0]": 4, "model.layer_0.a[1]": 5}
    wanted |= {"model.layer_0.b": 6, "x": 7, "": 1}
    assert {path: lines[path] for path in wanted} == wanted
    text = "data: mnist\n\nlayers:\n  - flatten\n  - dense:\n      units: 3\n# end\nseed: 1\n"
    _, lines = parse_lines(text)
    wanted = {"data": 1, "layers": 3, "layers[0]": 4, "layers[1]": 5, "layers[1].dense.units": 6}
    assert {path: lines[path] for path in wanted} == wanted
    assert line_of("layers[1].dense.unit", lines) == 5
    assert line_of("nowhere.at[3].all", lines) == 1


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('{\n"a": 1,\n"b": {\n"c": 1,\n"c": 2},\n"a": 3}', [("b.c", "5"), ("a", "6")]),
        ('[\n{"a": 1, "a": 2}]', [("[0].a", "2")]),
    ],
)
def test_keys_written_twice_are_all_told_with_their_lines(
    text: str, lines: list[tuple[str, str]]
) -> None:
    with pytest.raises(RecipeError, match="written twice") as caught:
        parse_lines(text, form="json")
    assert [(p["path"], p["line"]) for p in caught.value.problems] == lines


def test_a_spec_with_very_many_problems_is_answered_soon() -> None:
    layers = ["x"] * 100_000
    with pytest.raises(RecipeError) as caught:
        check({"data": "mnist", "layers": layers})
    assert len(caught.value.problems) <= 1001
