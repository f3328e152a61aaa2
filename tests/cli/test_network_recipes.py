"""`recipe check`, `show` and `convert` on networks, in our spelling and in the older program's."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
import yaml

from tellapart.cli import main
from tellapart.cli.spelling import as_yaml, prove
from tellapart.errors import VerificationError
from tellapart.recipe import asked, check, read

#: The older program's spelling: strings for tuples, its misspelt keys, what it ignored.
OLD: dict[str, Any] = {
    "__info__": "a note",
    "model": {
        "model_name": "simple CNN",
        "num_layers": 5,
        "optimizer": "Adadelta",
        "input_layer": {"dim": "(28, 28, 1)"},
        "layer_0": {
            "layer": "Conv2DLyr",
            "filters": 8,
            "kernel_size": "(3, 3)",
            "activation": "relu",
            "kernal_initializer": "he_normal",
        },
        "layer_1": {"layer": "MaxPooling2DLyr", "pool_size": "(2, 2)"},
        "layer_2": {"layer": "DropoutLyr", "rate": 0.25},
        "layer_3": {"layer": "FlattenLyr"},
        "layer_4": {"layer": "DenseLyr", "units": 10, "activation": "softmax"},
        "layer_5": {"layer": "ignored"},
    },
    "dataset": {
        "name": "MNIST",
        "metrics": ["accuracy"],
        "epochs": 2,
        "batch_size": 32,
        "loss": "mse",
    },
}
NEW = """\
data: digits
layers:
  - conv2d: {filters: 4, kernel_size: 3, activation: relu, name: first}
  - batch_norm
  - conv2d: {filters: 4, kernel_size: 3, padding: same}
  - add: {with: batch_norm_1}
  - flatten
  - dense: {units: 10, activation: softmax}
