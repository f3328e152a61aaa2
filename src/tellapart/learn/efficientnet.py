"""EfficientNet-Lite0: its blocks, the names of its weights, and its graph at any size.

Architecture and padding: `tensorflow/tpu/models/official/efficientnet/lite` (MBConv without
squeeze-excite, ReLU6, stem and head not scaled), the same as timm's `tf_efficientnet_lite0`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

NAME = "tf_efficientnet_lite0"
#: Features that come out.
DIM = 1280
_STEM = 32
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


def renamed() -> Iterator[tuple[str, str]]:
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


def build(tensors: dict[str, np.ndarray], size: int = 224) -> bytes:
    """Build the graph from the checkpoint's tensors (batch normalisation folded in).

    `size`: the side of the pictures in pixels; the paddings depend on it.
    """
    from tellapart.learn.lite0 import LiteGraph

    graph = LiteGraph({new: tensors[old] for old, new in renamed()}, size)
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
    return graph.finish(NAME, DIM)
