"""Maps by covering the picture, on models whose answer rests on one known place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tellapart.bundle import occlusion
from tellapart.bundle.manifest import Manifest, to_json
from tellapart.bundle.predictor import Bundle, Session

SIDE = 48
#: What the models below look at: rows and columns of pixels.
PATCH = slice(8, 16), slice(28, 36)


def answer(batch: np.ndarray) -> np.ndarray:
    """Class 1 by how bright the patch is; nothing else counts."""
    bright = batch[:, *PATCH].mean(axis=(1, 2, 3)) / 255
    chance = 1 / (1 + np.exp(-8 * (bright - 0.5)))
    return np.stack([1 - chance, chance], axis=1)


def seen() -> np.ndarray:
    picture = np.full((SIDE, SIDE, 3), 40, np.uint8)
    picture[PATCH] = 250
    return picture


def test_the_map_glows_where_the_answer_rests_and_nowhere_else() -> None:
    found = occlusion.maps(seen(), answer)
    assert found.shape == (2, occlusion.PLACES, occlusion.PLACES) and found.dtype == np.float32
    own = found[1] - found.mean(axis=0)
    row, column = np.unravel_index(own.argmax(), own.shape)
    each = SIDE / occlusion.PLACES
    assert PATCH[0].start <= (row + 0.5) * each <= PATCH[0].stop
    assert PATCH[1].start <= (column + 0.5) * each <= PATCH[1].stop
    # Squares that do not touch the patch change nothing.
    reach = occlusion.COVERED
    far = np.ones_like(own, bool)
    far[: 4 + reach, 7 - reach : 9 + reach] = False
    assert np.abs(own[far]).max() == 0 < own.max()
    # What speaks for one of two classes speaks against the other.
    assert np.allclose(found[0] - found.mean(axis=0), -own, atol=1e-6)


def test_covering_what_spoke_against_a_class_speaks_against_it() -> None:
    dark = np.full((SIDE, SIDE, 3), 200, np.uint8)
    dark[PATCH] = 0
    own = occlusion.maps(dark, answer)[1]
    assert own.min() < -1 and own.max() <= 1e-6


@pytest.mark.parametrize("shape", [(28, 28, 1), (5, 40, 3), (1, 1, 3)])
def test_small_and_gray_pictures(shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, shape, dtype=np.uint8)

    def bright(batch: np.ndarray) -> np.ndarray:
        assert len(batch) <= 7 and batch.shape[1:] == shape and batch.dtype == np.uint8
        chance = batch.mean(axis=(1, 2, 3)) / 255
        return np.stack([1 - chance, chance, chance * 0], axis=1)

    found = occlusion.maps(picture, bright, batch=7)
    assert found.shape == (3, min(12, shape[0]), min(12, shape[1]))
    assert np.isfinite(found).all()


def model() -> bytes:
    """The same as a graph with no output but the probabilities."""
    weight = np.zeros((SIDE, SIDE, 3), np.float32)
    weight[PATCH] = 8 / 255 / weight[PATCH].size
    nodes = [
        helper.make_node("Cast", ["image"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["numbers"], ["flat"], axis=1),
        helper.make_node("Gemm", ["flat", "weight", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    table = np.stack([weight.ravel() * 0, weight.ravel()], axis=1)
    graph = helper.make_graph(
        nodes,
        "patch",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 2])],
        [
            numpy_helper.from_array(table, "weight"),
            numpy_helper.from_array(np.array([0, -4], np.float32), "bias"),
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 8
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString())


def test_a_bundle_without_a_map_says_why_by_covering() -> None:
    raw = {
        "format": 2,
        "task": "image-classification",
        "finished": True,
        "name": "patch",
        "version": 1,
        "labels": ["dark", "bright"],
        "input": {"kind": "picture", "name": "image", "size": [SIDE, SIDE], "view": "squash",
                  "color": "RGB"},
        "outputs": ["probabilities"],
        "thresholds": {"familiarity": None, "probability": None},
        "golden": [{"file": "golden/x.png", "probabilities": [0.0, 1.0]}],
    }  # fmt: skip
    manifest, problems = Manifest.parse(to_json(raw))
    assert manifest is not None, problems
    bundle = Bundle(manifest, Session(model()), Path())
    found, image = bundle.why(seen())
    assert found.best == "bright" and found.map_kind == "occlusion"
    assert image.size == (SIDE, SIDE)
    row, column = np.unravel_index(found.heat().argmax(), found.heat().shape)
    assert (row in (2, 3)) and (column in (7, 8))
    assert bundle.predict(seen()).map_kind is None
    several = bundle.predict([seen(), seen()[:, ::-1]], why=True)
    assert [one.map_kind for one in several] == ["occlusion"] * 2
    assert several[1].best == "dark"
