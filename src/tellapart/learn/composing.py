"""Several backbones as one: a shared picture in, their features side by side out.

Each part's features are multiplied by its scale; a mirrored part's are the mean of those of the
picture and of its mirror image, and of both upside down where that is asked too. The mean of
linear heads' logits is a linear head on them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tellapart.learn.backbone import Backbone, Part, is_whole, write
from tellapart.learn.keeping import outline

if TYPE_CHECKING:
    import onnx


def compose(parts: Sequence[Part], folder: Path) -> Backbone:
    """Write the graph of all `parts` into `folder` and return the backbone that it is.

    It has a feature map where all parts have one of the same grid. Parts that are composed
    themselves are taken apart first. The bytes depend on the parts alone. Raises `ValueError` for
    no part or parts of different sizes, `StorageError` where it cannot be written.
    """
    flat = tuple(_flat(parts))
    sizes = {part.backbone.size for part in flat}
    if len(sizes) != 1:
        raise ValueError(f"parts of the sizes {sorted(sizes)}, expected one size")
    if len(flat) == 1 and flat[0].scale == 1 and len(flat[0].ways) == 1:
        return flat[0].backbone
    data = graph(flat)
    digest = hashlib.sha256(data).hexdigest()
    names = [
        part.backbone.name + "-mirrored" * part.mirror + "-upside" * part.upside for part in flat
    ]
    name = "+".join(names) if len(names) <= 2 else f"{names[0]}+{len(names) - 1}"
    path = folder / f"{name}-{digest[:32]}.onnx"
    if not is_whole(path, digest):
        write(path, data)
    size, dim, has_map = outline(data)
    return Backbone(
        name=name,
        sha256=digest,
        size=size,
        dim=dim,
        onnx=path,
        license=", ".join(dict.fromkeys(part.backbone.license for part in flat)),
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        weights=path,
        parts=flat,
        tuned=any(part.backbone.tuned for part in flat),
        has_map=has_map,
        graph=digest,
    )


def _flat(parts: Sequence[Part]) -> list[Part]:
    """The parts of parts: scales multiply, and once mirrored (or upside down) stays so."""
    found = []
    for part in parts:
        for inner in part.backbone.parts:
            both = replace(
                inner,
                scale=part.scale * inner.scale,
                mirror=part.mirror or inner.mirror,
                upside=part.upside or inner.upside,
            )
            found += _flat([both])
        if not part.backbone.parts:
            found.append(part)
    return found


def graph(parts: Sequence[Part]) -> bytes:
    """The bytes of the one ONNX of `parts`, which are not composed themselves."""
    import onnx
    from onnx import helper

    from tellapart.learn.lite0 import serialize_as

    size = parts[0].backbone.size
    merged = _Merged(size)
    for number, part in enumerate(parts):
        merged.add(onnx.load_from_string(part.backbone.onnx.read_bytes()), part, f"{number}.")
    outputs = merged.finish()
    whole = helper.make_graph(
        merged.nodes,
        "composed",
        [helper.make_tensor_value_info("image", onnx.TensorProto.UINT8, ["N", size, size, 3])],
        [
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
            for name, shape in outputs
        ],
        merged.values,
    )
    return serialize_as(whole, {}, opset=merged.opset, ir_version=merged.ir_version)


class _Merged:
    """Gathers the parts' nodes under names of their own, and what joins them."""

    def __init__(self, size: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.values: list[onnx.TensorProto] = []
        self.opset = self.ir_version = 0
        self._size = size
        self._features: list[tuple[str, int]] = []
        self._maps: list[tuple[str, tuple[int, ...]] | None] = []

    def add(self, model: onnx.ModelProto, part: Part, prefix: str) -> None:
        """Append one part; its features and map are scaled, and the mean over all its ways to look
        at a picture."""
        from onnx.compose import add_prefix

        if model.functions:
            raise ValueError(f"the graph of {part.backbone.name!r} holds functions")
        self.opset = max(self.opset, model.opset_import[0].version)
        self.ir_version = max(self.ir_version, model.ir_version)
        own = add_prefix(model, prefix).graph
        entry = own.input[0].name
        picture = self._images(part.ways)
        for node in own.node:
            for place, name in enumerate(node.input):
                if name == entry:
                    node.input[place] = picture
        self.nodes += own.node
        self.values += own.initializer
        shapes = {
            output.name: tuple(d.dim_value for d in output.type.tensor_type.shape.dim[1:])
            for output in own.output
        }
        name = f"{prefix}features"
        self._features.append((self._joined(name, part, prefix, []), shapes[name][0]))
        name = f"{prefix}feature_map"
        if name in shapes:
            self._maps.append((self._joined(name, part, prefix, shapes[name]), shapes[name]))
        else:
            self._maps.append(None)

    def finish(self) -> list[tuple[str, list[Any]]]:
        """Put the parts side by side; return the outputs' names and shapes."""
        dims = [dim for _, dim in self._features]
        self._beside([name for name, _ in self._features], "features")
        outputs: list[tuple[str, list[Any]]] = [("features", ["N", sum(dims)])]
        maps = [found for found in self._maps if found is not None]
        grids = {shape[1:] for _, shape in maps}
        if len(maps) == len(self._maps) and len(grids) == 1:
            self._beside([name for name, _ in maps], "feature_map")
            outputs.append(("feature_map", ["N", sum(dims), *grids.pop()]))
        else:
            self._drop_unused()
        return outputs

    def _beside(self, names: list[str], output: str) -> None:
        if len(names) > 1:
            self._node("Concat", names, output, axis=1)
            return
        # Renamed, not joined: OpenVINO drops a Concat of one and mixes up the names.
        for node in self.nodes:
            for place in (node.input, node.output):
                for number, name in enumerate(place):
                    if name == names[0]:
                        place[number] = output

    def _drop_unused(self) -> None:
        """Leave out what only a map was made for."""
        needed, kept = {"features"}, []
        for node in reversed(self.nodes):
            if needed.intersection(node.output):
                kept.append(node)
                needed.update(node.input)
        self.nodes = kept[::-1]
        self.values = [value for value in self.values if value.name in needed]

    def _images(self, ways: Sequence[tuple[bool, bool]]) -> str:
        """One batch: the pictures, then all of them the next of `ways`, and so on."""
        images = [self._image(mirrored, turned) for mirrored, turned in ways]
        if len(images) == 1:
            return images[0]
        name = ".".join(["both", *images[1:]])
        if name not in {node.name for node in self.nodes}:
            self._node("Concat", images, name, axis=0)
        return name

    def _image(self, mirrored: bool, turned: bool) -> str:
        """The pictures mirrored left to right, upside down, or both."""
        name = "image"
        for wanted, word, axis in ((turned, "turned", 1), (mirrored, "mirrored", 2)):
            if wanted:
                before, name = name, word if name == "image" else f"{name}.{word}"
                if name not in {node.name for node in self.nodes}:
                    self._backwards(before, name, self._size, axis)
        return name

    def _backwards(self, name: str, output: str, length: int, axis: int) -> None:
        """`name` with one axis of `length` the other way round."""
        order = f"{output}.backwards"
        self._value(order, np.arange(length - 1, -1, -1, dtype=np.int64))
        self._node("Gather", [name, order], output, axis=axis)

    def _joined(self, name: str, part: Part, prefix: str, shape: Sequence[int]) -> str:
        """`name` scaled, the mean over the part's ways to look. `shape`: of a map."""
        ways = part.ways
        scale = part.scale / len(ways)
        if len(ways) > 1:
            # Rows of kN pictures become k sets of N.
            dims = [len(ways), -1, *shape] if shape else [len(ways), -1, part.backbone.dim]
            self._value(f"{name}.dims", np.array(dims, np.int64))
            self._node("Reshape", [name, f"{name}.dims"], f"{name}.sets")
            sets = [self._set(name, number, way, shape) for number, way in enumerate(ways)]
            self._node("Sum", sets, f"{name}.sum")
            name = f"{name}.sum"
        if scale == 1:
            return name
        factor = f"{prefix}scale"
        if factor not in {value.name for value in self.values}:
            self._value(factor, np.array(scale, np.float32))
        self._node("Mul", [name, factor], f"{name}.scaled")
        return f"{name}.scaled"

    def _set(self, name: str, number: int, way: tuple[bool, bool], shape: Sequence[int]) -> str:
        """What came of one way to look, a map turned back to how the picture lies."""
        found = f"{name}.{number}"
        self._value(f"{found}.index", np.array(number, np.int64))
        self._node("Gather", [f"{name}.sets", f"{found}.index"], found, axis=0)
        if shape:
            for wanted, axis in ((way[1], 2), (way[0], 3)):
                if wanted:
                    self._backwards(found, f"{found}.{axis}", int(shape[axis - 1]), axis)
                    found = f"{found}.{axis}"
        return found

    def _value(self, name: str, value: np.ndarray) -> None:
        from onnx import numpy_helper

        self.values.append(numpy_helper.from_array(np.asarray(value), name))

    def _node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> None:
        from onnx import helper

        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
