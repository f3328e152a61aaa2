"""The one ONNX of a table: raw rows in, probabilities out; expanding, filling, scaling inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tellapart.learn.lite0 import PRODUCER, PRODUCER_VERSION
from tellapart.learn.tabular.boosting import Boosting, trees
from tellapart.learn.tabular.columns import Columns
from tellapart.learn.tabular.logistic import CLIP, Logistic

#: float32 N×f: NaN where a value is missing, a category as its index.
INPUT = "rows"
#: In this order, both float32 N×C; `probabilities` are the softmax of `logits`.
OUTPUTS = ("logits", "probabilities")
#: Read by every onnxruntime from 1.20 on.
OPSET, TREES_OPSET, IR_VERSION = 17, 3, 8

Member = tuple[Logistic | Boosting, float]


def assemble(
    columns: Columns,
    members: Sequence[Member],
    *,
    raw_columns: int,
    n_classes: int,
    metadata: Mapping[str, str],
) -> bytes:
    """Return the bytes of the whole model; they depend on the arguments alone.

    `logits` are the sum of the members' logits, each times its factor. Trees are a
    `TreeEnsembleRegressor` of the domain `ai.onnx.ml`; all else is in ONNX's own operators.
    """
    graph = _Graph()
    _expand(graph, columns)
    parts = []
    for number, (model, factor) in enumerate(members):
        if isinstance(model, Logistic):
            parts.append(_logistic(graph, model, factor, f"logistic_{number}"))
        else:
            parts.append(_boosting(graph, model, factor, f"boosting_{number}"))
    graph.node("Sum", parts, "logits")
    graph.node("Softmax", ["logits"], "probabilities", axis=1)
    made = helper.make_graph(
        graph.nodes,
        "table",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["N", raw_columns])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", n_classes])
            for name in OUTPUTS
        ],
        graph.constants,
    )
    return _serialize(made, graph.has_trees, metadata)


def describe(model: bytes, metadata: Mapping[str, str]) -> bytes:
    """The same model with `metadata` instead of what it carried."""
    read = onnx.load_from_string(model)
    del read.metadata_props[:]
    for key in sorted(metadata):
        read.metadata_props.add(key=key, value=metadata[key])
    return bytes(read.SerializeToString(deterministic=True))


def has_trees(model: bytes) -> bool:
    """Whether a model holds trees, which OpenVINO cannot run."""
    read = onnx.load_from_string(model)
    return any(node.domain == "ai.onnx.ml" for node in read.graph.node)


class _Graph:
    """Nodes and constants as they are appended."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.has_trees = False

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        made = helper.make_node(kind, list(inputs), [output], name=output, **attributes)
        self.nodes.append(made)
        return output

    def constant(self, name: str, value: NDArray[Any]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def gather(self, source: str, columns: Sequence[int], output: str) -> str:
        places = self.constant(f"{output}.columns", np.array(columns, np.int64))
        return self.node("Gather", [source, places], output, axis=1)


def _expand(graph: _Graph, columns: Columns) -> None:
    parts = []
    if columns.numbers:
        parts.append(graph.gather(INPUT, columns.numbers, "numbers"))
    for column, values in columns.categories:
        if not values:
            continue
        name = f"category_{column}"
        index = graph.gather(INPUT, [column], name)
        wanted = graph.constant(f"{name}.values", np.array([values], np.float32))
        same = graph.node("Equal", [index, wanted], f"{name}.same")
        parts.append(graph.node("Cast", [same], f"{name}.flags", to=TensorProto.FLOAT))
    graph.node("Concat", parts, "columns", axis=1)


def _logistic(graph: _Graph, model: Logistic, factor: float, name: str) -> str:
    scaling = model.scaling
    missing = graph.node("IsNaN", ["columns"], f"{name}.missing")
    center = graph.constant(f"{name}.center", scaling.center)
    scale = graph.constant(f"{name}.scale", scaling.scale)
    filled = graph.node("Where", [missing, center, "columns"], f"{name}.filled")
    centered = graph.node("Sub", [filled, center], f"{name}.centered")
    divided = graph.node("Div", [centered, scale], f"{name}.divided")
    bounds = [
        graph.constant(f"{name}.{side}", np.array(value, np.float32))
        for side, value in (("lowest", -CLIP), ("highest", CLIP))
    ]
    rows = graph.node("Clip", [divided, *bounds], f"{name}.scaled")
    if scaling.flagged:
        flags = graph.node("Cast", [missing], f"{name}.flags", to=TensorProto.FLOAT)
        chosen = graph.gather(flags, scaling.flagged, f"{name}.flagged")
        rows = graph.node("Concat", [rows, chosen], f"{name}.rows", axis=1)
    weight = graph.constant(f"{name}.weight", _times(model.weight, factor))
    bias = graph.constant(f"{name}.bias", _times(model.bias, factor))
    return graph.node("Gemm", [rows, weight, bias], f"{name}.logits", transB=1)


def _boosting(graph: _Graph, model: Boosting, factor: float, name: str) -> str:
    found = trees(model)
    graph.has_trees = True
    leaf = found.is_leaf
    sums = graph.node(
        "TreeEnsembleRegressor",
        ["columns"],
        f"{name}.sums",
        domain="ai.onnx.ml",
        n_targets=len(found.baseline),
        aggregate_function="SUM",
        post_transform="NONE",
        base_values=found.baseline.tolist(),
        nodes_treeids=found.tree.tolist(),
        nodes_nodeids=found.node.tolist(),
        nodes_featureids=found.feature.tolist(),
        nodes_values=found.threshold.tolist(),
        nodes_modes=["LEAF" if end else "BRANCH_LEQ" for end in leaf.tolist()],
        nodes_truenodeids=found.left.tolist(),
        nodes_falsenodeids=found.right.tolist(),
        nodes_missing_value_tracks_true=found.missing_left.astype(np.int64).tolist(),
        target_treeids=found.tree[leaf].tolist(),
        target_nodeids=found.node[leaf].tolist(),
        target_ids=found.target[leaf].tolist(),
        target_weights=found.value[leaf].tolist(),
    )
    matrix, offset = model.mixing
    weight = graph.constant(f"{name}.weight", _times(matrix, factor))
    bias = graph.constant(f"{name}.bias", _times(offset, factor))
    return graph.node("Gemm", [sums, weight, bias], f"{name}.logits", transB=1)


def _times(values: NDArray[Any], factor: float) -> NDArray[np.float32]:
    return (values.astype(np.float64) * factor).astype(np.float32)


def _serialize(graph: onnx.GraphProto, has_trees: bool, metadata: Mapping[str, str]) -> bytes:
    opsets = [helper.make_opsetid("", OPSET)]
    if has_trees:
        opsets.append(helper.make_opsetid("ai.onnx.ml", TREES_OPSET))
    model = helper.make_model(graph, opset_imports=opsets)
    model.ir_version = IR_VERSION
    model.producer_name, model.producer_version = PRODUCER, PRODUCER_VERSION
    onnx.checker.check_model(model)
    return describe(bytes(model.SerializeToString(deterministic=True)), metadata)
