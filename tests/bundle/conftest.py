"""A tiny classifier and bundles made of it, so that the format is tested without a backbone."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from tellapart.bundle import golden
from tellapart.bundle.manifest import Manifest, to_json
from tellapart.bundle.predictor import Bundle, Session
from tellapart.bundle.standalone import runtime_files
from tellapart.bundle.verify import labels_text
from tellapart.bundle.write import write_zip
from tellapart.tables import Column, Schema

LABELS = ("blue", "green", "red")
SIZE = 32

Maker = Callable[..., dict[str, bytes]]


def tiny_model(labels: tuple[str, ...] = LABELS, gain: float = 8.0) -> bytes:
    """The mean color of each of 7×7 cells is the feature map; a class is a color."""
    weight = np.eye(3, dtype=np.float32)[[2, 1, 0]][: len(labels)] * gain
    constants = {
        "scale": np.float32(1 / 255),
        "weight": weight.T.copy(),
        "kernel": weight[:, :, None, None].copy(),
        "half": np.float32(0.5),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["numbers"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Mul", ["planes", "scale"], ["unit"]),
        helper.make_node("AveragePool", ["unit"], ["cells"], kernel_shape=[8, 8], strides=[4, 4]),
        helper.make_node("GlobalAveragePool", ["cells"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"], axis=1),
        helper.make_node("MatMul", ["features", "weight"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        helper.make_node("Conv", ["cells", "kernel"], ["map"]),
        helper.make_node("ReduceMax", ["features"], ["familiarity"], axes=[1], keepdims=0),
    ]
    count = len(labels)
    shapes: dict[str, list[Any]] = {
        "logits": ["N", count],
        "probabilities": ["N", count],
        "features": ["N", 3],
        "familiarity": ["N"],
        "map": ["N", count, 7, 7],
    }
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", SIZE, SIZE, 3])],
        [helper.make_tensor_value_info(k, TensorProto.FLOAT, v) for k, v in shapes.items()],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    names = dict(enumerate(labels))
    model.metadata_props.add(key="names", value=repr(names))
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def picture(color: str | tuple[int, int, int] = "red", size: tuple[int, int] = (40, 30)) -> bytes:
    """A PNG of one color with a little gradient in it."""
    image = Image.new("RGB", size, color)
    for x in range(0, size[0], 4):
        image.putpixel((x, 0), (x, x, x))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def contents(**changes: Any) -> dict[str, bytes]:
    """The files of a tiny bundle, without SHA256SUMS."""
    model = tiny_model()
    drawn = {"golden/00-red.png": picture("red"), "golden/01-gray.png": picture("gray")}
    manifest: dict[str, Any] = {
        "format": 1,
        "name": "colors",
        "version": 1,
        "labels": list(LABELS),
        "input": {"name": "image", "size": SIZE, "view": "squash"},
        "thresholds": {"familiarity": 0.4, "probability": None},
        "golden": [{"file": "x", "probabilities": [0, 0, 1], "familiarity": 0}],
    }
    found, _ = Manifest.parse(to_json(manifest))
    assert found is not None
    bundle = Bundle(found, Session(model), Path())
    answers = {file: bundle.predict(data) for file, data in drawn.items()}
    manifest["golden"] = [
        {
            "file": file,
            "probabilities": [round(p, 6) for p in answer.probabilities.values()],
            "familiarity": round(answer.familiarity or 0.0, 6),
        }
        for file, answer in answers.items()
    ]
    manifest.update(changes)
    return {
        "manifest.json": to_json(manifest),
        "model.onnx": model,
        "labels.txt": labels_text(LABELS).encode(),
        **drawn,
        **runtime_files(),
    }


SCHEMA = Schema(
    columns=(
        Column("width", "number", low=0.0, high=10.0),
        Column("height", "number", missing=2, low=-1.5, high=2.5, words=("-",)),
        Column("color", "category", ("blue", "green", "red")),
    ),
    target="size",
    classes=("large", "small"),
    left_out={"number": "numbers the rows"},
)


def table_model(labels: tuple[str, ...] = SCHEMA.classes) -> bytes:
    """Missing cells count as 0; large where 2 * width + height + color is above 9."""
    weight = np.array([[2, -2], [1, -1], [1, -1]], np.float32)
    constants = {"weight": weight, "bias": np.array([-9, 9], np.float32), "zero": np.float32(0)}
    nodes = [
        helper.make_node("IsNaN", ["rows"], ["missing"]),
        helper.make_node("Where", ["missing", "zero", "rows"], ["filled"]),
        helper.make_node("MatMul", ["filled", "weight"], ["weighed"]),
        helper.make_node("Add", ["weighed", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "table",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["N", 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 2])],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    model.metadata_props.add(key="names", value=repr(dict(enumerate(labels))))
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def table_contents(**changes: Any) -> dict[str, bytes]:
    """The files of a tiny bundle for tables, without SHA256SUMS."""
    model = table_model()
    manifest: dict[str, Any] = {
        "format": 2,
        "name": "sizes",
        "version": 1,
        "task": "tabular-classification",
        "labels": list(SCHEMA.classes),
        "input": {
            "kind": "row",
            "name": "rows",
            "type": "float32",
            "columns": SCHEMA.to_dict()["columns"],
            "target": SCHEMA.target,
            "left_out": list(SCHEMA.left_out),
        },
        "outputs": ["probabilities"],
        "thresholds": {"familiarity": None, "probability": None},
        "golden": golden.rows(SCHEMA, Session(model)),
        "finished": True,
        **changes,
    }
    return {
        "manifest.json": to_json(manifest),
        "model.onnx": model,
        "labels.txt": labels_text(SCHEMA.classes).encode(),
        **runtime_files(),
    }


def gray_model() -> bytes:
    """Light or dark, of gray pictures of 6 by 9 pixels; nothing else is given."""
    constants = {
        "scale": np.float32(1 / 255),
        "weight": np.array([[-8, 8]], np.float32),
        "bias": np.array([4, -4], np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["numbers", "scale"], ["unit"]),
        helper.make_node("ReduceMean", ["unit"], ["light"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["light", "weight"], ["weighed"]),
        helper.make_node("Add", ["weighed", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "gray",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 6, 9, 1])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 2])],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def gray_contents(**changes: Any) -> dict[str, bytes]:
    """The files of a tiny bundle for small gray pictures, its training stopped."""
    model = gray_model()
    drawn = golden.small((6, 9), "gray")
    manifest: dict[str, Any] = {
        "format": 2,
        "name": "shades",
        "version": 1,
        "task": "image-classification",
        "labels": ["dark", "light"],
        "input": {
            "kind": "picture",
            "name": "image",
            "type": "uint8",
            "layout": "NHWC",
            "color": "gray",
            "size": [6, 9],
            "view": "squash",
        },
        "outputs": ["probabilities"],
        "thresholds": {"familiarity": None, "probability": None},
        "golden": golden.answers(Session(model), drawn, (6, 9), "squash", "gray", familiar=False),
        "finished": False,
        **changes,
    }
    return {
        "manifest.json": to_json(manifest),
        "model.onnx": model,
        "labels.txt": b"dark\nlight\n",
        **drawn,
        **runtime_files(),
    }


def sums(files: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


@pytest.fixture(scope="session")
def tiny_files() -> Maker:
    """`contents`: makes a tiny bundle's files, its manifest changed by keywords."""
    return contents


