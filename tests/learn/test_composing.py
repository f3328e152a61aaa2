"""Several backbones as one graph answer as their parts do, from the cache and from the graph."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from tellapart.errors import InputError, NotFoundError
from tellapart.learn import backbone, features, graph, keeping, weights
from tellapart.learn.backbone import Backbone, Part
from tellapart.learn.composing import compose
from tellapart.learn.engine import Engine
from tellapart.learn.lite0 import serialize_as
from tellapart.settings import Settings

SIZE = 64
HALF = ([0.5] * 3, [0.5] * 3)


def tiny(
    folder: Path, seed: int, *, dim: int = 6, stride: int = 16, opset: int = 17, mapped: bool = True
) -> Backbone:
    """One convolution, its positive part, and the mean over its places."""
    random = np.random.default_rng(seed)
    kernel = random.normal(size=(dim, 3, stride, stride)).astype(np.float32) / 1000
    nodes = [
        helper.make_node("Cast", ["image"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["numbers"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "kernel"], ["sums"], strides=[stride, stride]),
        helper.make_node("Relu", ["sums"], ["feature_map"]),
        helper.make_node("GlobalAveragePool", ["feature_map"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"], axis=1),
    ]
    side = SIZE // stride
    shapes = {"features": ["N", dim], "feature_map": ["N", dim, side, side]}
    names = ["features", "feature_map"][: 1 + mapped]
    whole = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", SIZE, SIZE, 3])],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, shapes[n]) for n in names],
        [numpy_helper.from_array(kernel, "kernel")],
    )
    data = serialize_as(whole, {}, opset=opset, ir_version=8 if opset < 18 else 10)
    tensors = {"conv.weight": kernel}
    name = f"tiny{seed}"
    return keeping.store(folder, data, tensors, name=name, license="MIT", preparation=HALF)


def answers(net: Backbone, batch: np.ndarray, outputs: tuple[str, ...]) -> dict[str, np.ndarray]:
    engine = Engine(net.onnx, threads=1)
    assert "differs" not in engine.reason
    return engine.run(np.ascontiguousarray(batch), outputs)


def pictures(count: int) -> np.ndarray:
    random = np.random.default_rng(3)
    return random.integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)


def test_the_graph_is_its_parts_scaled_and_side_by_side(tmp_path: Path) -> None:
    first, second = tiny(tmp_path, 1), tiny(tmp_path, 2, dim=4, opset=18)
    net = compose([Part(first, 0.5, mirror=True), Part(second, 3.0), Part(first)], tmp_path)
    assert (net.dim, net.size, net.has_map, net.tuned) == (16, SIZE, True, False)
    batch = pictures(3)
    both = ("features", "feature_map")
    whole = answers(net, batch, both)
    plain, turned = answers(first, batch, both), answers(first, batch[:, :, ::-1], both)
    other = answers(second, batch, both)
    expected = [
        0.25 * (plain["features"] + turned["features"]),
        3 * other["features"],
        plain["features"],
    ]
    np.testing.assert_allclose(whole["features"], np.concatenate(expected, 1), atol=1e-5)
    # What was seen in the mirror image is shown where it lies in the picture.
    maps = [
        0.25 * (plain["feature_map"] + turned["feature_map"][..., ::-1]),
        3 * other["feature_map"],
        plain["feature_map"],
    ]
    np.testing.assert_allclose(whole["feature_map"], np.concatenate(maps, 1), atol=1e-5)
    assert np.abs(turned["features"] - plain["features"]).max() > 1e-3


def test_the_bytes_depend_on_the_parts_alone(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    nets = [
        compose([Part(tiny(at, 1), 2.0), Part(tiny(at, 2), mirror=True)], at) for at in (one, other)
    ]
    assert nets[0].onnx.read_bytes() == nets[1].onnx.read_bytes()
    assert nets[0].key == nets[1].key
    swapped = compose([Part(tiny(one, 2), mirror=True), Part(tiny(one, 1), 2.0)], one)
    assert swapped.key != nets[0].key


def test_parts_of_parts_are_taken_apart(tmp_path: Path) -> None:
    first, second = tiny(tmp_path, 1), tiny(tmp_path, 2)
    inner = compose([Part(first, 2.0), Part(second, 1.0, mirror=True)], tmp_path)
    net = compose([Part(inner, 0.5), Part(second)], tmp_path)
    assert [(p.backbone.name, p.scale, p.mirror) for p in net.parts] == [
        ("tiny1", 1.0, False),
        ("tiny2", 0.5, True),
        ("tiny2", 1.0, False),
    ]
    assert compose([Part(first)], tmp_path) == first


def test_a_map_is_left_out_where_a_part_has_none_or_another_grid(tmp_path: Path) -> None:
    first = tiny(tmp_path, 1)
    for other in (tiny(tmp_path, 2, mapped=False), tiny(tmp_path, 3, stride=32)):
        net = compose([Part(first, 2.0, mirror=True), Part(other)], tmp_path)
        assert not net.has_map
        batch = pictures(2)
        found = answers(net, batch, ("features",))["features"]
        rest = answers(other, batch, ("features",))["features"]
        np.testing.assert_allclose(found[:, 6:], rest, atol=1e-5)
        names = {output.name for output in onnx.load(str(net.onnx)).graph.output}
        assert names == {"features"}


def test_parts_of_several_sizes_are_refused(tmp_path: Path) -> None:
    first = tiny(tmp_path, 1)
    with pytest.raises(ValueError, match="sizes"):
        compose([Part(first), Part(replace(first, size=96))], tmp_path)


@pytest.mark.parametrize("mirror", [False, True])
def test_a_head_on_it_has_a_map_whose_mean_is_the_logit(tmp_path: Path, mirror: bool) -> None:
    net = compose([Part(tiny(tmp_path, 1), 2.0, mirror), Part(tiny(tmp_path, 2))], tmp_path)
    random = np.random.default_rng(0)
    bank = random.normal(size=(5, net.dim))
    model = graph.assemble(
        net.onnx.read_bytes(),
        weight=random.normal(size=(3, net.dim)),
        bias=random.normal(size=3),
        bank=bank / np.linalg.norm(bank, axis=1, keepdims=True),
        neighbours=2,
        metadata={},
    )
    found = Engine(model, threads=1).run(pictures(2), graph.OUTPUTS)
    assert found["map"].shape == (2, 3, 4, 4)
    np.testing.assert_allclose(found["map"].mean((2, 3)), found["logits"], atol=1e-4)


@pytest.mark.parametrize("opset", [17, 18])
def test_a_head_on_a_backbone_without_a_map_has_none(tmp_path: Path, opset: int) -> None:
    net = tiny(tmp_path, 1, opset=opset, mapped=False)
    model = graph.assemble(
        net.onnx.read_bytes(),
        weight=np.eye(6)[:2],
        bias=np.array([0.5, -1]),
        bank=np.eye(6),
        neighbours=1,
        metadata={},
    )
    engine = Engine(model, threads=1)
    assert set(engine.outputs) == {"logits", "probabilities", "features", "familiarity"}
    found = engine.run(pictures(2), engine.outputs)
    np.testing.assert_allclose(
        found["logits"], found["features"][:, :2] + np.array([0.5, -1]), atol=1e-5
    )
    length = np.linalg.norm(found["features"], axis=1)
    expected = found["features"].max(axis=1) / length
    np.testing.assert_allclose(found["familiarity"].reshape(-1), expected, atol=1e-5)


def _png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def test_features_of_a_composed_one_come_from_its_parts_in_the_cache(
    tmp_path: Path, settings: Settings
) -> None:
    folder = settings.cache_dir / backbone.FOLDER
    parts = [Part(tiny(folder, 1), 0.5, mirror=True), Part(tiny(folder, 2, dim=4), 2.0)]
    net = compose(parts, folder)
    batch = pictures(5)
    loaded: list[int] = []

    def loader(row: int) -> Callable[[], bytes]:
        def load() -> bytes:
            loaded.append(row)
            return _png(batch[row])

        return load

    items = [(f"{row:064x}", loader(row)) for row in range(5)]
    told: list[int] = []
    found, errors = features.matrix(items, net, "squash", settings, told.append)
    assert not errors
    assert told == sorted(told)
    assert told[-1] == 5
    np.testing.assert_allclose(found, answers(net, batch, ("features",))["features"], atol=1e-4)
    # The parts are known from now on, in whatever they take part.
    loaded.clear()
    other = compose([Part(parts[1].backbone), Part(parts[0].backbone, 3.0)], folder)
    again, _ = features.matrix(items, other, "squash", settings)
    assert not loaded
    np.testing.assert_allclose(again, answers(other, batch, ("features",))["features"], atol=1e-4)


def test_what_is_saved_is_found_again_without_the_cache(tmp_path: Path) -> None:
    cache, work = tmp_path / "cache", tmp_path / "work"
    own = backbone.embedded(cache, SIZE)
    net = compose([Part(own, 2.0), Part(tiny(cache, 1), mirror=True)], cache)
    facts = {"backbone": backbone.save(work, net)}
    batch = pictures(2)
    expected = answers(net, batch, ("features",))["features"]
    for path in cache.rglob("*tiny*"):
        path.unlink()
    found = backbone.of(work, facts, cache)
    assert (found.key, found.license) == (net.key, "Apache-2.0, MIT")
    assert [part.scale for part in found.parts] == [2.0, 1.0]
    np.testing.assert_array_equal(answers(found, batch, ("features",))["features"], expected)
    tensors = found.timm_weights()
    assert tensors["1.conv.weight"].shape == (6, 3, 16, 16)
    assert "0.conv_stem.weight" in tensors


def test_a_former_backbone_stays_until_it_is_pruned(tmp_path: Path) -> None:
    cache, work = tmp_path / "cache", tmp_path / "work"
    first, second = tiny(cache, 1), tiny(cache, 2)
    old = {"backbone": backbone.save(work, first)}
    new = {"backbone": backbone.save(work, second)}
    assert backbone.of(work, old, cache).key == first.key
    backbone.prune(work, new)
    assert backbone.of(work, new, cache).key == second.key
    with pytest.raises(NotFoundError, match="train"):
        backbone.of(work, old, cache)


def test_a_damaged_network_is_said(tmp_path: Path) -> None:
    cache, work = tmp_path / "cache", tmp_path / "work"
    facts = {"backbone": backbone.save(work, tiny(cache, 1))}
    path = next((work / backbone.FOLDER).glob("*.onnx"))
    data = path.read_bytes()
    path.unlink()  # it may be the same file as the cache's
    path.write_bytes(data[:-1] + b"\0")
    with pytest.raises(NotFoundError, match="damaged"):
        backbone.of(work, facts, cache)


def test_damaged_files_are_written_anew_and_never_brought_along(tmp_path: Path) -> None:
    cache, work = tmp_path / "cache", tmp_path / "work"
    first = tiny(cache, 1)
    both = compose([Part(first), Part(first, mirror=True)], cache)
    for path in (first.onnx, first.weights, both.onnx):
        data = path.read_bytes()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        with pytest.raises(NotFoundError, match="damaged"):
            backbone.save(work, both)
        compose([Part(tiny(cache, 1)), Part(first, mirror=True)], cache)
        assert path.read_bytes() == data
    # At the second place too, where the file has its full length.
    facts = {"backbone": backbone.save(work, both)}
    for path in sorted((work / backbone.FOLDER).iterdir()):
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(bytes(len(data)))
        with pytest.raises(NotFoundError, match="damaged"):
            backbone.of(work, facts, cache)
        backbone.save(work, both)
        assert path.read_bytes() == data
        assert backbone.of(work, facts, cache).key == both.key


def test_a_hash_is_read_anew_after_every_write(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    os.utime(path, (1, 1))
    first = backbone.file_sha256(path)
    assert first == hashlib.sha256(b"one").hexdigest() == backbone.file_sha256(path)
    path.write_bytes(b"two")
    os.utime(path, (1, 1))
    assert backbone.file_sha256(path) == hashlib.sha256(b"two").hexdigest()
    assert backbone.is_whole(path, hashlib.sha256(b"two").hexdigest()[:32])
    assert not backbone.is_whole(path, first)
    assert not backbone.is_whole(tmp_path / "nowhere", first)


def test_of_tuned_networks_engines_keep_nothing_in_the_cache(
    tmp_path: Path, settings: Settings
) -> None:
    pytest.importorskip("openvino", reason="only OpenVINO keeps a cache")
    items = [(f"{row:064x}", lambda row=row: _png(pictures(2)[row])) for row in range(2)]
    for tuned, kept in ((True, False), (False, True)):
        net = replace(tiny(tmp_path, 4 + tuned), tuned=tuned)
        features.matrix(items, net, "squash", settings)
        weights.speed(net, settings)
        assert any((settings.cache_dir / "openvino").rglob("*.blob")) is kept


def test_the_embedded_one_leaves_no_file_and_four_facts(tmp_path: Path) -> None:
    facts = backbone.save(tmp_path / "work", backbone.embedded(tmp_path, SIZE))
    assert set(facts) == {"name", "sha256", "size", "dim"}
    assert not (tmp_path / "work").exists()
    assert backbone.of(tmp_path / "work", {"backbone": facts}, tmp_path).size == SIZE


@pytest.mark.parametrize("size", [32, 100, 1056])
def test_sizes_that_the_embedded_one_does_not_take_are_said(tmp_path: Path, size: int) -> None:
    with pytest.raises(InputError, match=str(size)):
        backbone.embedded(tmp_path, size)
