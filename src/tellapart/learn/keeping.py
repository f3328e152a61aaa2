"""Backbones as files named by their content, and the facts by which they are found again."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tellapart.errors import NotFoundError
from tellapart.learn.backbone import Backbone, Part, embedded, is_whole, write

#: Facts of a backbone as they stand in a trained head; the embedded one has the first four alone.
_SHORT = ("name", "sha256", "size", "dim")


def store(
    folder: Path,
    onnx: bytes,
    tensors: Mapping[str, np.ndarray],
    *,
    name: str,
    license: str,
    preparation: tuple[Sequence[float], Sequence[float]],
    sha256: str = "",
    tuned: bool = False,
    timm: str = "",
    args: Mapping[str, Any] | None = None,
    classifier: str = "",
) -> Backbone:
    """Write a graph and its tensors (all but the classifier's) into `folder`; return the backbone.

    `onnx` is what `learn.deep.exported.onnx_of` gives; its size, dim and whether it has a map are
    read from it. `preparation`: mean and std, three figures each. `sha256`: of the file that the
    weights came from; left out: that of the graph. `classifier`: the name of the last layer that
    belongs to them. Raises `StorageError`.
    """
    from safetensors.numpy import save

    packed = save({key: np.ascontiguousarray(tensors[key]) for key in sorted(tensors)})
    graph = hashlib.sha256(onnx).hexdigest()
    path, weights = _graph(folder, name, graph), _weights(folder, packed)
    if not is_whole(weights, _told(weights)):
        write(weights, packed)
    if not is_whole(path, graph):
        write(path, onnx)
    size, dim, has_map = outline(onnx)
    mean, std = (_three(values) for values in preparation)
    return Backbone(
        name=name,
        sha256=sha256 or graph,
        size=size,
        dim=dim,
        onnx=path,
        license=license,
        mean=mean,
        std=std,
        weights=weights,
        tuned=tuned,
        has_map=has_map,
        timm=timm,
        args=tuple(sorted((args or {}).items())),
        classifier=classifier,
        graph=graph,
    )


def outline(onnx_bytes: bytes) -> tuple[int, int, bool]:
    """Side of the pictures, number of features, and whether there is a feature map, of a graph."""
    import onnx

    graph = onnx.load_from_string(onnx_bytes).graph
    outputs = {output.name: output.type.tensor_type.shape.dim for output in graph.output}
    size = graph.input[0].type.tensor_type.shape.dim[1].dim_value
    return int(size), int(outputs["features"][1].dim_value), "feature_map" in outputs


def facts(backbone: Backbone) -> dict[str, Any]:
    """All of a backbone but where its files lie, JSON-able."""
    short = {key: getattr(backbone, key) for key in _SHORT}
    if backbone.is_embedded:
        return short
    own = {
        "license": backbone.license,
        "mean": list(backbone.mean),
        "std": list(backbone.std),
        "tuned": backbone.tuned,
        "has_map": backbone.has_map,
        "timm": backbone.timm,
        "args": dict(backbone.args),
        "classifier": backbone.classifier,
        "graph": backbone.graph,
        "weights": backbone.weights.name,
    }
    parts = [
        {**facts(part.backbone), "scale": part.scale, "mirror": part.mirror, "upside": part.upside}
        for part in backbone.parts
    ]
    return {**short, **own, "parts": parts}


def keep(folder: Path, backbone: Backbone) -> dict[str, Any]:
    """Bring the files of `backbone` and of its parts into `folder`; return its facts.

    Raises `NotFoundError` where one of them is gone or damaged.
    """
    for part in backbone.parts:
        keep(folder, part.backbone)
    if not backbone.is_embedded:
        _bring(backbone.onnx, _graph(folder, backbone.name, backbone.graph), backbone.graph)
        if not backbone.parts:
            weights = backbone.weights
            _bring(weights, folder / weights.name, _told(weights))
    return facts(backbone)


def found(folder: Path, known: Mapping[str, Any], cache_dir: Path) -> Backbone:
    """The backbone of `facts`, its files in `folder`. Raises `NotFoundError`."""
    if not known.get("graph"):
        return embedded(cache_dir, int(known["size"]))
    path = _graph(folder, known["name"], known["graph"])
    weights = folder / str(known["weights"])
    needed = [(path, str(known["graph"]))]
    if not known["parts"]:
        needed.append((weights, _told(weights)))
    for each, sha256 in needed:
        if not is_whole(each, sha256):
            raise NotFoundError(
                f"The network {known['name']!r} of the trained head is not whole: "
                f"{each.name!r} is {'damaged' if each.is_file() else 'gone'}.",
                expected=f"the files that `train` left in {str(folder)!r}",
                do="Run `tellapart train NAME` again.",
            )
    return Backbone(
        name=str(known["name"]),
        sha256=str(known["sha256"]),
        size=int(known["size"]),
        dim=int(known["dim"]),
        onnx=path,
        license=str(known["license"]),
        mean=_three(known["mean"]),
        std=_three(known["std"]),
        weights=weights,
        parts=tuple(
            Part(
                found(folder, part, cache_dir),
                float(part["scale"]),
                bool(part["mirror"]),
                bool(part.get("upside")),
            )
            for part in known["parts"]
        ),
        tuned=bool(known["tuned"]),
        has_map=bool(known["has_map"]),
        timm=str(known["timm"]),
        args=tuple(sorted(known["args"].items())),
        classifier=str(known["classifier"]),
        graph=str(known["graph"]),
    )


def drop_others(folder: Path, *known: Mapping[str, Any]) -> None:
    """Remove all files of `folder` but those that the facts name."""
    named = {name for each in known for name in _names(folder, each)}
    if folder.is_dir():
        for path in folder.iterdir():
            if path.name not in named:
                with contextlib.suppress(OSError):  # in use elsewhere: it goes next time
                    path.unlink()


def _names(folder: Path, known: Mapping[str, Any]) -> list[str]:
    if not known.get("graph"):
        return []
    names = [_graph(folder, known["name"], known["graph"]).name, str(known["weights"])]
    return names + [name for part in known["parts"] for name in _names(folder, part)]


def _graph(folder: Path, name: str, digest: str) -> Path:
    return folder / f"{name}-{digest[:32]}.onnx"


def _weights(folder: Path, packed: bytes) -> Path:
    return folder / f"weights-{hashlib.sha256(packed).hexdigest()[:32]}.safetensors"


def _told(weights: Path) -> str:
    """How the SHA-256 of a file of weights begins, as its own name says."""
    return weights.stem.rpartition("-")[2]


def _bring(source: Path, target: Path, sha256: str) -> None:
    """The same file at a second place: linked where the disk can, for it is never altered."""
    if is_whole(target, sha256):
        return
    if not is_whole(source, sha256):
        raise NotFoundError(
            f"The network's file {source.name!r} is {'damaged' if source.is_file() else 'gone'}.",
            expected=f"the file that was written to {str(source.parent)!r}",
            do="Run the same command again: it makes the file anew.",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError):
        target.unlink(missing_ok=True)
        os.link(source, target)
        return
    write(target, source.read_bytes())


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    first, second, third = (float(value) for value in values)
    return first, second, third
