"""Writes an EfficientNet-Lite graph, node by node, into ONNX with always the same bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8
PRODUCER = "tellapart"
PRODUCER_VERSION = "1"
_EPSILON = 1e-3


class LiteGraph:
    """Appends layers at `tip`, the name of the last value; `weights` carry timm's names."""

    def __init__(self, weights: dict[str, np.ndarray], size: int) -> None:
        self._weights = weights
        self._size = self._side = size
        self._nodes: list[onnx.NodeProto] = []
        self._values: list[onnx.TensorProto] = []
        self._constant("zero", np.float32(0))
        self._constant("six", np.float32(6))
        self._constant("middle", np.float32(127.5))
        self._node("Cast", ["image"], "numbers", to=TensorProto.FLOAT)
        self._node("Transpose", ["numbers"], "planes", perm=[0, 3, 1, 2])
        # (x / 255 - mean) / std with both .5 is (x - 127.5) / 127.5; the division goes into the
        # stem's weights, the subtraction cannot: the padding is zero after it.
        self._node("Sub", ["planes", "middle"], "centered")
        self.tip = "centered"

    def conv(
        self,
        name: str,
        norm: str,
        *,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        scale: float = 1.0,
        relu: bool = True,
    ) -> None:
        """Convolution with TensorFlow's "same" padding, batch norm folded in, maybe ReLU6."""
        part = {
            key: self._weights[f"{norm}.{key}"].astype(np.float64)
            for key in ("weight", "bias", "running_mean", "running_var")
        }
        gain = part["weight"] / np.sqrt(part["running_var"] + _EPSILON)
        weight = self._weights[f"{name}.weight"].astype(np.float64) * gain[:, None, None, None]
        self._constant(f"{name}.weight", (weight * scale).astype(np.float32))
        self._constant(
            f"{name}.bias", (part["bias"] - part["running_mean"] * gain).astype(np.float32)
        )
        side = -(-self._side // stride)
        padding = max((side - 1) * stride + kernel - self._side, 0)
        before, after = padding // 2, padding - padding // 2
        self._side = side
        self._node(
            "Conv",
            [self.tip, f"{name}.weight", f"{name}.bias"],
            f"{name}.out",
            group=groups,
            kernel_shape=[kernel, kernel],
            pads=[before, before, after, after],
            strides=[stride, stride],
        )
        self.tip = f"{name}.out"
        if relu:
            self._node("Clip", [self.tip, "zero", "six"], f"{name}.relu6")
            self.tip = f"{name}.relu6"

    def add(self, entry: str) -> None:
        """The shortcut round a block that began at `entry`."""
        name = self.tip.replace(".out", ".sum")
        self._node("Add", [self.tip, entry], name)
        self.tip = name

    def finish(self, name: str, dim: int) -> bytes:
        """Pool, name the outputs, check, and return the model's bytes."""
        # Renamed, not passed on: OpenVINO drops an Identity and mixes up the two names.
        self._nodes[-1].output[0] = "feature_map"
        self._node("GlobalAveragePool", ["feature_map"], "pooled")
        self._node("Flatten", ["pooled"], "features", axis=1)
        side = self._side
        picture = ["N", self._size, self._size, 3]
        graph = helper.make_graph(
            self._nodes,
            name,
            [helper.make_tensor_value_info("image", TensorProto.UINT8, picture)],
            [
                helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", dim]),
                helper.make_tensor_value_info(
                    "feature_map", TensorProto.FLOAT, ["N", dim, side, side]
                ),
            ],
            self._values,
        )
        return serialize(graph, {})

    def _constant(self, name: str, value: Any) -> None:
        self._values.append(numpy_helper.from_array(np.asarray(value), name))

    def _node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> None:
        self._nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))


def serialize(graph: onnx.GraphProto, metadata: dict[str, str]) -> bytes:
    """A checked model's bytes; they depend on the graph and the metadata alone."""
    return serialize_as(graph, metadata, opset=OPSET, ir_version=IR_VERSION)


def serialize_as(
    graph: onnx.GraphProto, metadata: dict[str, str], *, opset: int, ir_version: int
) -> bytes:
    """The same for a graph whose nodes are of another version of ONNX's operators."""
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = ir_version
    model.producer_name, model.producer_version = PRODUCER, PRODUCER_VERSION
    for key in sorted(metadata):
        model.metadata_props.add(key=key, value=metadata[key])
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))
