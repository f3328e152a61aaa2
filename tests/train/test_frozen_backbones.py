"""Other frozen networks than the embedded one, from pictures to a bundle that proves itself."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save_file

import tellapart
from tellapart.bundle import Bundle, verify
from tellapart.bundle.card import card
from tellapart.demo.drawing import WORDS, draw
from tellapart.errors import DataError
from tellapart.learn import backbone
from tellapart.recipe import check
from tellapart.registry import load as plugin
from tellapart.settings import Settings
from tellapart.steps.train import frozen, material

LABELS = WORDS[:2]


@pytest.fixture(scope="module")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawings")
    for label in LABELS:
        (folder / label).mkdir()
        for number in range(12):
            draw(label, number, (120, 90)).save(folder / label / f"{number}.jpg", quality=88)
    return folder


def _bundle(drawings: Path, settings: Settings, **train: Any) -> tuple[Path, dict[str, Any], str]:
    """The bundle, its manifest, and its card."""
    recipe = check({"name": "drawn", "data": str(drawings), "train": train})
    result = tellapart.run(recipe, settings=settings, spawn=False)
    assert result.bundle is not None
    assert verify(result.bundle).golden
    with zipfile.ZipFile(result.bundle) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        return result.bundle, manifest, archive.read("README.md").decode()


def test_larger_pictures_and_their_mirror_images(drawings: Path, settings: Settings) -> None:
    path, manifest, words = _bundle(drawings, settings, size=96, mirror=True)
    (part,) = manifest["backbone"]["parts"]
    assert (part["name"], part["mirror"], part["license"]) == (
        "tf_efficientnet_lite0",
        True,
        "Apache-2.0",
    )
    assert (manifest["input"]["size"], manifest["backbone"]["dim"]) == (96, 1280)
    assert "`tf_efficientnet_lite0` is under Apache-2.0" in words
    assert "mirrored" in words
    assert "import timm" not in words
    with zipfile.ZipFile(path) as archive:
        tensors = load(archive.read("weights.safetensors"))
        assert b"EfficientNet-Lite0" in archive.read("tellapart/NOTICE.txt")
    assert tensors["head.weight"].shape == (2, 1280)
    assert "0.conv_stem.weight" in tensors
    # A picture and its mirror image are one to it, and the map is of the picture's own grid.
    bundle = Bundle.load(path)
    picture = draw(LABELS[0], 99, (96, 96))
    pixels = np.asarray(picture.convert("RGB"))
    both = bundle.outputs(np.stack([pixels, pixels[:, ::-1]]), ("probabilities", "map"))
    np.testing.assert_allclose(*both["probabilities"], atol=1e-4)
    np.testing.assert_allclose(both["map"][0], both["map"][1][:, :, ::-1], atol=1e-3)
    assert both["map"].shape == (2, 2, 3, 3)
    with pytest.raises(DataError, match="composed"):
        plugin("exporter", "coreml")().export(bundle, path.parent / "coreml")
    # The same again changes nothing.
    again, _, _ = _bundle(drawings, settings, size=96, mirror=True)
    assert again == path


@pytest.mark.slow
def test_a_network_of_timm_without_a_map(
    drawings: Path, settings: Settings, tmp_path: Path
) -> None:
    torch = pytest.importorskip("torch", reason="networks are exported by torch")
    timm = pytest.importorskip("timm", reason="the network is timm's")
    torch.manual_seed(0)
    state = timm.create_model("test_convnext", pretrained=False).state_dict()
    file = tmp_path / "test_convnext.safetensors"
    told = {"license": "CC-BY-NC-4.0", "mean": "0.4,0.5,0.6", "std": "0.2,0.2,0.3"}
    save_file({name: tensor.numpy() for name, tensor in state.items()}, file, metadata=told)
    path, manifest, words = _bundle(
        drawings, settings, backbone="test_convnext", weights=str(file), size=64
    )
    assert manifest["outputs"] == ["logits", "probabilities", "features", "familiarity"]
    assert manifest["backbone"]["mean"] == [0.4, 0.5, 0.6]
    assert "**not for commercial use**" in words
    assert "Nothing recorded speaks against" not in words
    bundle = Bundle.load(path)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "unpacked")
        assert b"EfficientNet" not in archive.read("tellapart/NOTICE.txt")
    # The card's own lines build the network anew and get the bundle's probabilities.
    (lines,) = re.findall(r"```python\n(import json.*?)```", words, re.DOTALL)
    run = subprocess.run(
        [sys.executable, "-c", lines.replace("print(", "print(json.dumps(").rstrip() + ")"],
        cwd=tmp_path / "unpacked",
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    shown = json.loads(run.stdout)
    (name,) = re.findall(r"load\(Path\('([^']+)'\)", lines)
    answer = bundle.predict(tmp_path / "unpacked" / name)
    assert shown == pytest.approx(answer.probabilities, abs=1e-3)
    # Where a model has no map, covering the picture piece by piece shows what counted.
    assert bundle.predict(tmp_path / "unpacked" / name, why=True).map is not None


def test_a_card_names_every_network_and_every_licence() -> None:
    one = {
        "name": "one",
        "timm": "one.a_in1k",
        "license": "MIT",
        "mirror": True,
        "upside": False,
        "tuned": True,
    }
    other = {**one, "name": "other", "timm": "other.b_in1k", "license": "unknown", "tuned": False}
    manifest = {
        "name": "fruit",
        "version": 3,
        "labels": ["apple", "pear"],
        "backbone": {
            "name": "one+other",
            "timm": "",
            "license": "MIT, unknown",
            "dim": 900,
            "classifier": "",
            "parts": [one, other],
        },
        "input": {"size": 96, "view": "squash"},
        "golden": [{"file": "golden/x.png"}],
        "metrics": {},
        "thresholds": {"familiarity": 0.5},
        "data": {
            "licenses": {"cc0": 3},
            "withheld_for_size": False,
            "pictures": 3,
            "included": 3,
            "splits": {"train": {"apple": 2, "pear": 1}},
            "fingerprint": "f",
        },
    }
    text = card(manifest)
    assert "base_model: [timm/one.a_in1k, timm/other.b_in1k]" in text
    assert "library_name: onnx" in text
    assert "`one` is under MIT" in text
    assert "of `other` **no licence is known**" in text
    assert "trained further" in text
    assert "Nothing recorded speaks against" not in text


@pytest.mark.parametrize("effort", ["quick", "good"])
def test_a_file_of_weights_counts_for_every_effort(
    settings: Settings, tmp_path: Path, effort: str
) -> None:
    torch = pytest.importorskip("torch", reason="networks are exported by torch")
    timm = pytest.importorskip("timm", reason="the network is timm's")
    from tellapart.learn import weights

    own = replace(settings, hub_url="http://127.0.0.1:9", weights_dir=tmp_path)
    files = []
    for seed, place in enumerate(("test_resnet.safetensors", "mine.safetensors")):
        torch.manual_seed(seed)
        state = timm.create_model("test_resnet", num_classes=0).state_dict()
        files.append(tmp_path / place)
        save_file({name: tensor.numpy() for name, tensor in state.items()}, files[-1])
    asked: dict[str, Any] = {"backbone": "test_resnet", "weights": str(files[1]), "size": 64}
    recipe = check({"name": "x", "classes": ["a", "b"], "effort": effort, "train": asked})
    context: Any = SimpleNamespace(settings=own, recipe=recipe)
    given = weights.find("test_resnet", own, files[1])
    net = (
        material.network(context)
        if effort == "quick"
        else frozen.network(context, "test_resnet", 64)
    )
    assert net.sha256 == given.sha256
    assert material.weights_key(context, "test_resnet") == given.key
    # Any other network is found as ever.
    assert material.weights_file(context, backbone.NAME) is None
    assert frozen.network(context, backbone.NAME, 64).is_embedded
    del asked["weights"]
    recipe = check({"name": "x", "classes": ["a", "b"], "effort": effort, "train": asked})
    context = SimpleNamespace(settings=own, recipe=recipe)
    assert material.network(context).sha256 != given.sha256
    assert material.weights_key(context, "test_resnet") != given.key
