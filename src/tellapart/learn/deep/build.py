"""A torch module from a traced network.

What SPEC traced (names, kinds, options, shapes) is built here and nothing is checked again. The
last activation is left out of the module's walk: `scores` gives what goes into it, and `forward`
gives logits whose softmax is the probabilities, whatever that activation was.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tellapart.learn.deep import layers, starts
from tellapart.recipe.network import Network, Traced

#: Kinds with weights of their own.
_WEIGHTED = ("conv2d", "dense")


def build(network: Network, seed: int) -> Net:
    """The module of `network` with fresh weights: the same for the same seed.

    Its `forward` takes float (n, c, h, w) pictures in 0..1, or (n, f) scaled rows, and returns
    (logits (n, C), features (n, d)): softmax of the logits gives the probabilities; the features
    are what goes into the last layer with weights, pooled if it is a map.
    """
    net = Net(network)
    starts.fill(net, seed)
    return net


class Net(nn.Module):
    """A sequential network with residual `add`s."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        traced = network.layers
        #: Name of the activation that the logits stand for: "softmax", "sigmoid", another, or "".
        self.final = _final(traced[-1])
        self.walk = nn.ModuleDict()
        wanted = {str(t.options.get("with")) for t in traced if t.kind == "add"}
        weighted = [number for number, t in enumerate(traced) if t.kind in _WEIGHTED]
        self._features_at = weighted[-1] if weighted else 0
        self._steps: list[tuple[str, str, bool]] = []
        for number, layer in enumerate(traced):
            last = number == len(traced) - 1
            self.walk[f"layer_{number}"] = _module(layer, last)
            other = str(layer.options["with"]) if layer.kind == "add" else ""
            self._steps.append((layer.name, other, layer.name in wanted))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures (n, c, h, w) or rows (n, f) to logits (n, C) and features (n, d)."""
        scores, features = self.scores(x)
        return logits_of(scores, self.final), features

    def scores(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What goes into the last activation, (n, C), and the features (n, d)."""
        features = x
        kept: dict[str, Tensor] = {}
        for number, (module, (name, other, keep)) in enumerate(
            zip(self.walk.values(), self._steps, strict=True)
        ):
            if number == self._features_at:
                features = x
            x = module(x, kept[other]) if other else module(x)
            if keep:
                kept[name] = x
        return x.flatten(1), features.mean((2, 3)) if features.dim() == 4 else features

    def looks(self, x: Tensor) -> dict[str, Tensor]:
        """The output of every layer by name, for pictures or rows `x`, in the layers' order."""
        out: dict[str, Tensor] = {}
        for module, (name, other, _) in zip(self.walk.values(), self._steps, strict=True):
            x = module(x, out[other]) if other else module(x)
            out[name] = x
        return out


def logits_of(scores: Tensor, final: str) -> Tensor:
    """Logits whose softmax gives the probabilities that the last activation stands for."""
    if final in ("", "linear", "softmax"):
        return scores
    if final == "sigmoid":
        return F.logsigmoid(scores)  # softmax(log p) is p / sum(p)
    return layers.ACTIVATIONS[final](scores)


def _final(layer: Traced) -> str:
    key = "function" if layer.kind == "activation" else "activation"
    return str(layer.options.get(key) or "")


class _Activated(nn.Module):
    """A layer with weights and the activation after it."""

    def __init__(self, inner: nn.Module, activation: str) -> None:
        super().__init__()
        self.inner = inner
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        return layers.activate(self.inner(x), self.activation)


class _Activation(nn.Module):
    def __init__(self, activation: str) -> None:
        super().__init__()
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        return layers.activate(x, self.activation)


class _Add(nn.Module):
    """The sum of what came before and an earlier layer's output."""

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        return x + other


def _module(layer: Traced, last: bool) -> nn.Module:
    options: Mapping[str, Any] = layer.options
    activation = "" if last else str(options.get("activation") or "")
    match layer.kind:
        case "conv2d":
            return _Activated(layers.Conv2d(layer.input, options), activation)
        case "dense":
            bias = bool(options.get("use_bias", True))
            dense = nn.Linear(layer.input[-1], int(options["units"]), bias=bias)
            return _Activated(dense, activation)
        case "max_pool2d":
            return layers.MaxPool(layer.input, options)
        case "avg_pool2d":
            return layers.AvgPool(layer.input, options)
        case "global_avg_pool":
            return layers.GlobalAvgPool()
        case "batch_norm":
            return layers.batch_norm(layer.input, options)
        case "dropout":
            return layers.Dropout(float(options["rate"]), options.get("noise_shape"))
        case "flatten":
            return layers.Flatten()
        case "reshape":
            return layers.Reshape(layer.output)
        case "activation":
            return _Activation("" if last else str(options.get("function") or ""))
        case "add":
            return _Add()
    raise ValueError(f"there is no layer kind {layer.kind!r}")


def parameters(net: nn.Module) -> int:
    """How many numbers a network learns."""
    return sum(p.numel() for p in net.parameters() if p.requires_grad)


def device_of(net: nn.Module) -> torch.device:
    """Where a network lies."""
    return next((p.device for p in net.parameters()), torch.device("cpu"))
