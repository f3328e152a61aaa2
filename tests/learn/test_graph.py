"""The one graph of a version answers as numpy does, on both engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tellapart.learn import backbone
from tellapart.learn.engine import Engine
from tellapart.learn.graph import OUTPUTS, assemble

CLASSES, DIM, ROWS = 3, 1280, 20


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def trunk(cache: Path) -> bytes:
    return backbone.embedded(cache).onnx.read_bytes()


@pytest.fixture(scope="module")
def parts() -> dict[str, Any]:
    random = np.random.default_rng(3)
    bank = np.abs(random.normal(size=(ROWS, DIM))).astype(np.float32)
    return {
        "weight": random.normal(size=(CLASSES, DIM)).astype(np.float32),
        "bias": random.normal(size=CLASSES).astype(np.float32),
        "bank": bank / np.linalg.norm(bank, axis=1, keepdims=True),
        "neighbours": 5,
        "metadata": {"names": "{0: 'äpfel'}", "Image.BitmapPixelFormat": "Rgb8", "a": ""},
    }


@pytest.fixture(scope="module")
def whole(trunk: bytes, parts: dict[str, Any]) -> bytes:
    return assemble(trunk, **parts)


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_answers_as_numpy(
    engine: Any, whole: bytes, parts: dict[str, Any], cache: Path, trunk: bytes
) -> None:
    batch = np.random.default_rng(4).integers(0, 256, (3, 224, 224, 3), dtype=np.uint8)
    batch[1] = 0
    found = Engine(whole, threads=1, prefer=engine, cache_dir=cache).run(batch, OUTPUTS)
    alone = Engine(trunk, threads=1, prefer=engine, cache_dir=cache).run(batch)["features"]
    assert np.abs(found["features"] - alone).max() < 1e-5

    features = alone.astype(np.float64)
    logits = features @ parts["weight"].T + parts["bias"]
    powers = np.exp(logits - logits.max(1, keepdims=True))
    probabilities = powers / powers.sum(1, keepdims=True)
    directions = features / np.linalg.norm(features, axis=1, keepdims=True)
    nearest = np.sort(directions @ parts["bank"].T, axis=1)[:, -parts["neighbours"] :]
    assert np.abs(found["logits"] - logits).max() < 1e-3
    assert np.abs(found["probabilities"] - probabilities).max() < 1e-4
    assert found["familiarity"].shape == (3,)
    assert np.abs(found["familiarity"] - nearest.mean(1)).max() < 1e-5
    assert found["map"].shape == (3, CLASSES, 7, 7)
    assert np.abs(found["map"].mean((2, 3)) - logits).max() < 1e-3
    assert found["map"].std() > 0.1


def test_a_stored_feature_is_wholly_familiar(trunk: bytes, parts: dict[str, Any]) -> None:
    picture = np.full((1, 224, 224, 3), 90, np.uint8)
    own = Engine(trunk, threads=1, prefer="onnxruntime").run(picture)["features"]
    bank = np.concatenate([own / np.linalg.norm(own), parts["bank"]])
    model = assemble(trunk, **{**parts, "bank": bank, "neighbours": 1})
    engine = Engine(model, threads=1, prefer="onnxruntime")
    assert engine.run(picture, ("familiarity",))["familiarity"] == pytest.approx([1.0], abs=1e-5)


def test_more_neighbours_than_rows(trunk: bytes, parts: dict[str, Any], whole: bytes) -> None:
    picture = np.full((1, 224, 224, 3), 90, np.uint8)
    few = assemble(trunk, **{**parts, "neighbours": 500})
    all_of_them = assemble(trunk, **{**parts, "neighbours": ROWS})
    assert few == all_of_them != whole
    answer = Engine(few, threads=1, prefer="onnxruntime").run(picture, ("familiarity",))
    assert 0 < float(answer["familiarity"][0]) <= 1


def test_the_file_says_what_it_is(whole: bytes, parts: dict[str, Any]) -> None:
    model = onnx.load_from_string(whole)
    onnx.checker.check_model(model, full_check=True)
    assert [output.name for output in model.graph.output] == list(OUTPUTS)
    batch = model.graph.input[0].type.tensor_type.shape.dim[0]
    assert batch.dim_param == "N"
    assert {p.key: p.value for p in model.metadata_props} == parts["metadata"]
    assert (model.producer_name, model.doc_string) == ("tellapart", "")
    assert not any(node.doc_string for node in model.graph.node)
    assert model.opset_import[0].version >= 17


def test_same_bytes_for_the_same_arguments(
    trunk: bytes, parts: dict[str, Any], whole: bytes
) -> None:
    other = {
        **parts,
        "metadata": dict(reversed(parts["metadata"].items())),
        "weight": np.asfortranarray(parts["weight"].astype(np.float64)),
    }
    assert assemble(trunk, **other) == whole
    assert assemble(trunk, **{**parts, "metadata": {"a": "b"}}) != whole


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("weight", np.zeros((CLASSES, 5)), "weight is"),
        ("bias", np.zeros(CLASSES + 1), "bias"),
        ("bank", np.zeros((0, DIM)), "bank is"),
        ("bank", np.ones((2, DIM)), "lengths"),
        ("neighbours", 0, "neighbours"),
        ("weight", np.full((CLASSES, DIM), np.nan), "finite"),
    ],
)
def test_what_does_not_fit_is_refused(
    trunk: bytes, parts: dict[str, Any], name: str, value: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        assemble(trunk, **{**parts, name: value})
