"""A spec from its file to the bundle, as whoever reads along sees it: processes of their own."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.signals import SIGNALS, Reader, epoch_from, flushed, manifest, reading
from tellapart import Bundle, verify

#: The older program's spelling, its second example.
IRIS: dict[str, Any] = {
    "__info__": "note",
    "model": {
        "model_name": "Test-v0",
        "num_layers": 1,
        "optimizer": "rmsprop",
        "input_layer": {"dim": "(4)"},
        "layer_0": {"layer": "DenseLyr", "units": 3, "activation": "softmax"},
    },
    "dataset": {
        "name": "Iris",
        "metrics": ["accuracy"],
        "epochs": 1,
        "loss": "binary_crossentropy",
    },
}
#: Enough epochs that nobody waits for the end of them.
DIGITS = """\
name: digits-net
data: digits
layers:
  - conv2d: {filters: 8, kernel_size: 3, activation: relu, padding: same}
  - conv2d: {filters: 16, kernel_size: 3, activation: relu}
  - max_pool2d
  - flatten
  - dense: {units: 10, activation: softmax}
train: {epochs: 40, early_stopping: null}
"""


@pytest.mark.slow
def test_an_old_spec_runs_unchanged_and_each_signal_comes_as_it_is_true(
    place: Callable[..., Any], tmp_path: Path
) -> None:
    here = place()
    spec, models = tmp_path / "iris_spec.json", tmp_path / "saved-models"
    spec.write_text(json.dumps(IRIS, indent=2))
    argv = ("run", str(spec), "--set", "train.epochs=3", "--quickml-layout", str(models))
    with reading(here.command(*argv), here.environment) as reader:
        assert reader.end() == 0, reader.err
    assert reader.signals == list(SIGNALS)
    epochs = reader.events("epoch")
    assert [line["epoch"] for line in epochs] == [1, 2, 3]
    assert all(line["total_epochs"] == 3 and line["loss"] > 0 for line in epochs)
    result = reader.result
    assert "event" not in result and result["name"] == "test-v0"
    order = [line.get("event") for _, line in reader.lines]
    assert order == ["built", "epoch", "epoch", "epoch", "trained", "compiled", None]
    assert flushed(reader, here.home)
    assert sum("epoch" in line and "accuracy" in line for line in reader.err) == 3

    verify(result["bundle"])
    said = manifest(result["bundle"])
    assert said["finished"] is True and len(said["outputs"]) >= 1
    sure = Bundle.load(result["bundle"]).predict([5.0, 3.4, 1.5, 0.2])
    assert sure.best in {"setosa", "versicolor", "virginica"}
    _check_layout(models / "Test-v0", spec.read_bytes(), result)


def _check_layout(folder: Path, request: bytes, result: dict[str, Any]) -> None:
    names = {path.name for path in folder.iterdir()} - {".model_name"}
    assert names == {"Test-v0.mlmodel", "train_info.json", "user_request.json", "progress.json"}
    assert (folder / "user_request.json").read_bytes() == request
    info = json.loads((folder / "train_info.json").read_text())
    assert set(info) == {"train_acc", "test_acc", "finished", "dataset"}
    assert info["finished"] is True and info["dataset"] == "iris"
    assert info["test_acc"] == result["metrics"]["accuracy"]
    assert 0 <= info["train_acc"] <= 1
    progress = json.loads((folder / "progress.json").read_text())
    assert set(progress) == {"loss", "acc", "epoch", "total_epochs"}
    assert (progress["epoch"], progress["total_epochs"]) == (3, 3)
    assert len((folder / "Test-v0.mlmodel").read_bytes()) > 100


@pytest.mark.slow
def test_killed_it_never_says_compiled_and_goes_on_stopped_it_ends_in_a_bundle(
    place: Callable[..., Any], tmp_path: Path
) -> None:
    here = place()
    spec, models = tmp_path / "digits.yaml", tmp_path / "models"
    spec.write_text(DIGITS)
    argv = ("run", str(spec), "--quickml-layout", str(models))
    with reading(here.command(*argv), here.environment) as reader:
        reader.until(epoch_from(3))
        progress = json.loads((models / "digits-net" / "progress.json").read_text())
        reader.process.kill()
        assert reader.end() == -signal.SIGKILL
    assert reader.signals == ["built"]
    assert progress["total_epochs"] == 40 and 1 <= progress["epoch"] <= 40
    assert not list((models / "digits-net").glob("*.ml*"))
    assert not (models / "digits-net" / "train_info.json").exists()
    assert here.run("stop", "digits-net").failed(2, "input")["what"].count("not being trained")

    # The same command goes on; Ctrl-C on it ends the training, not the run.
    with reading(here.command(*argv), here.environment, start_new_session=True) as reader:
        first = reader.until(epoch_from(1))
        assert first["epoch"] >= 3
        os.killpg(reader.process.pid, signal.SIGINT)
        assert reader.end() == 0, reader.err
    assert reader.signals == list(SIGNALS)
    _check_unfinished(reader, models)

    # And once more, asked to by another process this time.
    with reading(here.command(*argv), here.environment) as reader:
        reader.until(epoch_from(first["epoch"] + 1))
        asked = here.run("stop", "digits-net")
        assert asked.code == 0 and asked.shape == {"name": "digits-net", "asked": True}
        assert reader.end() == 0, reader.err
    _check_unfinished(reader, models)


def _check_unfinished(reader: Reader, models: Path) -> None:
    result = reader.result
    assert reader.events("trained")[0]["finished"] is False
    assert len(reader.events("epoch")) < 37
    verify(result["bundle"])
    said = manifest(result["bundle"])
    assert said["finished"] is False
    folder = models / "digits-net"
    assert json.loads((folder / "train_info.json").read_text())["finished"] is False
    assert list(folder.glob("*.ml*"))


@pytest.mark.slow
def test_a_second_ctrl_c_ends_the_run(place: Callable[..., Any], tmp_path: Path) -> None:
    here = place()
    spec = tmp_path / "circles.yaml"
    spec.write_text(
        "name: circles\ndata: circles\nlayers: [{dense: {units: 8, activation: relu}}, "
        "{dense: {units: 2}}]\ntrain: {epochs: 500, early_stopping: null}\n"
    )
    with reading(
        here.command("run", str(spec)), here.environment, start_new_session=True
    ) as reader:
        reader.until(epoch_from(1))
        work = here.home / "projects" / "circles" / "work"
        os.killpg(reader.process.pid, signal.SIGINT)
        # The first one has been taken: the training is asked, or has ended already.
        while (work / "training").exists() and not (work / "stop").exists():
            time.sleep(0.01)
        os.killpg(reader.process.pid, signal.SIGINT)
        code = reader.end()
    assert code == 130
    assert "compiled" not in reader.signals
    assert reader.result["error"]["code"] == "interrupted"


def test_a_broken_spec_starts_nothing(place: Callable[..., Any], tmp_path: Path) -> None:
    here = place()
    wrong = json.loads(json.dumps(IRIS))
    wrong["model"]["optimizer"] = "rmspro"
    wrong["model"]["layer_0"]["units"] = 4
    wrong["dataset"]["name"] = "Irises"
    spec, models = tmp_path / "wrong.json", tmp_path / "models"
    spec.write_text(json.dumps(wrong, indent=2))
    done = here.run("run", str(spec), "--quickml-layout", str(models))
    assert done.code == 2
    problems = done.shape["error"]["problems"]
    assert len(problems) >= 2
    assert all("line" in str(problem) for problem in problems)
    assert done.err.count("do next:") == len(problems)
    assert len(done.out.splitlines()) == 1 and not models.exists()
    assert not (here.home / "projects").exists() and not (here.home / "tellapart.sqlite").exists()
