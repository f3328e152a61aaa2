"""An int8 model beside the exact one: weights and activations of the backbone in 8 bits.

Quantized after training by nncf (extra `[int8]`): the range of each activation is taken from some
hundred training pictures, the weights' scales channel by channel. The head, the familiarity bank
and the map stay in float32: they cost next to nothing and decide what a prediction says.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tellapart import telemetry
from tellapart.errors import MissingExtraError, VerificationError
from tellapart.learn.lite0 import serialize_as

Item = TypeVar("Item")
#: Nodes with weights, and those that make features of maps.
_LAYERS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
_POOLS = frozenset({"GlobalAveragePool", "ReduceMean", "GlobalMaxPool", "ReduceMax"})

#: Pictures that the ranges are taken from: more moved no figure on trashnet_100.
MOST = 300
#: At least so many, however large the network: fewer leave ranges to chance.
LEAST = 64
#: Values that all layers together may give over all pictures; the embedded network at 224 pixels
#: gives 13.5 million a picture, and 300 pictures take about 20 s of one core.
_VALUES = 300 * 13.5e6


def is_there() -> bool:
    """Whether nncf is installed."""
    return importlib.util.find_spec("nncf") is not None


def require() -> None:
    """Raise `MissingExtraError` where nncf is not installed."""
    if not is_there():
        raise MissingExtraError(
            "int8 models are made by nncf, which is not installed.",
            expected="the extra [int8]",
            do="Run `pip install 'tellapart[int8]'`, or leave int8 out.",
        )


def version() -> str:
    """nncf's version."""
    from importlib.metadata import version as installed

    return installed("nncf")


def pictures_for(backbone_onnx: bytes) -> int:
    """How many pictures to calibrate this network on: fewer for a larger one, 64 to 300."""
    import onnx

    model = onnx.shape_inference.infer_shapes(onnx.load_from_string(backbone_onnx))
    values = 0.0
    for value in model.graph.value_info:
        sides = value.type.tensor_type.shape.dim
        values += math.prod(side.dim_value or 1 for side in sides)
    return int(max(LEAST, min(MOST, _VALUES // max(values, 1.0))))


def quantize(
    backbone_onnx: bytes, items: Sequence[Item], load: Callable[[Item], NDArray[np.uint8]]
) -> bytes:
    """The network with its layers in int8 (as QuantizeLinear and DequantizeLinear, which ONNX
    Runtime and OpenVINO both read).

    `load` gives a picture as the network sees it, uint8 H×W×3; each is loaded when its turn comes,
    more than once. The bytes depend on the arguments and nncf's version alone. Raises
    `MissingExtraError`, and `VerificationError` where nncf cannot quantize the network.
    """
    require()
    telemetry.off()
    import onnx

    model = onnx.load_from_string(backbone_onnx)
    entry = model.graph.input[0].name
    _name(model.graph)

    def prepared(item: Item) -> dict[str, Any]:
        return {entry: load(item)[None]}

    with _quiet():
        import nncf

        try:
            found = nncf.quantize(
                model,
                nncf.Dataset(list(items), prepared),
                preset=nncf.QuantizationPreset.MIXED,
                subset_size=len(items),
                fast_bias_correction=True,
                ignored_scope=nncf.IgnoredScope(names=_exact(model.graph)),
            )
        except Exception as error:
            raise _failed(error) from error
    del found.metadata_props[:]
    opset = max(o.version for o in found.opset_import if o.domain in ("", "ai.onnx"))
    return serialize_as(found.graph, {}, opset=opset, ir_version=model.ir_version)


def _name(graph: Any) -> None:
    """Name the nodes that have no name: by their names nncf is told which stay as they are."""
    taken = {node.name for node in graph.node}
    for place, node in enumerate(graph.node):
        name = node.name or f"{node.op_type}.{place}"
        while not node.name and name in taken:
            name += "_"
        node.name = name
        taken.add(name)


def _exact(graph: Any) -> list[str]:
    """Names of the nodes that stay in float32: what prepares pictures and what makes features.

    Quantized they cost agreement and save nothing. With them goes a convolution whose map is
    pooled as it is, without an activation: of that OpenVINO 2026.4 makes wrong features.
    """
    readers: dict[str, list[Any]] = {}
    makers: dict[str, Any] = {}
    for node in graph.node:
        makers.update((output, node) for output in node.output)
        for name in node.input:
            readers.setdefault(name, []).append(node)
    found: set[str] = set()
    names = [value.name for value in graph.input]
    while names:
        for node in readers.get(names.pop(), []):
            if node.op_type not in _LAYERS and node.name not in found:
                found.add(node.name)
                names.extend(node.output)
    ends = [(value.name, False) for value in graph.output if value.name == "features"]
    while ends:
        name, pooled = ends.pop()
        maker = makers.get(name)
        if maker is None or maker.name in found or (pooled and maker.op_type not in _LAYERS):
            continue
        found.add(maker.name)
        if maker.op_type not in _LAYERS:
            ends.extend((entry, maker.op_type in _POOLS) for entry in maker.input)
    return sorted(found)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars, warnings or log lines; nncf writes them to the standard output."""
    log = logging.getLogger("nncf")
    level = log.level
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        log.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            log.setLevel(level)


def _failed(error: Exception) -> VerificationError:
    line = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
    return VerificationError(
        f"The network cannot be quantized: {line}.",
        expected="a network whose layers nncf knows",
        do="Write `compile: {int8: false}`, or leave --int8 out.",
    )
