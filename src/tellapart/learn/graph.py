"""Put a linear head, a familiarity bank and heat maps on a backbone: the one ONNX of a version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tellapart.learn.lite0 import serialize_as

if TYPE_CHECKING:
    import onnx

#: In this order. Shapes for a batch of N: logits, probabilities N×C; features N×D;
#: familiarity N; map N×C×h×w (left out where the backbone has no feature map).
OUTPUTS = ("logits", "probabilities", "features", "familiarity", "map")
#: Below it a feature vector's length counts as this, so that nothing is divided by zero.
_SHORTEST = 1e-12
#: The version of ONNX's operators from which reductions take their axes as an input.
_AXES_ARE_INPUTS = 18


def assemble(
    backbone_onnx: bytes,
    *,
    weight: np.ndarray,
    bias: np.ndarray,
    bank: np.ndarray,
    neighbours: int,
    metadata: Mapping[str, str],
) -> bytes:
    """Return the bytes of the whole model: uint8 N×S×S×3 RGB in, `OUTPUTS` out, float32.

    `weight` (C×D) and `bias` (C) hold the calibration already: `probabilities` are the softmax of
    `logits` = features · weightᵀ + bias. `familiarity` is the mean cosine of the picture's
    `neighbours` nearest rows of `bank` (B×D, each of length 1; all rows where B is smaller).
    `map` holds each class's logit at each place, bias included, so that its mean over the places
    is the logit (class activation mapping, Zhou et al. 2016): what pulled, and where. Sigmoid,
    shift or clip it for the eye only. A backbone without `feature_map` gives a model without it.

    The bytes depend on the arguments alone. Raises `ValueError` for shapes that do not fit.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load_from_string(backbone_onnx)
    entries = {output.name: _sides(output) for output in model.graph.output}
    (dim,), places = entries["features"], entries.get("feature_map", (0,))[1:]
    opset = model.opset_import[0].version
    weight, bias, bank = (np.ascontiguousarray(a, np.float32) for a in (weight, bias, bank))
    _check(weight, bias, bank, neighbours, dim)
    classes = len(bias)

    constants = {
        "head.weight": weight,
        "head.bias": bias,
        **({"head.places": np.array([2, 3], np.int64)} if places else {}),
        "bank": np.ascontiguousarray(bank.T),
        "bank.neighbours": np.array([min(neighbours, len(bank))], np.int64),
        "shortest": np.array(_SHORTEST, np.float32),
    }
    nodes = [
        _node("Gemm", ["features", "head.weight", "head.bias"], "logits", transB=1),
        _node("Softmax", ["logits"], "probabilities", axis=1),
        *(_map_nodes() if places else []),
        _reduced("ReduceL2", "features", "length", opset, keepdims=1),
        _node("Max", ["length", "shortest"], "divisor"),
        _node("Div", ["features", "divisor"], "direction"),
        _node("MatMul", ["direction", "bank"], "cosines"),
        helper.make_node(
            "TopK",
            ["cosines", "bank.neighbours"],
            ["nearest", "nearest.rows"],
            name="nearest",
            axis=1,
            largest=1,
            sorted=1,
        ),
        _reduced("ReduceMean", "nearest", "familiarity", opset, keepdims=0),
    ]
    shapes: dict[str, list[Any]] = {
        "logits": ["N", classes],
        "probabilities": ["N", classes],
        "features": ["N", dim],
        "familiarity": ["N"],
    }
    if places:
        shapes["map"] = ["N", classes, *places]
    if opset >= _AXES_ARE_INPUTS:
        constants["head.axes"] = np.array([1], np.int64)
    graph = helper.make_graph(
        [*model.graph.node, *nodes],
        "classifier",
        list(model.graph.input),
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes[name])
            for name in OUTPUTS
            if name in shapes
        ],
        [
            *model.graph.initializer,
            *(numpy_helper.from_array(value, name) for name, value in constants.items()),
        ],
    )
    return serialize_as(graph, dict(metadata), opset=opset, ir_version=model.ir_version)


def _sides(output: onnx.ValueInfoProto) -> tuple[int, ...]:
    """All dimensions of an output but the batch's."""
    return tuple(side.dim_value for side in output.type.tensor_type.shape.dim[1:])


def _map_nodes() -> list[onnx.NodeProto]:
    return [
        _node("Unsqueeze", ["head.weight", "head.places"], "head.kernel"),
        _node("Conv", ["feature_map", "head.kernel", "head.bias"], "map", kernel_shape=[1, 1]),
    ]


def _reduced(kind: str, entry: str, output: str, opset: int, keepdims: int) -> onnx.NodeProto:
    """A reduction over the features, as the operators' version has it."""
    if opset >= _AXES_ARE_INPUTS:
        return _node(kind, [entry, "head.axes"], output, keepdims=keepdims)
    return _node(kind, [entry], output, axes=[1], keepdims=keepdims)


def _node(kind: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
    from onnx import helper

    return helper.make_node(kind, inputs, [output], name=output, **attributes)


def _check(
    weight: np.ndarray, bias: np.ndarray, bank: np.ndarray, neighbours: int, dim: int
) -> None:
    if weight.ndim != 2 or weight.shape[1] != dim or bias.shape != weight.shape[:1]:
        raise ValueError(f"weight is {weight.shape}, bias {bias.shape}, expected C×{dim} and C")
    if bank.ndim != 2 or bank.shape[1] != dim or not len(bank) or neighbours < 1:
        raise ValueError(f"bank is {bank.shape} with {neighbours} neighbours, expected B×{dim}")
    if not all(np.isfinite(a).all() for a in (weight, bias, bank)):
        raise ValueError("weight, bias or bank hold values that are no finite numbers")
    lengths = np.linalg.norm(bank, axis=1)
    if np.abs(lengths - 1).max() > 1e-3:
        raise ValueError(f"rows of the bank have lengths from {lengths.min()} to {lengths.max()}")
