"""The int8 model: made of the backbone alone, alike on every run, read by both engines."""

from __future__ import annotations

import importlib.util
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import tellapart
from tellapart.bundle import Bundle
from tellapart.bundle.archive import open_archive
from tellapart.bundle.predictor import read_model
from tellapart.bundle.session import Session
from tellapart.demo.drawing import WORDS, draw
from tellapart.errors import MissingExtraError, RecipeError, VerificationError
from tellapart.learn import graph, int8
from tellapart.recipe import asked, canonical, check, resolve
from tellapart.serving import variant
from tellapart.settings import Settings

needs_nncf = pytest.mark.skipif(not int8.is_there(), reason="nncf is not installed")
SIDE, DIM = 32, 8


def small_network(seed: int = 0) -> bytes:
    """Three convolutions of a picture of 32×32, pooled to 8 features."""
    rng = np.random.default_rng(seed)
    constants: dict[str, Any] = {
        "scale": np.float32(1 / 255),
        "one": rng.normal(0, 0.4, (DIM, 3, 3, 3)).astype(np.float32),
        "two": rng.normal(0, 0.3, (DIM, DIM, 3, 3)).astype(np.float32),
        "three": rng.normal(0, 0.5, (DIM, DIM, 1, 1)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["numbers"], to=TensorProto.FLOAT, name="numbers"),
        helper.make_node("Transpose", ["numbers"], ["planes"], perm=[0, 3, 1, 2], name="planes"),
        helper.make_node("Mul", ["planes", "scale"], ["unit"], name="unit"),
        helper.make_node("Conv", ["unit", "one"], ["first"], strides=[2, 2], name="first"),
        helper.make_node("Relu", ["first"], ["first.relu"], name="first.relu"),
        helper.make_node("Conv", ["first.relu", "two"], ["second"], name="second"),
        helper.make_node("Relu", ["second"], ["second.relu"], name="second.relu"),
        helper.make_node("Conv", ["second.relu", "three"], ["feature_map"], name="feature_map"),
        helper.make_node("GlobalAveragePool", ["feature_map"], ["pooled"], name="pooled"),
        helper.make_node("Flatten", ["pooled"], ["features"], axis=1, name="features"),
    ]
    made = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", SIDE, SIDE, 3])],
        [
            helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", DIM]),
            helper.make_tensor_value_info("feature_map", TensorProto.FLOAT, ["N", DIM, 13, 13]),
        ],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return bytes(model.SerializeToString(deterministic=True))


def pictures(count: int = 24) -> list[np.ndarray]:
    found = []
    for number in range(count):
        image = draw(WORDS[number % 3], number, (SIDE, SIDE)).convert("RGB")
        found.append(np.asarray(image, np.uint8))
    return found


def whole(backbone: bytes) -> bytes:
    rng = np.random.default_rng(3)
    bank = rng.normal(size=(6, DIM))
    return graph.assemble(
        backbone,
        weight=rng.normal(size=(3, DIM)),
        bias=np.zeros(3),
        bank=bank / np.linalg.norm(bank, axis=1, keepdims=True),
        neighbours=3,
        metadata={"names": "it"},
    )


@pytest.fixture(scope="module")
def quantized() -> bytes:
    if not int8.is_there():
        pytest.skip("nncf is not installed")
    return int8.quantize(small_network(), pictures(), lambda picture: picture)


def test_the_layers_are_in_8_bits_and_the_head_is_not(quantized: bytes) -> None:
    model = onnx.load_from_string(whole(quantized))
    onnx.checker.check_model(model)
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("DequantizeLinear") >= 4
    small = [
        i for i in model.graph.initializer if i.data_type == TensorProto.INT8 and len(i.dims) == 4
    ]
    # The third makes the map that is pooled as it is: it stays as it was.
    assert len(small) == 2
    made = {output: node.op_type for node in model.graph.node for output in node.output}
    for node in model.graph.node:
        if node.name in ("logits", "cosines", "map", "length"):
            assert all(made.get(name) != "DequantizeLinear" for name in node.input[:1]), node.name
    floats = {i.name for i in model.graph.initializer if i.data_type == TensorProto.FLOAT}
    assert {"head.weight", "head.bias", "bank"} <= floats


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_both_engines_answer_almost_as_the_exact_model(quantized: bytes, engine: str) -> None:
    if importlib.util.find_spec(engine) is None:
        pytest.skip(f"{engine} is not installed")
    batch = np.stack(pictures(9))
    names = ["probabilities", "familiarity", "map"]
    exact = Session(whole(small_network())).run(batch, names)
    found = Session(whole(quantized), engine=engine).run(batch, names)
    for name in names:
        assert found[name].shape == exact[name].shape
    away = np.abs(found["probabilities"] - exact["probabilities"]).max()
    assert 0 < away < 0.1
    assert np.abs(found["familiarity"] - exact["familiarity"]).max() < 0.1


