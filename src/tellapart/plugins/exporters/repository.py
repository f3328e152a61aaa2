"""A folder that other servers read: Triton Inference Server and OpenVINO Model Server.

`models/NAME/VERSION/model.onnx` is where both look for a model; `models/NAME/config.pbtxt` is
Triton's description of it (its `ModelConfig` as protobuf text), `models/config.json` OpenVINO
Model Server's list of models. Both take pictures as `Bundle.prepare` gives them.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx

from tellapart.bundle import Bundle
from tellapart.bundle.archive import Archive, open_archive
from tellapart.bundle.predictor import LABELS, MODEL, read_model
from tellapart.doors import Exporter
from tellapart.errors import DataError, StorageError
from tellapart.plugins.exporters.files import copy_out

#: Where OpenVINO Model Server's examples mount the folder.
_MOUNTED = "/models"
#: The most pictures that Triton may put together.
_BATCH = 16
_TYPES = {
    onnx.TensorProto.FLOAT: "FP32",
    onnx.TensorProto.DOUBLE: "FP64",
    onnx.TensorProto.FLOAT16: "FP16",
    onnx.TensorProto.UINT8: "UINT8",
    onnx.TensorProto.INT32: "INT32",
    onnx.TensorProto.INT64: "INT64",
    onnx.TensorProto.BOOL: "BOOL",
}


class Repository(Exporter):
    """`models/NAME/VERSION/model.onnx` with what Triton and OpenVINO Model Server read."""

    name = "model-repository"

    def export(self, bundle: Bundle, target: Path) -> Path:
        """Write into the folder `target`, beside models and versions that are there already.

        Raises `DataError` where another version of the model there has other classes, or where
        `config.json` is no list of models.
        """
        models = target / "models"
        try:
            with open_archive(bundle.path) as archive:
                _write(bundle, archive, models)
        except OSError as error:
            raise StorageError(
                f"Nothing can be written to {str(models)!r}: {error.strerror or error}.",
                expected="enough room, and a folder that can be written to",
                do="Free some space or choose another folder.",
            ) from error
        return target


def _write(bundle: Bundle, archive: Archive, models: Path) -> None:
    """All files, or none: what may be wrong is looked at before the first one is in its place."""
    home = models / bundle.name
    _, model = read_model(archive)
    _check_labels(home, bundle)
    listed = json.dumps(_listed(models / "config.json", bundle.name), indent=1, ensure_ascii=False)
    texts = {
        home / "config.pbtxt": _triton(bundle, onnx.load_model_from_string(model)),
        models / "config.json": f"{listed}\n",
    }
    names = {
        MODEL: f"{bundle.name}/{bundle.version}/{MODEL}",
        LABELS: f"{bundle.name}/{LABELS}",
    }
    parts = {path: path.with_name(f".part-{path.name}") for path in texts}
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            parts[path].write_text(text, encoding="utf-8")
        copy_out(archive, names, models)
        for path, part in parts.items():
            part.replace(path)
    finally:
        for part in parts.values():
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)


def _check_labels(home: Path, bundle: Bundle) -> None:
    """One file of labels serves all versions of a model."""
    try:
        there = (home / LABELS).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return
    others = any(
        path.is_dir() and path.name.isdigit() and path.name != str(bundle.version)
        for path in home.iterdir()
    )
    if others and there != list(bundle.labels):
        raise DataError(
            f"The folder {str(home)!r} holds a version of {bundle.name!r} with other classes.",
            expected="versions that tell apart the same classes in the same order",
            do="Give another --out, or remove that version.",
        )


def _listed(path: Path, name: str) -> dict[str, Any]:
    """OpenVINO Model Server's list: what it holds already, and this model with all versions."""
    found: Any = {"model_config_list": []}
    if path.exists():
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            found = None
    models = found.get("model_config_list") if isinstance(found, dict) else None
    if not isinstance(models, list) or not all(isinstance(one, dict) for one in models):
        raise DataError(
            f"The file {str(path)!r} is no list of models.",
            expected='{"model_config_list": [{"config": {"name": …, "base_path": …}}]}',
            do="Move it away, or give another --out.",
        )
    config = {
        "name": name,
        "base_path": f"{_MOUNTED}/{name}",
        "model_version_policy": {"all": {}},
    }
    kept = [one for one in models if (one.get("config") or {}).get("name") != name]
    return {**found, "model_config_list": [*kept, {"config": config}]}


def _triton(bundle: Bundle, model: onnx.ModelProto) -> str:
    """Triton's `config.pbtxt`."""
    first, batched = model.graph.input[0], True
    tensors = [first, *model.graph.output]
    for tensor in tensors:
        # Triton puts requests together only where every tensor's first dimension is free.
        dims = tensor.type.tensor_type.shape.dim
        batched = batched and len(dims) > 0 and not dims[0].HasField("dim_value")
    lines = [
        f"# {bundle.name} {bundle.version}: pictures and rows as `Bundle.prepare` and",
        "# `Bundle.row_reader` give them.",
        f"name: {_quoted(bundle.name)}",
        'platform: "onnxruntime_onnx"',
        f"max_batch_size: {_BATCH if batched else 0}",
        f"input [\n{_tensor(first, batched)}\n]",
        "output [",
        ",\n".join(
            _tensor(one, batched, labeled=one.name == "probabilities") for one in tensors[1:]
        ),
        "]",
        *(["dynamic_batching { }"] if batched else []),
        "version_policy: { all { } }",
        "instance_group [ { count: 1, kind: KIND_CPU } ]",
    ]
    return "\n".join(lines) + "\n"


def _tensor(tensor: onnx.ValueInfoProto, batched: bool, *, labeled: bool = False) -> str:
    kind = tensor.type.tensor_type
    dims = [d.dim_value if d.HasField("dim_value") else -1 for d in kind.shape.dim]
    dims = dims[1:] if batched else dims
    lines = [
        f"    name: {_quoted(tensor.name)}",
        f"    data_type: TYPE_{_TYPES[kind.elem_type]}",
        f"    dims: {_numbers(dims or [1])}",
    ]
    if not dims:  # one number a picture: Triton knows no tensor without a dimension
        lines.append("    reshape: { shape: [ ] }")
    if labeled:
        lines.append(f"    label_filename: {_quoted(LABELS)}")
    return "\n".join(["  {", *lines, "  }"])


def _numbers(values: Sequence[int]) -> str:
    return f"[ {', '.join(map(str, values))} ]"


def _quoted(text: str) -> str:
    """A string of protobuf's text format, in ASCII."""
    safe = "".join(
        chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:03o}"
        for byte in text.encode()
    )
    return f'"{safe}"'
