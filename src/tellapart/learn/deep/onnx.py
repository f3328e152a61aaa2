"""A deployed network as ONNX: through `torch.export`, the same bytes wherever it is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import onnx
import torch

from tellapart.errors import InputError
from tellapart.learn.deep.deployed import Deployed, Pictures
from tellapart.learn.deep.quiet import first_line, quiet

#: Read by ONNX Runtime 1.17, OpenVINO 2024 and newer.
OPSET, IR_VERSION = 18, 10
OUTPUTS = ("logits", "probabilities", "features")


def input_name(deployed: Deployed) -> str:
    """`image` (uint8, N×h×w×c) or `rows` (float32, N×f, NaN where missing)."""
    return "image" if isinstance(deployed.how, Pictures) else "rows"


def export(deployed: Deployed, metadata: Mapping[str, str]) -> bytes:
    """The network as a serialized ONNX model with any number of samples a batch.

    Input as `input_name` says; outputs `logits` and `probabilities` (N×C) and `features` (N×D),
    float32. `metadata` becomes the model's properties. No path, version, date or order of a
    machine is in it. Raises `InputError` where the network holds what ONNX does not.
    """
    name = input_name(deployed)
    try:
        with quiet():
            program = torch.onnx.export(
                deployed.eval(),
                (deployed.example(),),
                dynamo=True,
                verbose=False,
                input_names=[name],
                output_names=list(OUTPUTS),
                dynamic_shapes={"raw": {0: torch.export.Dim("batch")}},
                opset_version=OPSET,
                external_data=False,
            )
            model = program.model_proto
    except Exception as error:
        raise InputError(
            f"The network cannot be written as ONNX: {first_line(error)}.",
            expected="layers that ONNX holds",
            do="Leave out the layer that is named, or report it.",
        ) from error
    return bare(model, metadata)


def bare(model: onnx.ModelProto, metadata: Mapping[str, str] | None = None) -> bytes:
    """The bytes of an exported model, checked, without any trace of where it was made."""
    _strip(model)
    for key in sorted(metadata or {}):
        model.metadata_props.add(key=key, value=(metadata or {})[key])
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _strip(model: onnx.ModelProto) -> None:
    """Take out stack traces, paths, versions, and what shape inference noted on the way."""
    model.producer_name, model.producer_version = "tellapart", ""
    model.ir_version = IR_VERSION
    model.doc_string = model.graph.doc_string = ""
    model.graph.name = "tellapart"
    del model.metadata_props[:]
    _bare(model.graph)
    for function in model.functions:
        function.doc_string = ""
        _clear(function)
        for node in function.node:
            _clear(node)


def _bare(graph: onnx.GraphProto) -> None:
    _clear(graph)
    del graph.value_info[:]
    for item in (*graph.node, *graph.initializer, *graph.input, *graph.output):
        item.doc_string = ""
        _clear(item)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                _bare(attribute.g)


def _clear(item: Any) -> None:
    if "metadata_props" in item.DESCRIPTOR.fields_by_name:
        del item.metadata_props[:]
