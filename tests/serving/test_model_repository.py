"""The folder for other servers: what lies where, and descriptions that fit the model."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from tellapart import registry
from tellapart.bundle import Bundle
from tellapart.cli import main
from tellapart.errors import DataError, StorageError

MakeBundle = Callable[..., Path]

#: The part of Triton's `ModelConfig` that we write: message → (field, number, type or message).
_TRITON: dict[str, list[tuple[str, int, str]]] = {
    "Reshape": [("shape", 1, "int64*")],
    "Input": [
        ("name", 1, "string"),
        ("data_type", 2, "DataType"),
        ("dims", 4, "int64*"),
        ("reshape", 5, "Reshape"),
    ],
    "Output": [
        ("name", 1, "string"),
        ("data_type", 2, "DataType"),
        ("dims", 3, "int64*"),
        ("label_filename", 4, "string"),
        ("reshape", 5, "Reshape"),
    ],
    "Group": [("count", 2, "int32"), ("kind", 4, "Kind")],
    "Batching": [("max_queue_delay_microseconds", 2, "uint64")],
    "All": [],
    "Policy": [("all", 2, "All")],
    "Config": [
        ("name", 1, "string"),
        ("platform", 2, "string"),
        ("version_policy", 3, "Policy"),
        ("max_batch_size", 4, "int32"),
        ("input", 5, "Input*"),
        ("output", 6, "Output*"),
        ("instance_group", 7, "Group*"),
        ("dynamic_batching", 11, "Batching"),
    ],
}
_ENUMS = {"DataType": ("TYPE_INVALID", "TYPE_UINT8", "TYPE_FP32"), "Kind": ("AUTO", "KIND_CPU")}


@pytest.fixture(scope="module")
def parse() -> Callable[[str], Any]:
    """Reads protobuf text strictly: a field that Triton does not know is an error."""
    file = descriptor_pb2.FileDescriptorProto(name="t.proto", package="t", syntax="proto3")
    for name, values in _ENUMS.items():
        made = file.enum_type.add(name=name)
        for number, value in enumerate(values):
            made.value.add(name=value, number=number)
    field_type = descriptor_pb2.FieldDescriptorProto
    for name, fields in _TRITON.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            plain = kind.rstrip("*")
            added = message.field.add(name=field, number=number)
            added.label = 3 if kind.endswith("*") else 1
            if plain in _TRITON or plain in _ENUMS:
                added.type = 11 if plain in _TRITON else 14
                added.type_name = f".t.{plain}"
            else:
                added.type = getattr(field_type, f"TYPE_{plain.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    config = message_factory.GetMessageClass(pool.FindMessageTypeByName("t.Config"))
    return lambda text: text_format.Parse(text, config())


def export(path: Path, target: Path) -> Path:
    written: Path = registry.load("exporter", "model-repository")().export(
        Bundle.load(path, threads=1), target
    )
    return written


@pytest.mark.parametrize("kind", ["colors", "shades", "sizes"])
def test_what_triton_reads_fits_what_the_model_gives(
    kind: str, make_bundle: MakeBundle, parse: Callable[[str], Any], tmp_path: Path
) -> None:
    path = make_bundle(tmp_path, kind, version=3)
    models = export(path, tmp_path / "out") / "models"
    bundle = Bundle.load(path, threads=1)
    with zipfile.ZipFile(path) as archive:
        assert (models / kind / "3" / "model.onnx").read_bytes() == archive.read("model.onnx")
    assert (models / kind / "labels.txt").read_text().splitlines() == list(bundle.labels)
    found = parse((models / kind / "config.pbtxt").read_text())
    assert (found.name, found.platform) == (kind, "onnxruntime_onnx")
    assert found.max_batch_size == 16 and found.HasField("dynamic_batching")
    (given,) = found.input
    kinds = {1: np.uint8, 2: np.float32}
    out = bundle.outputs(
        np.zeros((2, *given.dims), kinds[given.data_type]), [one.name for one in found.output]
    )
    assert set(out) == set(bundle.manifest["outputs"])
    for one in found.output:
        shape = list(one.reshape.shape) if one.HasField("reshape") else list(one.dims)
        assert [2, *shape] == list(out[one.name].shape)
        assert kinds[one.data_type] == out[one.name].dtype
        assert one.label_filename == ("labels.txt" if one.name == "probabilities" else "")


def test_tritons_own_description_reads_it(make_bundle: MakeBundle, tmp_path: Path) -> None:
    config = pytest.importorskip(
        "tritonclient.grpc.model_config_pb2", reason="tritonclient[grpc] is not installed"
    )
    export(make_bundle(tmp_path), tmp_path)
    text = (tmp_path / "models" / "colors" / "config.pbtxt").read_text()
    assert text_format.Parse(text, config.ModelConfig()).name == "colors"


def test_models_and_versions_gather_in_one_folder(make_bundle: MakeBundle, tmp_path: Path) -> None:
    for kind, version in (("colors", 1), ("sizes", 1), ("colors", 2), ("colors", 2)):
        export(make_bundle(tmp_path, kind, version=version, gain=8.0 + version), tmp_path)
    models = tmp_path / "models"
    assert sorted(str(p.relative_to(models)) for p in models.rglob("*") if p.is_file()) == [
        "colors/1/model.onnx",
        "colors/2/model.onnx",
        "colors/config.pbtxt",
        "colors/labels.txt",
        "config.json",
        "sizes/1/model.onnx",
        "sizes/config.pbtxt",
        "sizes/labels.txt",
    ]
    listed = json.loads((models / "config.json").read_text())["model_config_list"]
    assert [one["config"]["name"] for one in listed] == ["sizes", "colors"]
    for one in listed:
        # As mounted: `docker run -v OUT/models:/models …`
        assert (models / Path(one["config"]["base_path"]).relative_to("/models")).is_dir()


def test_nothing_is_written_where_it_would_not_be_right(
    make_bundle: MakeBundle, tmp_path: Path
) -> None:
    export(make_bundle(tmp_path), tmp_path)
    other = make_bundle(tmp_path, version=2, labels=["cold", "green", "red"])
    with pytest.raises(DataError, match="other classes"):
        export(other, tmp_path)
    listed = tmp_path / "models" / "config.json"
    for text in ("[]", "not JSON", '{"model_config_list": 3}'):
        listed.write_text(text)
        with pytest.raises(DataError, match="no list of models"):
            export(make_bundle(tmp_path, version=3), tmp_path)
        assert listed.read_text() == text
    assert sorted(p.name for p in (tmp_path / "models" / "colors").iterdir()) == [
        "1",
        "config.pbtxt",
        "labels.txt",
    ]
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="can be written"):
        export(make_bundle(tmp_path, version=4), tmp_path / "file")


def test_the_command(
    make_bundle: MakeBundle,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(make_bundle(tmp_path)), "--format", "model-repository"]) == 0
    assert capsys.readouterr().out == "model-repository: colors-1-model-repository\n"
    assert (tmp_path / "colors-1-model-repository/models/colors/1/model.onnx").is_file()
