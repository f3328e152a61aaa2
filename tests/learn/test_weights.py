"""Weights in files and folders: found by name, described by their head or beside, never trusted."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from safetensors.numpy import save, save_file

from tellapart.cli.entry import main
from tellapart.errors import InputError, NotFoundError, VerificationError
from tellapart.learn import backbone, weights
from tellapart.learn.weights import files, finding
from tellapart.settings import Settings

ONE = {"conv.weight": np.zeros((2, 3, 1, 1), np.float32), "fc.bias": np.zeros(4, np.float32)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "weights"
    path.mkdir()
    return path


@pytest.fixture
def own(settings: Settings, folder: Path) -> Settings:
    return replace(settings, weights_dir=folder)


def test_without_a_folder_there_is_the_embedded_one_alone(settings: Settings) -> None:
    (found,) = weights.available(settings)
    assert (found.name, found.source, found.license) == (backbone.NAME, "embedded", "Apache-2.0")
    tensors = weights.tensors(found)
    assert found.parameters == sum(
        tensor.size for name, tensor in tensors.items() if not name.endswith(files.STATISTICS)
    )
    assert tensors["classifier.weight"].shape == (1000, 1280)
    assert weights.find(backbone.NAME, settings) == found
    net = weights.backbone(backbone.NAME, 96, settings)
    assert net == backbone.embedded(settings.cache_dir, 96)


def test_what_a_file_is_stands_in_its_head_or_beside_it(own: Settings, folder: Path) -> None:
    head = {"timm": "netone", "licence": "MIT", "mean": "0.5,0.5,0.5", "pad_type": "same"}
    save_file(ONE, folder / "netone_mine.safetensors", metadata=head)
    save_file(ONE, folder / "nettwo.safetensors", metadata=head)
    beside = {"model": "nettwo", "args": {"bn_eps": 0.01}, "license": "BSD-3-Clause", "size": 96}
    (folder / "nettwo.json").write_text(json.dumps(beside))
    (folder / "notes.txt").write_text("no weights")
    one, two, _ = weights.available(own)
    assert (one.name, one.model, one.license) == ("netone_mine", "netone", "MIT")
    assert (one.args, one.mean, one.std) == ((("pad_type", "same"),), (0.5, 0.5, 0.5), None)
    assert (two.model, two.license, two.size) == ("nettwo", "BSD-3-Clause", 96)
    assert two.args == (("bn_eps", 0.01),)
    assert two.parameters == 10
    assert weights.find("netone", own) == one
    assert weights.find("netone_mine", own) == one


def test_a_tag_chooses_among_several(own: Settings, folder: Path) -> None:
    for tag in ("a_in1k", "b_in22k"):
        save_file(ONE, folder / f"netone.{tag}.safetensors")
    assert weights.find("netone.b_in22k", own).path.name == "netone.b_in22k.safetensors"
    assert weights.find("netone", own).path.name == "netone.a_in1k.safetensors"


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:-1], lambda data: data + b"x", lambda data: b"\xff" * 16, lambda _: b""],
)
def test_a_damaged_file_is_said_and_hides_no_other(
    own: Settings, folder: Path, damage: Any
) -> None:
    (folder / "whole.safetensors").write_bytes(save(ONE))
    broken = folder / "broken.safetensors"
    broken.write_bytes(damage(save(ONE)))
    assert [each.name for each in weights.available(own)] == ["whole", backbone.NAME]
    with pytest.raises(VerificationError, match="cannot be read"):
        weights.find("broken", own, broken)


#: Descriptions that no honest program writes; the last is too deep for a reader of JSON.
DESCRIPTIONS = (
    "[]",
    "{",
    '{"mean": [1, 2]}',
    '{"mean": "abc"}',
    '{"mean": [1e400, 0.5, 0.5]}',
    '{"mean": [true, true, true]}',
    '{"std": [0, 0.5, 0.5]}',
    '{"std": [0.5, 0.5, -1]}',
    '{"size": -5}',
    '{"size": true}',
    '{"size": 100000}',
    '{"name": ["x"]}',
    '{"model": ""}',
    '{"model": "net\\u001b[2J"}',
    '{"args": 3}',
    '{"args": {"checkpoint_path": "/elsewhere.pth"}}',
    '{"args": {"pretrained_cfg_overlay": {"file": "/elsewhere.pth"}}}',
    '{"args": {"in_chans": 1}}',
    '{"args": {"pad_type": ["same"]}}',
    '{"args": {"img_size": -1}}',
    '{"args": {"img_size": 1e9}}',
    '{"args": {"bn_eps": 0}}',
    "[" * 100_000,
)


@pytest.mark.parametrize("text", DESCRIPTIONS)
def test_a_description_that_cannot_be_read_is_said(folder: Path, text: str) -> None:
    save_file(ONE, folder / "netone.safetensors")
    (folder / "netone.json").write_text(text)
    with pytest.raises(VerificationError, match=r"netone\.json"):
        files.sidecar(folder / "netone.safetensors")


def _raw(path: Path, head: Any, body: bytes = b"\0" * 4) -> None:
    text = (head if isinstance(head, str) else json.dumps(head)).encode(errors="surrogatepass")
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)


_WHOLE = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
HEADS = (
    {"a": {"dtype": "F32", "data_offsets": [0, 4]}},
    {"a": {**_WHOLE, "shape": ["x"]}},
    {"a": {**_WHOLE, "shape": [-1]}},
    {"a": {**_WHOLE, "shape": 1}},
    {"a": {**_WHOLE, "data_offsets": [4]}},
    {"a": {**_WHOLE, "data_offsets": [-4, 4]}},
    {"a": {**_WHOLE, "data_offsets": ["0", "4"]}},
    {"a": {**_WHOLE, "dtype": 3}},
    {"a": 3},
    {"a": _WHOLE, "__metadata__": ["x"]},
    {"a": _WHOLE, "__metadata__": {"mean": "abc"}},
    {"a": _WHOLE, "__metadata__": {"mean": "0.5,0.5"}},
    {"a": _WHOLE, "__metadata__": {"std": "0,0,0"}},
    {"a": _WHOLE, "__metadata__": {"std": "nan,1,1"}},
    {"a": _WHOLE, "__metadata__": {"timm": ["x"]}},
    {"a": _WHOLE, "__metadata__": {"pad_type": "../up"}},
    "[" * 100_000,
)


@pytest.mark.parametrize("head", HEADS)
def test_a_hostile_head_is_said_and_hides_no_other(own: Settings, folder: Path, head: Any) -> None:
    (folder / "whole.safetensors").write_bytes(save(ONE))
    broken = folder / "broken.safetensors"
    _raw(broken, head)
    assert [each.name for each in weights.available(own)] == ["whole", backbone.NAME]
    assert weights.find("whole", own).path.name == "whole.safetensors"
    with pytest.raises(VerificationError, match=r"broken\.safetensors"):
        weights.find("broken", own, broken)


#: Values of JSON, true ones of heads and descriptions among them.
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 5)
    | st.integers()
    | st.floats()
    | st.sampled_from(["same", "F32", "0.5,0.5,0.5", "nan,1,1", "netone", "", "\ud800"])
    | st.text(max_size=5)
    | st.sampled_from([[0.5, 0.5, 0.5], [2, 2], [0, 4], {"pad_type": "same"}]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
_KEYS = ("model", "name", "args", "mean", "std", "license", "size", "note", "timm", "pad_type")
FACTS = st.dictionaries(st.sampled_from(_KEYS), VALUES)
TENSOR = st.fixed_dictionaries(
    {}, optional={"dtype": VALUES, "shape": VALUES, "data_offsets": VALUES}
)
HEAD = st.fixed_dictionaries(
    {},
    optional={
        "a": st.just(_WHOLE) | TENSOR | VALUES,
        "b": TENSOR,
        "__metadata__": FACTS | VALUES,
        "__other": TENSOR,
    },
)


@hypothesis.settings(max_examples=200, deadline=None)
@hypothesis.given(head=HEAD | VALUES, beside=FACTS | VALUES)
def test_whatever_stands_in_files_is_read_or_said(head: Any, beside: Any) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "netone.safetensors")
        _raw(path, head)
        Path(place, "netone.json").write_text(json.dumps(beside))
        try:
            found = finding.describe(path, "file")
        except VerificationError as error:
            assert "cannot be read" in error.what
            return
        assert found.parameters is not None
        assert all(0 < value < float("inf") for value in found.std or ())
        assert {key for key, _ in found.args} <= {"pad_type"}
        assert len(found.key) == 16
        assert f"{found.name}{found.model}{found.license}{found.note}".isprintable()


def test_tensors_that_cannot_be_read_are_said(own: Settings, folder: Path) -> None:
    path = folder / "netone.safetensors"
    _raw(path, {"a": {**_WHOLE, "dtype": "NONE"}})
    with pytest.raises(VerificationError, match=r"netone\.safetensors"):
        weights.tensors(weights.find("netone", own, path))


def test_a_file_that_may_not_be_read_hides_no_other(own: Settings, folder: Path) -> None:
    (folder / "gone.pth").symlink_to(folder / "nowhere")
    (folder / "whole.safetensors").write_bytes(save(ONE))
    locked = folder / "locked.pth"
    locked.write_bytes(b"x")
    real = Path.open

    def opened(path: Path, *args: Any, **kwargs: Any) -> Any:
        if path == locked:  # root reads whatever it likes: the refusal is the test's own
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "open", opened)
        assert [each.name for each in weights.available(own)] == ["whole", backbone.NAME]
        with pytest.raises(VerificationError, match=r"locked\.pth"):
            weights.find("locked", own, locked)


def test_names_and_files_that_do_not_exist_are_said(own: Settings, tmp_path: Path) -> None:
    for name in ("../up", "a b", "", "x.y.z", "-rf"):
        with pytest.raises(InputError, match="no name"):
            weights.find(name, own)
    with pytest.raises(NotFoundError, match="nowhere"):
        weights.find("netone", own, tmp_path / "nowhere.safetensors")


def test_the_list_is_told_without_torch_or_network(own: Settings, folder: Path) -> None:
    save_file(ONE, folder / "netone.safetensors", metadata={"license": "MIT"})
    line = (
        "import sys; from tellapart.cli.entry import main; code = main(['weights', 'list', "
        "'--json']); sys.exit(code or 'torch' in sys.modules)"
    )
    environment = {
        "TELLAPART_HOME": str(own.home),
        "TELLAPART_WEIGHTS": str(folder),
        "PATH": "",
    }
    run = subprocess.run(
        [sys.executable, "-c", line], capture_output=True, text=True, env=environment
    )
    assert run.returncode == 0, run.stderr
    rows = json.loads(run.stdout)["weights"]
    assert [(row["name"], row["license"], row["source"]) for row in rows] == [
        ("netone", "MIT", "file"),
        (backbone.NAME, "Apache-2.0", "embedded"),
    ]
    assert rows[1]["size"] == 224
    assert rows[1]["pictures_per_second"] is None


def test_a_speed_is_measured_once(settings: Settings) -> None:
    net = backbone.embedded(settings.cache_dir, 64)
    assert weights.known_speed(net, settings) is None
    found = weights.speed(net, settings)
    assert found > 1
    assert weights.known_speed(net, settings) == weights.speed(net, settings) == found
    assert weights.known_speed(backbone.embedded(settings.cache_dir, 96), settings) is None
    (settings.cache_dir / "speeds.json").write_text("no JSON")
    assert weights.known_speed(net, settings) is None


def test_a_file_of_torchs_own_is_read_as_tensors_only(own: Settings, folder: Path) -> None:
    torch = pytest.importorskip("torch", reason="reads torch's own files")
    path = folder / "netone.pth"
    state = {f"module.{name}": torch.tensor(value) for name, value in ONE.items()}
    torch.save({"state_dict": state, "epoch": 3}, path)
    found = weights.tensors(weights.find("netone", own))
    assert {name: tensor.shape for name, tensor in found.items()} == {
        name: tensor.shape for name, tensor in ONE.items()
    }
    torch.save({"state_dict": print}, path)
    with pytest.raises(VerificationError, match=r"netone\.pth"):
        weights.tensors(weights.find("netone", own))


def test_weights_of_another_network_are_refused(own: Settings, folder: Path) -> None:
    pytest.importorskip("timm", reason="the networks are timm's")
    save_file(ONE, folder / "test_resnet.safetensors")
    with pytest.raises(VerificationError, match="do not fit"):
        weights.backbone("test_resnet", 64, own)


def _state(seed: int) -> dict[str, np.ndarray]:
    torch = pytest.importorskip("torch", reason="networks are exported by torch")
    timm = pytest.importorskip("timm", reason="the networks are timm's")
    torch.manual_seed(seed)
    state = timm.create_model("test_resnet", num_classes=0).state_dict()
    return {name: tensor.numpy() for name, tensor in state.items()}


def test_another_file_of_the_same_name_is_another_network(own: Settings, folder: Path) -> None:
    path = folder / "test_resnet.safetensors"
    save_file(_state(0), path)
    old = weights.backbone("test_resnet", 64, own)
    first = weights.key("test_resnet", own)
    assert old.sha256 == weights.find("test_resnet", own).sha256
    save_file(_state(1), path)
    new = weights.backbone("test_resnet", 64, own)
    assert new.sha256 == weights.find("test_resnet", own).sha256 != old.sha256
    assert new.graph != old.graph
    assert weights.key("test_resnet", own) != first
    # An explicit file goes before both, and where all files are gone the last export stands in.
    other = folder.parent / "mine.safetensors"
    save_file(_state(0), other)
    assert weights.backbone("test_resnet", 64, own, other).graph == old.graph
    assert weights.key("test_resnet", own, other) == first
    save_file(_state(0), path)
    path.unlink()
    away = replace(own, hub_url="http://127.0.0.1:9")
    assert weights.backbone("test_resnet", 64, away).graph in (old.graph, new.graph)
    assert len(weights.key("test_resnet", away)) == len(first)


def test_the_embedded_one_is_no_file_of_its_name(own: Settings, folder: Path) -> None:
    save_file(ONE, folder / f"{backbone.NAME}.safetensors")
    assert weights.find(backbone.NAME, own).source == "embedded"
    assert weights.backbone(backbone.NAME, 64, own).is_embedded
    file = folder / f"{backbone.NAME}.safetensors"
    assert weights.find(backbone.NAME, own, file).source == "file"


def test_a_damaged_export_is_made_anew(own: Settings, folder: Path) -> None:
    save_file(_state(0), folder / "test_resnet.safetensors")
    net = weights.backbone("test_resnet", 64, own)
    for path in (net.onnx, net.weights):
        data = path.read_bytes()
        path.write_bytes(data[:-4] + b"\1\2\3\4")
        again = weights.backbone("test_resnet", 64, own)
        assert again == net
        assert path.read_bytes() == data


@pytest.mark.shared
def test_real_weights_with_a_padding_of_their_own_answer_as_timms_network(
    settings: Settings, shared_data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    torch = pytest.importorskip("torch", reason="networks are exported by torch")
    timm = pytest.importorskip("timm", reason="the networks are timm's")
    place = shared_data / "weights_imagenet"
    monkeypatch.setenv("TELLAPART_WEIGHTS", str(place))
    own = replace(settings, weights_dir=place)
    net = weights.backbone("mobilenetv2_100_same", 96, own)
    assert (net.timm, net.args, net.license) == (
        "mobilenetv2_100",
        (("pad_type", "same"),),
        "Apache-2.0",
    )
    tensors = {name: torch.tensor(value) for name, value in net.timm_weights().items()}
    there = timm.create_model("mobilenetv2_100", num_classes=0, pad_type="same").eval()
    there.load_state_dict(tensors)
    batch = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), dtype=np.uint8)
    from tellapart.learn.engine import Engine

    here = Engine(net.onnx, threads=1).run(batch, ("features", "feature_map"))
    with torch.inference_mode():
        expected = there(torch.from_numpy(batch).permute(0, 3, 1, 2) / 127.5 - 1).numpy()
    np.testing.assert_allclose(here["features"], expected, rtol=1e-3, atol=1e-3)
    assert net.has_map
    capsys.readouterr()
    assert main(["weights", "list"]) == 0
    assert "mobilenetv2_100_same" in capsys.readouterr().out
