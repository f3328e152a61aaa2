"""Pictures to features: the program's own network, or that of a project's bundle."""

from __future__ import annotations

import importlib.util
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from tellapart.bundle import Bundle
from tellapart.bundle.manifest import to_json
from tellapart.bundle.verify import labels_text
from tellapart.bundle.write import write_zip
from tellapart.errors import InputError
from tellapart.learn import backbone, engine, features
from tellapart.learn.graph import assemble
from tellapart.learn.taste import Sight, Taste
from tellapart.settings import Settings

SIZE = 32


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("home"), threads=2)


@pytest.fixture(scope="module")
def sight(config: Settings) -> Sight:
    return Sight.shared(config)


def drawn(color: str, size: tuple[int, int] = (60, 80), form: str = "JPEG") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, color).save(stream, form)
    return stream.getvalue()


def trunk() -> bytes:
    """A network of three features: the mean red, green and blue; cells of 8×8 are its map."""
    nodes = [
        helper.make_node("Cast", ["image"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["numbers"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Mul", ["planes", "scale"], ["unit"]),
        helper.make_node(
            "AveragePool", ["unit"], ["feature_map"], kernel_shape=[8, 8], strides=[8, 8]
        ),
        helper.make_node("GlobalAveragePool", ["feature_map"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"], axis=1),
    ]
    shapes: dict[str, list[Any]] = {"features": ["N", 3], "feature_map": ["N", 3, 4, 4]}
    graph = helper.make_graph(
        nodes,
        "trunk",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", SIZE, SIZE, 3])],
        [helper.make_tensor_value_info(k, TensorProto.FLOAT, v) for k, v in shapes.items()],
        [numpy_helper.from_array(np.asarray(np.float32(1 / 255)), "scale")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return bytes(model.SerializeToString(deterministic=True))


def bundle(folder: Path, labels: tuple[str, ...] = ("pass", "like"), view: str = "crop") -> Path:
    """A bundle of a head on `trunk`: the second class is red, the first is blue."""
    weight = np.array([[0, 0, 6], [6, 0, 0], [0, 6, 0]], np.float32)[: len(labels)]
    model = assemble(
        trunk(),
        weight=weight,
        bias=np.arange(len(labels), dtype=np.float32) / 10,
        bank=np.eye(3, dtype=np.float32),
        neighbours=1,
        metadata={},
    )
    manifest = {
        "format": 1,
        "name": "tastes",
        "version": 1,
        "labels": list(labels),
        "input": {"name": "image", "size": SIZE, "view": view},
        "thresholds": {"familiarity": 0.0, "probability": None},
        "golden": [
            {"file": "golden/0.png", "probabilities": [0.5] * len(labels), "familiarity": 0}
        ],
    }
    files = {
        "model.onnx": model,
        "manifest.json": to_json(manifest),
        "labels.txt": labels_text(labels).encode(),
        "golden/0.png": drawn("red", form="PNG"),
    }
    path = folder / "tastes-1.zip"
    write_zip(path, files)
    return path


def test_the_same_features_as_training_sees(config: Settings, sight: Sight) -> None:
    pictures = [drawn(color) for color in ("red", "blue", "green", "gray", "white")]
    pictures.insert(2, b"no picture")
    looks = sight.look(pictures)
    net = backbone.embedded(config.cache_dir)
    assert (sight.dim, sight.has_map, sight.keeps) == (net.dim, True, True)
    assert sight.key == features.cache_key(net, "squash") and len(sight.key) < 128
    items = [(str(n), lambda one=one: one) for n, one in enumerate(pictures) if n != 2]
    rows, _ = features.matrix(items, net, "squash", config)
    seen = [look.features for look in looks if look.features is not None]
    assert np.abs(np.stack(seen) - rows).max() < 1e-4
    assert [look.fault for look in looks] == ["", "", "picture", "", "", ""]
    assert "not a usable picture" in looks[2].problem and looks[2].features is None
    assert sight.look([]) == []


def test_a_picture_alone_is_seen_as_among_others(sight: Sight) -> None:
    pictures = [drawn(color) for color in ("red", "blue", "green", "gray", "white")]
    together = sight.look(pictures)
    for picture, beside in zip(pictures, together, strict=True):
        alone = sight.look([picture])[0].features
        assert alone is not None and beside.features is not None
        assert np.abs(alone - beside.features).max() < 1e-5 * np.abs(alone).max()


def test_one_network_for_all(config: Settings, sight: Sight, tmp_path: Path) -> None:
    assert Sight.shared(config) is sight
    path = bundle(tmp_path)
    first = Sight.shared(config, path)
    assert first is not sight and Sight.shared(config, path) is first
    bundle(tmp_path, ("no", "yes"))
    assert Sight.shared(config, path) is not first


@pytest.fixture
def half(config: Settings) -> Settings:
    """The same with bf16, where it runs."""
    if importlib.util.find_spec("openvino") is None or not engine._has_bf16():
        pytest.skip("OpenVINO, or bf16 on this CPU, is not here")
    return replace(config, sight_precision="bf16")


def test_another_precision_is_another_key(config: Settings, sight: Sight, half: Settings) -> None:
    picture = drawn("red")
    before = sight.look([picture])[0].features
    other = Sight.shared(half)
    assert other is not sight and Sight.shared(half) is other and Sight.shared(config) is sight
    assert (sight.precision, other.precision, other.note) == ("fp32", "bf16", "")
    assert other.key == f"{sight.key}-bf16" and len(other.key) < 128
    found = other.look([picture])[0].features
    assert before is not None and found is not None and not np.array_equal(before, found)
    after = sight.look([picture])[0].features
    assert after is not None and np.array_equal(before, after)


def test_bf16_that_does_not_run_is_said(
    config: Settings, sight: Sight, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino", reason="without it the reason is another one")
    monkeypatch.setattr(engine, "_has_bf16", lambda: False)
    found = Sight(replace(config, sight_precision="bf16"))
    assert (found.precision, found.key) == ("fp32", sight.key)
    assert found.note == "The network runs in fp32, not in bf16: the CPU has no bf16."


def test_heat(sight: Sight) -> None:
    rng = np.random.default_rng(0)
    taste = Taste(rng.normal(size=sight.dim).astype(np.float32), 0.2)
    picture = drawn("red")
    heat = sight.map(picture, taste)
    row = sight.look([picture])[0].features
    assert heat is not None and row is not None and heat.shape == (7, 7)
    assert float(heat.mean()) == pytest.approx(float(taste.logits(row)[0]), abs=1e-3)
    shown = sight.overlay(picture, taste)
    assert shown is not None and shown.size == (60, 80)


def test_a_network_that_fails_judges_nothing(
    config: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sight = Sight(config, bundle(tmp_path))

    def fails(*_: object) -> None:
        raise RuntimeError("out of memory\nmore")

    monkeypatch.setattr(sight._engine, "run", fails)
    looks = sight.look([drawn("red"), b"", drawn("blue")])
    assert [look.fault for look in looks] == ["model", "picture", "model"]
    assert looks[0].problem == "the network failed: out of memory"
    assert all(look.features is None for look in looks)


def test_the_network_of_a_bundle(config: Settings, tmp_path: Path) -> None:
    path = bundle(tmp_path)
    sight = Sight(config, path)
    assert (sight.dim, sight.view, sight.has_map) == (3, "crop", True)
    pictures = [drawn(color, form="PNG") for color in ("red", "blue", "purple")]
    rows = np.stack([look.features for look in sight.look(pictures) if look.features is not None])
    assert rows[:2].tolist() == [[1, 0, 0], [0, 0, 1]]
    head = Taste.of_bundle(path)
    assert head.base == sight.key
    model = Bundle.load(path)
    told = [model.predict(picture).probabilities["like"] for picture in pictures]
    assert head.score(rows) == pytest.approx(told, abs=1e-5)
    heat = sight.map(pictures[0], head)
    assert heat is not None and heat.shape == (4, 4)


def test_what_the_classes_mean(config: Settings, tmp_path: Path) -> None:
    red = [[1.0, 0.0, 0.0]]
    for labels, like in ((("no", "YES"), ""), (("cat", "dog"), "dog")):
        head = Taste.of_bundle(bundle(tmp_path, labels), like)
        assert head.score(red)[0] > 0.99
    assert Taste.of_bundle(bundle(tmp_path, ("like", "pass"))).score(red)[0] < 0.01
    for labels, like in ((("cat", "dog"), ""), (("cat", "dog"), "cow"), (("no", "ok", "yes"), "")):
        with pytest.raises(InputError, match="classes of the bundle"):
            Taste.of_bundle(bundle(tmp_path, labels), like)


def test_a_bundle_without_features_is_no_base(config: Settings, tmp_path: Path) -> None:
    path = bundle(tmp_path)
    manifest = {
        "format": 2,
        "name": "tastes",
        "version": 1,
        "task": "image-classification",
        "labels": ["no", "yes"],
        "input": {
            "kind": "picture",
            "name": "image",
            "type": "uint8",
            "layout": "NHWC",
            "color": "RGB",
            "size": [SIZE, SIZE],
            "view": "squash",
        },
        "outputs": ["probabilities"],
        "thresholds": {"familiarity": None, "probability": None},
        "golden": [{"file": "golden/0.png", "probabilities": [0.5, 0.5]}],
        "finished": True,
    }
    model = onnx.load_from_string(trunk())
    files = {
        "model.onnx": bytes(model.SerializeToString()),
        "manifest.json": to_json(manifest),
        "labels.txt": labels_text(("no", "yes")).encode(),
        "golden/0.png": drawn("red", form="PNG"),
    }
    write_zip(path, files)
    with pytest.raises(InputError, match="gives no features"):
        Sight(config, path)