train: {epochs: 3, optimizer: sgd, learning_rate: 0.05}
"""
PARAMETERS = (9 * 4 + 4) + 4 * 4 + (9 * 4 * 4 + 4) + (6 * 6 * 4 * 10 + 10)


@pytest.fixture
def new(tmp_path: Path) -> Path:
    path = tmp_path / "new.yaml"
    path.write_text(NEW)
    return path


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old.json"
    path.write_text(json.dumps(OLD))
    return path


def ask(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> Any:
    capsys.readouterr()
    found = main([*argv, "--json"])
    out, err = capsys.readouterr()
    assert found == code, err
    return json.loads(out.splitlines()[-1])


def test_check_shows_layers_size_and_time(new: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shape = ask(capsys, "recipe", "check", str(new))
    assert shape["parameters"] == PARAMETERS
    assert shape["flops"] > 2 * 36 * 9 * 4
    assert shape["samples"] == round(1797 * 0.7)
    assert 0 < shape["epoch_seconds"] < 60
    assert [layer["kind"] for layer in shape["network"]["layers"]][:2] == ["conv2d", "batch_norm"]
    assert shape["reasons"]["train.epochs"] == "asked for"
    assert main(["recipe", "check", str(new)]) == 0
    text = capsys.readouterr().out
    for said in (
        "first",
        "6 × 6 × 4",
        f"{PARAMETERS:,}",
        "an epoch: about",
        "an estimate",
        "# asked",
    ):
        assert said in text, said


def test_check_takes_a_spec_of_the_older_program(
    old: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shape = ask(capsys, "recipe", "check", str(old))
    assert shape["parameters"] == 80 + 13 * 13 * 8 * 10 + 10
    assert any("mse" in note for note in shape["notes"])
    assert main(["recipe", "check", str(old)]) == 0
    text = capsys.readouterr().out
    assert "layer_4" in text and "note: " in text and "mse" in text


def test_all_problems_are_said_at_once_each_with_its_line(
    tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "wrong.json"
    wrong = json.loads(json.dumps(OLD))
    wrong["model"]["optimizer"] = "adadelt"
    wrong["model"]["layer_0"]["filters"] = "many"
    wrong["model"]["layer_4"]["units"] = 9
    wrong["dataset"]["epochs"] = -1
    text = json.dumps(wrong, indent=1)
    path.write_text(text)
    lines = text.splitlines()
    for verb in (("recipe", "check"), ("recipe", "show"), ("recipe", "convert"), ("run",)):
        capsys.readouterr()
        assert main([*verb, str(path), "--json"]) == 2
        out, err = capsys.readouterr()
        problems = json.loads(out.splitlines()[-1])["error"]["problems"]
        assert len(problems) == 4, problems
        for words in ("adadelt", "many", "9", "-1"):
            problem = next(p for p in problems if words in p["what"] or words in p["do"])
            line = next(n for n, text in enumerate(lines, 1) if words in text)
            assert str(line) in str(problem), (line, problem)
        assert err.count("do next:") == 4
    assert not home.exists()


def test_show_draws_the_network(
    new: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawing = tmp_path / "net.svg"
    shape = ask(capsys, "recipe", "show", str(new), "--svg", str(drawing))
    assert shape["svg"] == str(drawing)
    root = ElementTree.fromstring(drawing.read_text(encoding="utf-8"))
    assert root.tag.endswith("svg")
    assert main(["recipe", "show", str(new)]) == 0
    text = capsys.readouterr().out
    assert "total" in text and "first" in text
    missing = str(tmp_path / "none" / "net.svg")
    assert ask(capsys, "recipe", "show", str(new), "--svg", missing, code=2)["error"]["do"]


def test_show_of_a_recipe_without_layers_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "words.yaml"
    path.write_text("classes: [apple, pear]\n")
    error = ask(capsys, "recipe", "show", str(path), code=2)["error"]
    assert "no layers" in error["what"]


@pytest.mark.parametrize("ending", ["yaml", "yml", "json", "JSON"])
@pytest.mark.parametrize("which", ["old", "new"])
def test_what_is_converted_reads_back_equal(
    which: str, ending: str, old: Path, new: Path, tmp_path: Path, capsys: Any
) -> None:
    source, target = (old if which == "old" else new), tmp_path / f"converted.{ending}"
    ask(capsys, "recipe", "convert", str(source), "--out", str(target))
    assert read(target) == read(source)
    again = tmp_path / f"again.{ending}"
    ask(capsys, "recipe", "convert", str(target), "--out", str(again))
    assert again.read_bytes() == target.read_bytes()


def test_converted_without_out_it_is_yaml_on_standard_output(
    old: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["recipe", "convert", str(old)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    values = yaml.safe_load(out)
    assert values["data"] == "mnist" and len(values["layers"]) == 5
    assert "#" not in out.replace("'#", "")
    assert sum("conv2d: {" in line for line in out.splitlines()) == 1  # a layer a line
    assert check(values) == read(old)


def test_a_form_that_is_not_known_is_refused_before_anything_is_written(
    old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = ask(capsys, "recipe", "convert", str(old), "-o", str(tmp_path / "x.toml"), code=2)
    assert ".yaml" in error["error"]["expected"]
    assert not (tmp_path / "x.toml").exists()


def test_words_that_yaml_would_take_for_something_else_survive() -> None:
    classes = {
        "1.10": {"queries": ["on", "2020-01-01"]},
        "yes": {},
        "null": {},
        "#c": {},
        "é: x": {},
    }
    recipe = check({"classes": classes, "curate": {"off_topic": 1e-07}})
    text = as_yaml(asked(recipe))
    prove(text, "yaml", recipe)
    with pytest.raises(VerificationError):
        prove(text.replace("1.0e-07", "1.0e-06"), "yaml", recipe)


def test_the_network_chosen_for_a_data_set_is_shown_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "digits.yaml"
    path.write_text("data: digits\n")
    shape = ask(capsys, "recipe", "check", str(path))
    assert shape["network"]["input"] == [8, 8, 1] and shape["network"]["classes"] == 10
    assert shape["parameters"] > 1000 and shape["epoch_seconds"] > 0
    path.write_text(
        f"data: {tmp_path / 'rows.csv'}\ntarget: kind\nlayers: [{{dense: {{units: 2}}}}]\n"
    )
    shape = ask(capsys, "recipe", "check", str(path))
    assert shape["network"] is None and shape["epoch_seconds"] is None
    assert main(["recipe", "check", str(path)]) == 0
    assert "once the data are read" in capsys.readouterr().out
