"""Compile and export in the chain: what is shipped is what was proved, and no more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tellapart.bundle import Bundle
from tellapart.bundle.manifest import sha256
from tellapart.demo.drawing import WORDS, draw, write_folder
from tellapart.errors import DataError, VerificationError
from tellapart.learn import outcome
from tellapart.recipe import check
from tellapart.registry import load as plugin
from tellapart.settings import Settings

pytest.importorskip("torch")
pytest.importorskip("coremltools")

from tellapart.learn.deep import mil, neuralnetwork

FROZEN = Path(__file__).parents[1] / "bundle" / "frozen" / "colors-1.zip"
RECIPE: dict[str, Any] = {
    "name": "flowers",
    "title": "Test-v0",
    "data": "iris",
    "layers": [{"dense": {"units": 3, "activation": "softmax"}}],
    "train": {"epochs": 3, "learning_rate": 0.05},
    "compile": {
        "coreml_input": "iris_features",
        "coreml_output": "classification",
        "coreml_single_file": True,
    },
}


def made(settings: Settings, upto: str = "package") -> Any:
    from tellapart import Project, chain

    if "flowers" in Project.names(settings):
        project = Project.open("flowers", settings)
    else:
        project = Project.create(check(RECIPE), settings)
    summaries, _ = chain.run(settings, project.name, chain.plan(upto), spawn=False)
    return summaries


@pytest.mark.slow
def test_a_network_is_shipped_as_proved_and_compiled_once(
    settings: Settings, tmp_path: Path
) -> None:
    first = made(settings)
    work = settings.projects_dir / "flowers" / "work"
    compiled = first["compile"]
    facts = json.loads((work / "formats.json").read_bytes())["coreml"]
    assert facts["files"] == ["coreml/flowers.mlmodel", "coreml/flowers.mlpackage"]
    assert max(*facts["max_difference"].values(), *compiled["max_difference"].values()) < 1e-5
    assert set(compiled["max_difference"]) == {"onnxruntime", "openvino"}
    # The files answer as the trained network did.
    trained = outcome.load(work)
    row = np.array([5.9, 3.0, 5.1, 1.8], dtype=np.float32)
    program = mil.run(work / "coreml" / "flowers.mlpackage", row)
    network = neuralnetwork.run(work / "coreml" / "flowers.mlmodel", row)
    assert set(program) == set(network) == {"classLabel", "classification"}
    assert tuple(program["classification"]) == trained.classes
    # Again: nothing to do. A lost file: made anew, the same.
    before = {p: sha256(p.read_bytes()) for p in work.rglob("coreml/**/*") if p.is_file()}
    stamp = (work / "model.onnx").stat().st_mtime_ns
    assert made(settings, "compile")["compile"] == compiled
    assert (work / "model.onnx").stat().st_mtime_ns == stamp
    (work / "coreml" / "flowers.mlmodel").unlink()
    assert made(settings, "compile")["compile"] == compiled
    assert before == {p: sha256(p.read_bytes()) for p in before}
    # The exporter hands the bundle's files on.
    bundle = Bundle.load(next((settings.projects_dir / "flowers" / "versions").glob("*.zip")))
    exporter = plugin("exporter", "coreml")()
    exporter.export(bundle, tmp_path / "out")
    assert mil.run(tmp_path / "out" / "flowers.mlpackage", row) == program
    exporter.export(bundle, tmp_path / "iris.mlmodel")
    assert neuralnetwork.run(tmp_path / "iris.mlmodel", row) == network
    exporter.export(bundle, tmp_path / "iris.mlpackage")
    assert mil.run(tmp_path / "iris.mlpackage", row) == program


@pytest.mark.slow
def test_answers_that_are_not_the_networks_leave_no_model(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(settings, "evaluate")
    work = settings.projects_dir / "flowers" / "work"
    trained = outcome.load(work)
    other = outcome.Outcome(
        trained.kind, trained.classes, trained.ids, trained.probabilities[:, ::-1], trained.facts
    )
    outcome.save(work, other)
    with pytest.raises(VerificationError, match="away on the sample"):
        _compile(settings)
    assert not (work / "model.onnx").exists()
    assert not (work / "formats.json").exists()


def _compile(settings: Settings) -> Any:
    from tellapart.steps import open_context, run_step

    context = open_context(settings, "flowers")
    try:
        return run_step("compile", context)
    finally:
        context.close()


def test_a_bundle_without_weights_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no weights"):
        plugin("exporter", "coreml")().export(Bundle.load(FROZEN), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_head_is_built_converted_and_proved_on_the_golden_pictures(
    settings: Settings, tmp_path: Path
) -> None:
    pytest.importorskip("timm")
    from tellapart import Project, chain

    folder = write_folder(tmp_path / "drawn", list(WORDS[:2]), 8)
    Project.create(check({"name": "drawn", "data": str(folder)}), settings)
    chain.run(settings, "drawn", chain.plan(), spawn=False)
    bundle = Bundle.load(next((settings.projects_dir / "drawn" / "versions").glob("*.zip")))
    exporter = plugin("exporter", "coreml")()
    exporter.export(bundle, tmp_path / "out")
    program = mil.Program(tmp_path / "out" / "drawn.mlpackage")
    pixels = np.stack(
        [np.asarray(draw(WORDS[i % 2], 50 + i, (224, 224)), dtype=np.uint8) for i in range(4)]
    )
    found = program.probabilities(pixels, bundle.labels)
    expected = bundle.outputs(pixels, ("probabilities",))["probabilities"]
    assert np.abs(found - expected).max() < 1e-4
    assert np.ptp(expected, axis=0).max() > 0.1
    with pytest.raises(DataError, match="mlpackage only"):
        exporter.export(bundle, tmp_path / "x.mlmodel")