@pytest.fixture(scope="session")
def make_model() -> Callable[..., bytes]:
    """`tiny_model`: makes the tiny classifier, of other labels or another gain."""
    return tiny_model


@pytest.fixture(scope="session")
def draw() -> Callable[..., bytes]:
    """`picture`: draws a PNG of one color."""
    return picture


@pytest.fixture(scope="session")
def tiny_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the tiny model. Read-only by agreement."""
    path = tmp_path_factory.mktemp("tiny") / "colors-1.zip"
    write_zip(path, contents())
    return path


@pytest.fixture(scope="session")
def table_files() -> Maker:
    """`table_contents`: makes a bundle for tables, its manifest changed by keywords."""
    return table_contents


@pytest.fixture(scope="session")
def table_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle for tables. Read-only by agreement."""
    path = tmp_path_factory.mktemp("table") / "sizes-1.zip"
    write_zip(path, table_contents())
    return path


@pytest.fixture(scope="session")
def gray_files() -> Maker:
    """`gray_contents`: makes a bundle for small gray pictures, changed by keywords."""
    return gray_contents


@pytest.fixture(scope="session")
def gray_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle for small gray pictures, unfinished. Read-only by agreement."""
    path = tmp_path_factory.mktemp("gray") / "shades-1.zip"
    write_zip(path, gray_contents())
    return path


@pytest.fixture(scope="session")
def unpack() -> Callable[[Path, Path], Path]:
    """Unpack a bundle to a folder, as a person would."""

    def run(path: Path, folder: Path) -> Path:
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder)
        return folder

    return run


@pytest.fixture(scope="session")
def bare(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Python with numpy, Pillow and onnxruntime (and what that needs) and nothing else."""
    place = tmp_path_factory.mktemp("bare")
    for name in ("numpy", "PIL", "onnxruntime", "flatbuffers", "google.protobuf", "packaging"):
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            continue
        package = Path(spec.origin).parent
        shown = name.replace(".", "/")
        (place / shown).parent.mkdir(parents=True, exist_ok=True)
        (place / shown).symlink_to(package)
        libraries = package.parent / {"PIL": "pillow.libs"}.get(name, f"{name}.libs")
        if libraries.is_dir():
            (place / libraries.name).symlink_to(libraries)

    def run(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "COV"))}
        return subprocess.run(
            [sys.executable, "-s", "-S", *map(str, arguments)],
            env={**kept, "PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": ""},
            capture_output=True,
            timeout=60,
            **{"text": True, **options},
        )

    return run
