"""The train step on a table with layers and on drawn digits: what it leaves, stop and going on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("lightning")

from tellapart import recipe
from tellapart.errors import MissingExtraError
from tellapart.learn import outcome
from tellapart.learn.deep import saved
from tellapart.learn.deep.answering import answer
from tellapart.project import Project
from tellapart.recipe import network as recipe_network
from tellapart.settings import Settings
from tellapart.steps import Progress, StepContext, open_context
from tellapart.steps.compile import network as compiling
from tellapart.steps.evaluate import looking
from tellapart.steps.samples import gather
from tellapart.steps.train import network

TABLE_LAYERS = [
    {"dense": {"units": 8, "activation": "relu", "name": "hidden"}},
    {"dense": {"units": 3, "activation": "softmax"}},
]


#: An old spec whose name is its own slug.
OLD = {
    "model": {
        "model_name": "small",
        "num_layers": 1,
        "optimizer": "rmsprop",
        "input_layer": {"dim": "(4)"},
        "layer_0": {"layer": "DenseLyr", "units": 3, "activation": "softmax"},
    },
    "dataset": {"name": "Iris", "epochs": 2},
}
COLOR: list[Any] = [
    {"conv2d": {"filters": 8, "kernel_size": 3}},
    "flatten",
    {"dense": {"units": 10, "activation": "softmax"}},
]
TITLED = {
    "name": "small",
    "title": "A Title",
    "data": "iris",
    "layers": TABLE_LAYERS,
    "train": {"epochs": 2},
}


@pytest.fixture
def prepared(tmp_path: Path) -> Callable[..., StepContext]:
    """A project run as far as the split, as `train` finds it; events go to `events`."""

    def make(events: list[Progress], **options: Any) -> StepContext:
        settings = Settings(home=tmp_path / "home", threads=1)
        values = options if "model" in options else {"name": "small", **options}
        project = Project.create(recipe.check(values), settings)
        for step in ("collect", "curate", "split"):
            getattr(project, step)()
        return open_context(settings, "small", events.append)

    return make


def test_rows_with_layers(prepared: Callable[..., StepContext]) -> None:
    events: list[Progress] = []
    train = {"optimizer": "rmsprop", "learning_rate": 0.01, "epochs": 30}
    context = prepared(events, data="iris", layers=TABLE_LAYERS, train=train)
    summary = network.run(context)
    samples, found = gather(context), outcome.load(context.work)
    assert [e.signal for e in events if e.signal] == ["built", "trained"]
    assert summary["finished"] and summary["validation"]["accuracy"] > 0.8
    assert found.ids == samples.ids and found.classes == samples.classes
    np.testing.assert_allclose(found.probabilities.sum(1), 1, atol=1e-5)
    assert len(found.facts["history"]) == 30 and found.facts["optimizer"] == "rmsprop"
    epochs = [e.figures for e in events if e.figures and "total_epochs" in e.figures]
    assert [e["epoch"] for e in epochs if e] == list(range(1, 31))
    progress = json.loads((context.work / outcome.PROGRESS).read_text())
    assert progress["epoch"] == progress["total_epochs"] == 30 and 0 < progress["acc"] <= 1
    deployed = saved.load(context.work)
    np.testing.assert_array_equal(answer(deployed, samples.x), found.probabilities)
    assert not (context.work / outcome.CHECKPOINT).exists()
    before, weights = len(events), (context.work / outcome.NETWORK).read_bytes()
    assert network.run(context) == summary
    # Said again for whoever reads along, but nothing is trained twice.
    assert [e.signal for e in events[before:]] == ["built", "trained"]
    (context.work / outcome.OUTCOME).unlink()
    network.run(context)
    assert (context.work / outcome.NETWORK).read_bytes() == weights


def test_a_training_that_ended_too_early_says_so(prepared: Callable[..., StepContext]) -> None:
    train = {"optimizer": "rmsprop", "learning_rate": 0.001, "epochs": 20}
    summary = network.run(prepared([], data="iris", layers=TABLE_LAYERS, train=train))
    (said,) = (note for note in summary["notes"] if "still falling" in note)
    assert "train.learning_rate (now 0.001)" in said


def test_pictures_stopped_and_gone_on_with(prepared: Callable[..., StepContext]) -> None:
    events: list[Progress] = []
    layers = [
        {"conv2d": {"filters": 4, "kernel_size": 3, "activation": "relu", "name": "eyes"}},
        "max_pool2d",
        "flatten",
        {"dense": {"units": 10, "activation": "softmax"}},
    ]
    train = {"epochs": 2, "batch_size": 64, "learning_rate": 0.01}
    context = prepared(events, data="digits", layers=layers, train=train)
    context.stop_file.touch()
    summary = network.run(context)
    found = outcome.load(context.work)
    assert not summary["finished"] and not found.finished
    assert found.facts["history"][0]["partial"] and found.probabilities.shape == (1797, 10)
    assert (context.work / outcome.CHECKPOINT).is_dir()
    context.stop_file.unlink()
    summary = network.run(context)
    found = outcome.load(context.work)
    assert summary["finished"] and found.finished and len(found.facts["history"]) == 2
    assert summary["validation"]["accuracy"] > 0.5
    with np.load(context.work / outcome.LOOKS) as looks:
        assert looks["first_filters"].shape == (4, 1, 3, 3)
        assert looks["picture"].shape == (8, 8, 1) and looks["layer:eyes"].shape == (6, 6, 4)
        assert looks["layer:eyes"].min() == 0, "as the activation leaves it"
        assert looks["layer:dense_1"].sum() == pytest.approx(1, abs=1e-5)


def test_the_first_filters_of_color_pictures_lie_as_they_are(
    prepared: Callable[..., StepContext], tmp_path: Path
) -> None:
    shape = (3, 3, 3)  # channels, height and width cannot be told apart by their sizes
    traced = recipe_network.trace(
        recipe.check({"data": "cifar10", "layers": COLOR}).layers, (32, 32, 3), 10
    )
    draw = np.random.default_rng(0)
    weights = draw.normal(size=(8, *shape)).astype(np.float32)
    np.savez(tmp_path / outcome.LOOKS, first_filters=weights)
    context = prepared([], data="iris")
    looks = looking.read(tmp_path, traced, gather(context), np.zeros((150, 3), np.float32))
    assert looks is not None and looks.filters is not None
    np.testing.assert_array_equal(looks.filters, weights.transpose(0, 2, 3, 1))


@pytest.mark.parametrize(("values", "single"), [(OLD, True), (TITLED, False)])
def test_old_specs_alone_get_the_single_file(
    prepared: Callable[..., StepContext], values: dict[str, Any], single: bool
) -> None:
    pytest.importorskip("coremltools")
    context = prepared([], **values)
    network.run(context)
    compiling.run(context)
    made = {path.name for path in (context.work / "coreml").iterdir()}
    assert made == {"small.mlpackage", *(["small.mlmodel"] if single else [])}


def test_without_torch_the_line_to_install_it(
    prepared: Callable[..., StepContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    context = prepared([], data="iris", layers=TABLE_LAYERS)
    monkeypatch.setattr(network.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="'torch' is not installed") as caught:
        network.run(context)
    assert "pip install 'tellapart[deep]'" in caught.value.do
