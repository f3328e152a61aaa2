"""Core ML files: names, image inputs, descriptions, repeatable bytes; and the same answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import export_parity as parity

pytest.importorskip("torch")
pytest.importorskip("coremltools")

from tellapart.learn.deep import coreml, mil, neuralnetwork
from tellapart.learn.deep.deployed import Deployed, Pictures, Rows, predict
from tellapart.learn.deep.quiet import coremltools

DIGITS = tuple("0123456789")
NET: parity.Spec = (
    (8, 6, 1),
    [
        {"conv2d": {"filters": 4, "kernel_size": 3, "activation": "relu"}},
        "flatten",
        {"dense": {"units": 10, "activation": "softmax"}},
    ],
)
WANTED = coreml.Wanted(
    DIGITS,
    input="image",
    output="digit_probs",
    description="Tells digits apart",
    author="us",
    license="Apache-2.0",
    version="7",
    input_description="Gray picture",
)


def read(data: bytes) -> Any:
    spec = coremltools().proto.Model_pb2.Model()
    spec.ParseFromString(data)
    return spec


def spec_of(files: dict[str, bytes]) -> Any:
    return read(files["Data/com.apple.CoreML/model.mlmodel"])


@pytest.fixture(scope="module")
def gray() -> tuple[Deployed, Any, coreml.CoreMLFiles]:
    how, x = parity.drawn(NET)
    deployed = Deployed(parity.built(NET), how)
    return deployed, x, coreml.convert(deployed, WANTED, single_file=True)


def test_both_files_bear_the_names_and_descriptions_that_were_asked_for(
    gray: tuple[Deployed, Any, coreml.CoreMLFiles],
) -> None:
    _, _, files = gray
    assert files.model is not None
    for spec in (spec_of(files.package), read(files.model)):
        about = spec.description
        image = about.input[0].type.imageType
        assert (about.input[0].name, about.input[0].shortDescription) == ("image", "Gray picture")
        assert (image.height, image.width) == (8, 6)
        assert image.ColorSpace.Name(image.colorSpace) == "GRAYSCALE"
        assert {out.name for out in about.output} == {"classLabel", "digit_probs"}
        assert about.predictedProbabilitiesName == "digit_probs"
        assert about.predictedFeatureName == "classLabel"
        told = about.metadata
        assert (told.shortDescription, told.author) == ("Tells digits apart", "us")
        assert (told.license, told.versionString) == ("Apache-2.0", "7")
        assert not told.userDefined  # no versions, no dates
    assert read(files.model).specificationVersion == 4
    assert list(read(files.model).neuralNetworkClassifier.stringClassLabels.vector) == list(DIGITS)


def test_the_bytes_are_the_same_each_time_and_name_no_library(
    gray: tuple[Deployed, Any, coreml.CoreMLFiles],
) -> None:
    how, _ = parity.drawn(NET)
    again = coreml.convert(Deployed(parity.built(NET), how), WANTED, single_file=True)
    assert again == gray[2]
    blob = b"".join(again.package.values()) + (again.model or b"")
    for word in (b"torch", b"coremltools", b"/tmp", b".py"):
        assert word not in blob, word
    manifest = json.loads(again.package["Manifest.json"])
    paths = {item["path"] for item in manifest["itemInfoEntries"].values()}
    assert all(any(f"Data/{p}" in name for name in again.package) for p in paths)


def test_apples_own_reader_opens_what_was_written(
    gray: tuple[Deployed, Any, coreml.CoreMLFiles], tmp_path: Path
) -> None:
    _, _, files = gray
    path = coreml.write(files.package, tmp_path / "x.mlpackage")
    model = coremltools().models.MLModel(str(path), skip_model_load=True)
    assert model.get_spec().description.predictedProbabilitiesName == "digit_probs"
    (tmp_path / "x.mlmodel").write_bytes(files.model or b"")
    spec = coremltools().utils.load_spec(str(tmp_path / "x.mlmodel"))
    assert spec.WhichOneof("Type") == "neuralNetworkClassifier"


def test_the_saved_files_answer_as_torch(
    gray: tuple[Deployed, Any, coreml.CoreMLFiles], tmp_path: Path
) -> None:
    deployed, x, files = gray
    expected = predict(deployed, x)
    program = coreml.write(files.package, tmp_path / "x.mlpackage")
    (tmp_path / "x.mlmodel").write_bytes(files.model or b"")
    answers = (mil.run(program, x[0]), neuralnetwork.run(tmp_path / "x.mlmodel", x[0]))
    for answer in answers:
        assert set(answer) == {"classLabel", "digit_probs"}
        assert answer["classLabel"] == DIGITS[int(expected[0].argmax())]
        shares = [answer["digit_probs"][label] for label in DIGITS]
        np.testing.assert_allclose(shares, expected[0], atol=1e-6)
    found = mil.Program(program).probabilities(x, DIGITS)
    assert (found.argmax(1) == expected.argmax(1)).all()
    assert np.ptp(expected, axis=0).max() > 0.01


@pytest.mark.parametrize("std", [(0.5, 0.5, 0.5), (0.229, 0.224, 0.225)])
def test_mean_and_deviation_are_in_the_file(std: tuple[float, ...], tmp_path: Path) -> None:
    """One deviation for all channels is scale and bias; several need an operator more."""
    spec: parity.Spec = ((6, 5, 3), [{"conv2d": {"filters": 3, "kernel_size": 2}}, *NET[1][1:]])
    how = Pictures(6, 5, 3, (0.485, 0.456, 0.406), std)
    x = np.random.default_rng(0).integers(0, 256, (6, 6, 5, 3), dtype=np.uint8)
    deployed = Deployed(parity.built(spec), how)
    files = coreml.convert(deployed, coreml.Wanted(DIGITS), single_file=True)
    program = mil.Program(coreml.write(files.package, tmp_path / "x.mlpackage"))
    expected = predict(deployed, x)
    np.testing.assert_allclose(program.probabilities(x, DIGITS), expected, atol=1e-5)
    assert files.model is not None
    network = neuralnetwork.Network(files.model)
    np.testing.assert_allclose(network.probabilities(x, DIGITS), expected, atol=1e-5)
    scaler = read(files.model).neuralNetworkClassifier.preprocessing[0].scaler
    shared = std[0] if len(set(std)) == 1 else 1.0
    assert scaler.channelScale == pytest.approx(1 / (255 * shared))
    assert scaler.redBias == pytest.approx(-0.485 / shared)


def test_rows_are_one_array_with_scaling_categories_and_missing_values(tmp_path: Path) -> None:
    import torch

    categories = (0, 3, 0, 2)

    draw = np.random.default_rng(0)
    rows = draw.normal(5, 2, (9, 4)).astype(np.float32)
    for column, count in enumerate(categories):
        if count:
            rows[:, column] = draw.integers(0, count, 9)
    how = Rows.fit(rows, categories)
    rows[0, 0] = rows[1, 1] = rows[2] = np.nan
    torch.manual_seed(0)
    deployed = Deployed(torch.nn.Linear(how.width, 3), how)
    labels = ("setosa", "versicolor", "virginica")
    for precision, away in (("fp32", 1e-6), ("fp16", 1e-3)):
        wanted = coreml.Wanted(
            labels,
            "iris_features",
            "classification",
            precision=precision,  # type: ignore[arg-type]
        )
        files = coreml.package(deployed, wanted)
        path = coreml.write(files, tmp_path / f"{precision}.mlpackage")
        expected = predict(deployed, rows)
        found = mil.Program(path).probabilities(rows, labels)
        assert np.abs(found - expected).max() <= away
        about = spec_of(files).description
        assert list(about.input[0].type.multiArrayType.shape) == [4]
        assert mil.run(path, rows[3])["classLabel"] == labels[int(expected[3].argmax())]
    network = neuralnetwork.Network(coreml.model_file(deployed, coreml.Wanted(labels)))
    np.testing.assert_allclose(network.probabilities(rows, labels), expected, atol=1e-6)


def test_half_precision_is_stored_and_reckoned_in_half(tmp_path: Path) -> None:
    how, x = parity.drawn(NET)
    deployed = Deployed(parity.built(NET), how)
    sizes, away = {}, {}
    for precision in ("fp32", "fp16"):
        files = coreml.package(deployed, coreml.Wanted(DIGITS, precision=precision))  # type: ignore[arg-type]
        sizes[precision] = len(files["Data/com.apple.CoreML/weights/weight.bin"])
        program = mil.Program(coreml.write(files, tmp_path / f"{precision}.mlpackage"))
        away[precision] = np.abs(program.probabilities(x, DIGITS) - predict(deployed, x)).max()
    assert sizes["fp16"] < 0.7 * sizes["fp32"]
    assert away["fp32"] < 1e-6 < away["fp16"] < 1e-3
