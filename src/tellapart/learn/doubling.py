"""A backbone that looks at two pictures, one above the other, as one: the view `both`.

In come pictures twice as high as the backbone takes them; out come the features of the upper half
and then those of the lower one, and their two maps as they lay.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tellapart.learn.lite0 import serialize_as

if TYPE_CHECKING:
    import onnx

    from tellapart.learn.backbone import Backbone


def model_of(backbone: Backbone, view: str) -> Path | bytes:
    """The graph that gives a backbone's features in a view: its own, or doubled for `both`."""
    return doubled(backbone.onnx.read_bytes()) if view == "both" else backbone.onnx


def data_of(backbone: Backbone, view: str) -> bytes:
    """The bytes of that graph."""
    found = model_of(backbone, view)
    return found if isinstance(found, bytes) else found.read_bytes()


def dim_of(backbone: Backbone, view: str) -> int:
    """How many features it gives in that view."""
    return 2 * backbone.dim if view == "both" else backbone.dim


def doubled(backbone_onnx: bytes) -> bytes:
    """The graph for uint8 N×2S×S×3 of a backbone for N×S×S×3; the bytes depend on it alone.

    `feature_map`, where the backbone has one, is twice as high: in its upper half the features of
    the lower picture are nought, and the other way round, all others twice what they were, so that
    its mean over all places is `features`.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load_from_string(backbone_onnx)
    graph = model.graph
    entry = graph.input[0]
    _, high, wide, channels = (side.dim_value for side in entry.type.tensor_type.shape.dim)
    shapes = {
        output.name: [side.dim_value for side in output.type.tensor_type.shape.dim[1:]]
        for output in graph.output
    }
    own = {name: f"single.{name}" for name in (entry.name, *shapes)}
    for node in graph.node:
        node.name = f"single.{node.name}"
        for place in (node.input, node.output):
            for number, name in enumerate(place):
                place[number] = own.get(name, name)
    (dim,) = shapes["features"]
    values = {
        "double.picture": np.array([-1, high, wide, channels], np.int64),
        "double.features": np.array([-1, 2 * dim], np.int64),
    }
    # A picture of twice the height is two pictures one after the other, as its bytes lie.
    before = [_node("Reshape", [entry.name, "double.picture"], own[entry.name])]
    after = [_node("Reshape", [own["features"], "double.features"], "features")]
    outputs: list[tuple[str, list[Any]]] = [("features", ["N", 2 * dim])]
    if "feature_map" in shapes:
        _, down, across = shapes["feature_map"]
        values |= _map_values(dim, down, across)
        after += _map_nodes(own["feature_map"])
        outputs.append(("feature_map", ["N", 2 * dim, 2 * down, across]))
    whole = helper.make_graph(
        [*before, *graph.node, *after],
        "doubled",
        [
            helper.make_tensor_value_info(
                entry.name, TensorProto.UINT8, ["N", 2 * high, wide, channels]
            )
        ],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs],
        [
            *graph.initializer,
            *(numpy_helper.from_array(value, name) for name, value in values.items()),
        ],
    )
    return serialize_as(whole, {}, opset=model.opset_import[0].version, ir_version=model.ir_version)


def _map_values(dim: int, down: int, across: int) -> dict[str, np.ndarray]:
    return {
        "double.map": np.array([-1, 2, dim, down, across], np.int64),
        "double.upper": np.array(0, np.int64),
        "double.lower": np.array(1, np.int64),
        "double.twice": np.array(2, np.float32),
        "double.none": np.array(0, np.float32),
    }


def _map_nodes(name: str) -> list[onnx.NodeProto]:
    """Both maps one above the other, each among features of its own."""
    nodes = [_node("Reshape", [name, "double.map"], "double.maps")]
    for half in ("upper", "lower"):
        nodes += [
            _node("Gather", ["double.maps", f"double.{half}"], f"{half}.map", axis=1),
            _node("Mul", [f"{half}.map", "double.twice"], f"{half}.twice"),
            _node("Mul", [f"{half}.map", "double.none"], f"{half}.none"),
        ]
    return [
        *nodes,
        _node("Concat", ["upper.twice", "lower.none"], "upper", axis=1),
        _node("Concat", ["upper.none", "lower.twice"], "lower", axis=1),
        _node("Concat", ["upper", "lower"], "feature_map", axis=2),
    ]


def _node(kind: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
    from onnx import helper

    return helper.make_node(kind, inputs, [output], name=output, **attributes)
