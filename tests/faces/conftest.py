"""Models of faces: real ones where the folder of real pictures is, and tiny ones made here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from tellapart.bundle.faces import FaceReader

NAMES = [f"{kind}_{stride}" for kind in ("cls", "obj", "bbox", "kps") for stride in (8, 16, 32)]
WIDTHS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}


@pytest.fixture(scope="session")
def yunet(shared_data: Path) -> Path:
    return shared_data / "face_models/yunet/yunet_s_dynamic.onnx"


@pytest.fixture(scope="session")
def reader(yunet: Path) -> FaceReader:
    return FaceReader(yunet.read_bytes())


def saying(outputs: dict[str, np.ndarray], shape: list[int], name: str = "input") -> bytes:
    """A network that says the same of every picture."""
    nodes = [
        helper.make_node("ReduceMin", [name], ["least"], keepdims=0),
        helper.make_node("Mul", ["least", "none"], ["zero"]),
        *(helper.make_node("Add", [f"is.{key}", "zero"], [key]) for key in outputs),
    ]
    values = [numpy_helper.from_array(value, f"is.{key}") for key, value in outputs.items()]
    graph = helper.make_graph(
        nodes,
        "says",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)],
        [
            helper.make_tensor_value_info(key, TensorProto.FLOAT, value.shape)
            for key, value in outputs.items()
        ],
        [*values, numpy_helper.from_array(np.array(0, np.float32), "none")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def nothing(side: int = 64) -> dict[str, np.ndarray]:
    """What YuNet's network says where it sees no face, for pictures of that side."""
    found = {}
    for name in NAMES:
        kind, stride = name.split("_")
        cells = (side // int(stride)) ** 2
        found[name] = np.zeros((1, cells, WIDTHS[kind]), np.float32)
    return found
