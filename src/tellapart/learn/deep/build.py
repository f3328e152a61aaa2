"""A torch module from a traced network.

What was traced (names, kinds, options, shapes) is built here and nothing is checked again. The
last activation is left out of the module's walk: `scores` gives what goes into it, and `forward`
gives logits whose softmax is the probabilities, whatever that activation was.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its name everywhere

from tellapart.learn.deep import layers, limits, starts
from tellapart.recipe.network import Network, Traced

#: Kinds with weights of their own and an activation.
_WEIGHTED = ("conv2d", "dense")
#: What an activation passes unchanged on its way out.
_TRANSPARENT = ("flatten", "reshape", "dropout")
#: They never fall, so that the largest of a window may be taken first: a quarter of the work.
_RISING = ("relu", "relu6", "sigmoid", "tanh", "leaky_relu", "softplus")


def build(network: Network, seed: int) -> Net:
    """The module of `network` with fresh weights: the same for the same seed.

    Its `forward` takes float (n, c, h, w) pictures in 0..1, or (n, f) scaled rows, and returns
    (logits (n, C), features (n, d)): softmax of the logits gives the probabilities; the features
    are what goes into the last layer with weights, its mean over the picture if it is a map.
    """
    net = Net(network)
    starts.fill(net.weighted(), torch.Generator().manual_seed(seed))
    net.to(memory_format=torch.channels_last)
    return net


class Net(nn.Module):  # type: ignore[misc]
    """A sequential network with residual `add`s."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        traced = network.layers
        wanted = {str(t.options["with"]) for t in traced if t.kind == "add"}
        last, self.final = _final(traced)
        late = _late(traced, wanted, last)
        self._late = late
        #: One module a layer, by its place: "0", "1" …
        self.walk = nn.ModuleDict()
        with torch.random.fork_rng(devices=[]):  # torch fills weights that are filled anew
            for number, layer in enumerate(traced):
                now = "" if number == last or number in late else _activation(layer)
                module = _module(layer, now, late.get(number - 1, ""))
                if number == last and isinstance(module, _Activated):
                    module.penalized = self.final
                self.walk[str(number)] = module
        places = [number for number, t in enumerate(traced) if t.kind in _WEIGHTED]
        self._features_at = places[-1] if places else 0
        self._steps = [
            (t.name, str(t.options["with"]) if t.kind == "add" else "", t.name in wanted)
            for t in traced
        ]
        self._activities = [m for m in self.walk.values() if getattr(m, "activity", None)]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures (n, c, h, w) or rows (n, f) to logits (n, C) and features (n, d)."""
        scores, features = self.scores(x)
        return logits_of(scores, self.final), features

    def scores(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What goes into the last activation, (n, C), and the features (n, d)."""
        features = x
        kept: dict[str, Tensor] = {}
        for number, module in enumerate(self.walk.values()):
            if number == self._features_at:
                features = x
            name, other, keep = self._steps[number]
            x = module(x, kept[other]) if other else module(x)
            if keep:
                kept[name] = x
        return x.flatten(1), features.mean((2, 3)) if features.dim() == 4 else features

    def looks(self, x: Tensor) -> dict[str, Tensor]:
        """Every layer's output by its name, activation included, in the layers' order."""
        out: dict[str, Tensor] = {}
        for number, module in enumerate(self.walk.values()):
            name, other, _ = self._steps[number]
            x = module(x, out[other]) if other else module(x)
            out[name] = x
        for number, activation in self._late.items():
            name = self._steps[number][0]
            out[name] = layers.activate(out[name], activation)
        out[self._steps[-1][0]] = torch.softmax(logits_of(x.flatten(1), self.final), 1)
        return out

    def weighted(self) -> list[tuple[Mapping[str, Any], nn.Module]]:
        """(options, torch module with `weight` and `bias`) of each layer that has them."""
        pairs = zip(self.network.layers, self.walk.values(), strict=True)
        return [(t.options, plain(module)) for t, module in pairs if t.kind in _WEIGHTED]

    def activity(self) -> Tensor | None:
        """The penalty on the outputs of the last forward pass; None where nobody asked for it."""
        found = [m.penalty for m in self._activities]
        return torch.stack(found).sum() if found else None


def plain(module: nn.Module) -> nn.Module:
    """The torch layer inside a module of the walk."""
    inner = getattr(module, "inner", module)
    return getattr(inner, "conv", inner)


def logits_of(scores: Tensor, final: str) -> Tensor:
    """Logits whose softmax gives the probabilities that the last activation stands for."""
    if final in ("", "linear", "softmax"):
        return scores
    if final == "sigmoid":
        return F.logsigmoid(scores)  # softmax(log p) is p / sum(p)
    return layers.ACTIVATIONS[final](scores)


def _activation(layer: Traced) -> str:
    key = "function" if layer.kind == "activation" else "activation"
    return str(layer.options.get(key) or "")


def _final(traced: Sequence[Traced]) -> tuple[int, str]:
    """Which layer's activation is left out of the walk, and what it is; (-1, "") for none."""
    for number in range(len(traced) - 1, -1, -1):
        layer = traced[number]
        if layer.kind in _TRANSPARENT:
            continue
        # Over a map that is flattened later, softmax is something else than over the classes.
        if math.prod(layer.output[:-1]) != 1 or layer.kind not in (*_WEIGHTED, "activation"):
            return -1, ""
        return number, _activation(layer)
    return -1, ""


def _late(traced: Sequence[Traced], wanted: set[str], last: int) -> dict[int, str]:
    """Activations by their layer's place that are reckoned after the pooling behind them."""
    late = {}
    for number, (layer, after) in enumerate(itertools.pairwise(traced)):
        alone = layer.name not in wanted and number != last
        alone = alone and not layer.options.get("activity_regularizer")
        if after.kind == "max_pool2d" and layer.kind in ("conv2d", "activation") and alone:
            name = _activation(layer)
            if name in _RISING:
                late[number] = name
    return late


class _Activated(nn.Module):  # type: ignore[misc]
    """A layer and the activation after it."""

    def __init__(
        self, inner: nn.Module, activation: str, activity: Mapping[str, float] | None = None
    ) -> None:
        super().__init__()
        self.inner = inner
        self.activation = activation
        #: The penalty on the outputs, and the activation left out here that they still go through.
        self.activity, self.penalized = activity, ""
        self.penalty: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        x = layers.activate(self.inner(x), self.activation, own=self.training)
        if self.activity and self.training:
            given = layers.activate(x, self.penalized)
            self.penalty = limits.penalty(given, self.activity) / len(x)
        return x


class _Activation(nn.Module):  # type: ignore[misc]
    def __init__(self, activation: str) -> None:
        super().__init__()
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        return layers.activate(x, self.activation)


class _Add(nn.Module):  # type: ignore[misc]
    """The sum of what came before and an earlier layer's output."""

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        return x + other


def _module(layer: Traced, activation: str, late: str) -> nn.Module:
    """`activation` belongs to the layer, `late` to the one before it."""
    options = layer.options
    match layer.kind:
        case "conv2d":
            made = layers.Conv2d(layer.input, options)
            return _Activated(made, activation, options.get("activity_regularizer"))
        case "dense":
            bias = bool(options.get("use_bias", True))
            dense = nn.Linear(layer.input[-1], int(options["units"]), bias=bias)
            return _Activated(dense, activation, options.get("activity_regularizer"))
        case "max_pool2d":
            pool = layers.MaxPool(layer.input, options)
            return _Activated(pool, late) if late else pool
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
            return _Activation(activation)
        case "add":
            return _Add()
    raise ValueError(f"there is no layer kind {layer.kind!r}")
