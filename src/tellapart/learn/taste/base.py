"""What a taste stands on: the program's own backbone, or the network of a project's bundle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from tellapart import images
from tellapart.errors import InputError
from tellapart.settings import Settings

if TYPE_CHECKING:
    import onnx

#: What a class of a bundle may be called to mean a like; the other one then means a pass.
LIKES = ("like", "likes", "liked", "yes", "ok", "good", "keep", "true", "1")


@dataclass(frozen=True)
class Base:
    """A network that gives features, and how pictures are brought to it."""

    #: Names all that features depend on but the picture.
    key: str
    #: An ONNX file, or its bytes: outputs `features` and, where it has one, `feature_map`.
    model: Path | bytes
    dim: int
    size: tuple[int, int]
    view: images.View
    color: images.Color
    #: Where engines keep what they compile of it; None: nowhere.
    cache_dir: Path | None


def embedded(settings: Settings, view: images.View = "squash") -> Base:
    """The backbone that comes with the program. Raises what `backbone.embedded` raises."""
    from tellapart.learn import backbone, features

    net = backbone.embedded(settings.cache_dir)
    key = features.cache_key(net, view)
    return Base(key, net.onnx, net.dim, (net.size, net.size), view, "RGB", settings.cache_dir)


def of_bundle(path: Path) -> Base:
    """The network of a bundle of pictures that gives features.

    Raises `InputError` for another kind of bundle, and what reading it raises.
    """
    manifest, model, key = _read(path)
    given = manifest.picture
    if given is None or "features" not in manifest.outputs:
        raise InputError(
            f"The bundle {manifest.name!r} gives no features of pictures.",
            expected="a bundle of a head on a backbone, for pictures",
            do="Choose another version, or leave the base out: the program's own is taken.",
        )
    cut, dim = _cut(model)
    view, color = cast(images.View, given.view), cast(images.Color, given.color)
    return Base(key, cut, dim, given.size, view, color, None)


def head_of_bundle(path: Path, like: str = "") -> tuple[NDArray[np.float32], float, str]:
    """Weight and bias of P(like) against the other class, and the base's key."""
    import onnx
    from onnx import numpy_helper

    manifest, data, key = _read(path)
    liked = _which(manifest.labels, like, manifest.name)
    model = onnx.load_from_string(data)
    tables = {
        one.name: numpy_helper.to_array(one)
        for one in model.graph.initializer
        if one.name in ("head.weight", "head.bias")
    }
    if len(tables) < 2:
        raise InputError(
            f"The bundle {manifest.name!r} has no linear head.",
            expected="a bundle of a head on a backbone",
            do="Label some candidates instead: a head of its own is fitted to them.",
        )
    weight, bias = tables["head.weight"], tables["head.bias"]
    apart = (weight[liked] - weight[1 - liked]).astype(np.float32)
    return apart, float(bias[liked]) - float(bias[1 - liked]), key


def _which(labels: tuple[str, ...], like: str, name: str) -> int:
    """The place of the class that means a like."""
    known = [place for place, label in enumerate(labels) if label == like] or [
        place for place, label in enumerate(labels) if not like and label.casefold() in LIKES
    ]
    if len(labels) != 2 or len(known) != 1:
        raise InputError(
            f"The classes of the bundle {name!r} are {', '.join(map(repr, labels[:8]))}.",
            expected="two classes, one of them "
            + (f"{like!r}" if like else f"called {', '.join(LIKES[:5])} or the like"),
            do="Say which class means a like, or label some candidates: its features serve.",
        )
    return known[0]


def _read(path: Path) -> tuple[Any, bytes, str]:
    from tellapart.bundle.archive import open_archive
    from tellapart.bundle.manifest import sha256
    from tellapart.bundle.predictor import read_model

    with open_archive(path) as archive:
        manifest, model = read_model(archive)
    return manifest, model, f"bundle-{sha256(model)[:32]}-p{images.VERSION}"


def _cut(data: bytes) -> tuple[bytes, int]:
    """The part of a bundle's graph that gives features and their map, and how many features."""
    import onnx

    model = onnx.load_from_string(data)
    graph = model.graph
    features = next(output for output in graph.output if output.name == "features")
    made = {name for node in graph.node for name in node.output}
    kept = [features]
    if "feature_map" in made:
        kept.append(
            onnx.helper.make_tensor_value_info(
                "feature_map", features.type.tensor_type.elem_type, None
            )
        )
    nodes = _needed(graph, {output.name for output in kept})
    used = {name for node in nodes for name in node.input}
    values = [value for value in graph.initializer if value.name in used]
    part = onnx.helper.make_graph(nodes, "features", list(graph.input), kept, values)
    out = onnx.helper.make_model(part, opset_imports=list(model.opset_import))
    out.ir_version = model.ir_version
    return out.SerializeToString(), features.type.tensor_type.shape.dim[1].dim_value


def _needed(graph: onnx.GraphProto, wanted: set[str]) -> list[onnx.NodeProto]:
    """The nodes that the `wanted` values depend on, in their order."""
    kept: list[onnx.NodeProto] = []
    for node in reversed(graph.node):  # an ONNX graph is sorted
        if wanted & set(node.output):
            kept.append(node)
            wanted |= set(node.input)
    return kept[::-1]