def test_the_same_pictures_give_the_same_bytes_and_others_do_not(quantized: bytes) -> None:
    given = pictures()
    again = int8.quantize(small_network(), given, lambda picture: picture)
    assert again == quantized
    darker = int8.quantize(small_network(), given, lambda picture: picture // 3)
    assert darker != quantized


@needs_nncf
def test_it_works_in_silence(capfd: pytest.CaptureFixture[str]) -> None:
    int8.quantize(small_network(), pictures(4), lambda picture: picture)
    assert capfd.readouterr() == ("", "")


@needs_nncf
def test_a_picture_that_is_gone_is_said_as_it_is() -> None:
    def gone(picture: np.ndarray) -> np.ndarray:
        raise ValueError("the picture is gone")

    with pytest.raises(VerificationError, match="the picture is gone"):
        int8.quantize(small_network(), pictures(4), gone)


@needs_nncf
def test_nodes_without_a_name_stay_exact_where_others_do(quantized: bytes) -> None:
    model = onnx.load_from_string(small_network())
    for node in model.graph.node:
        node.name = ""
    found = onnx.load_from_string(
        int8.quantize(model.SerializeToString(), pictures(), lambda picture: picture)
    )
    with_names = onnx.load_from_string(quantized)
    kinds = [[node.op_type for node in one.graph.node] for one in (with_names, found)]
    assert kinds[0] == kinds[1]


def test_larger_networks_get_fewer_pictures() -> None:
    assert int8.pictures_for(small_network()) == int8.MOST
    from tellapart.learn.backbone import embedded

    settings = Settings.from_env()
    small = embedded(settings.cache_dir, 224).onnx.read_bytes()
    large = embedded(settings.cache_dir, 640).onnx.read_bytes()
    assert int8.LEAST == int8.pictures_for(large) < int8.pictures_for(small) <= int8.MOST


def test_without_nncf_the_install_line_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as caught:
        int8.quantize(small_network(), [], lambda picture: picture)
    assert "tellapart[int8]" in caught.value.do


@pytest.mark.parametrize(
    ("keys", "quantized"),
    [
        ({}, False),
        ({"compile": {"int8": True}}, True),
        ({"effort": "good"}, "auto"),
        ({"effort": "best", "compile": {"int8": False}}, False),
        ({"budget": "5m"}, False),
        ({"budget": "5m", "compile": {"int8": True}}, True),
    ],
)
def test_when_it_is_made(keys: dict[str, Any], quantized: Any) -> None:
    recipe = check({"classes": ["apple", "pear"], **keys})
    assert recipe.quantized == quantized
    assert check(asked(recipe)).quantized == quantized


def test_a_quick_recipe_is_described_as_before_there_was_any() -> None:
    recipe = check({"classes": ["apple", "pear"]})
    assert "compile" not in canonical(recipe) and "compile.int8" not in resolve(recipe)[1]
    wanted = check({"classes": ["apple", "pear"], "compile": {"int8": True}})
    assert canonical(wanted)["compile"] == {"int8": True}
    assert resolve(wanted)[1]["compile.int8"] == "asked for"


def test_it_is_for_pictures_with_a_pretrained_network_alone() -> None:
    with pytest.raises(RecipeError) as caught:
        check({"data": "mnist", "compile": {"int8": True}})
    assert [p["path"] for p in caught.value.problems] == ["compile.int8"]
    with pytest.raises(RecipeError):
        check({"classes": ["apple", "pear"], "compile": {"int8": True, "coreml": False}})


def drawn(root: Path, each: int = 10) -> Path:
    for word in WORDS[:3]:
        (root / word).mkdir(parents=True)
        for number in range(each):
            out = io.BytesIO()
            draw(word, number, (100, 80)).convert("RGB").save(out, "JPEG", quality=90)
            (root / word / f"{number}.jpg").write_bytes(out.getvalue())
    return root


@needs_nncf
@pytest.mark.slow
def test_a_bundle_carries_it_with_its_figures(home: Path, tmp_path: Path) -> None:
    folder = drawn(tmp_path / "pictures")
    made = tellapart.train(folder, name="drawn", compile={"int8": True})
    exact = Path(made.bundle)
    with open_archive(exact) as archive:
        manifest, model = read_model(archive)
        facts = manifest.raw["variants"]["int8"]
        assert facts["file"] in archive and archive.sha256(facts["file"]) == facts["sha256"]
    agreed = facts["agreement"]
    assert agreed["pictures"] > 0 and 0 <= agreed["low"] <= agreed["top1"] <= agreed["high"] <= 1
    assert facts["calibration"]["split"] == "train" and "test" in agreed["split"]
    assert facts["agrees"] is (facts["faults"] == []) and "left_out" not in facts
    assert variant.int8_faults(manifest) == facts["faults"]
    assert str(tmp_path) not in json.dumps(manifest.raw)
    quantized = variant.read_int8(exact, manifest)
    assert len(quantized) < len(model) / 2
    picture = next(folder.rglob("*.jpg"))
    bundle = Bundle.load(exact)
    answer = bundle.predict(picture)
    session = variant.open_session(exact, manifest, model, variant.Choice(int8=True))
    odds = session.run(bundle.prepare(picture)[None], ["probabilities"])["probabilities"][0]
    assert np.abs(odds - list(answer.probabilities.values())).max() < 0.3
    assert tellapart.verify(exact).files > 5

    project = tellapart.Project.open("drawn")
    project.update({"compile": {"int8": False}})
    plain = Path(project.run().bundle)
    with open_archive(plain) as archive:
        without, same = read_model(archive)
        assert facts["file"] not in archive and "variants" not in without.raw
    assert same == model, "the exact model is what it was"
