"""A network of timm with a head of ours, its layer groups, and what learns at which rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tellapart.errors import InputError, MissingExtraError, VerificationError
from tellapart.learn.deep.tuning.plan import Freeze, Plan

#: The last layer group.
HEAD = "head"
_HIDDEN = 512


@dataclass(frozen=True)
class Group:
    """Layers that are frozen together and learn at one rate."""

    name: str
    #: Names in the whole network.
    parameters: tuple[str, ...]
    #: Modules that hold parameters of the group, whose running statistics are the group's too.
    modules: tuple[str, ...]


class ConcatHead(nn.Module):  # type: ignore[misc]
    """Both poolings of the feature map, 512 hidden units, dropout, batch norm, then classes."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.hidden = nn.Sequential(
            nn.BatchNorm1d(2 * channels),
            nn.Dropout(0.25),
            nn.Linear(2 * channels, _HIDDEN),
            nn.ReLU(),
            nn.BatchNorm1d(_HIDDEN),
            nn.Dropout(0.5),
        )
        self.last = nn.Linear(_HIDDEN, classes)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight)
                nn.init.zeros_(layer.bias)

    def features(self, maps: Tensor) -> Tensor:
        """Feature maps (n, d, h, w) to hidden units (n, 512)."""
        pooled = torch.cat([maps.amax((2, 3)), maps.mean((2, 3))], 1)
        hidden: Tensor = self.hidden(pooled.float())
        return hidden


class TunedNet(nn.Module):  # type: ignore[misc]
    """Prepared pictures (n, 3, s, s) to logits (n, C)."""

    def __init__(self, body: Any, head: str, classes: int) -> None:
        super().__init__()
        self.body, self.kind = body, head
        if head == "concat512":
            self.head: nn.Module = ConcatHead(body.num_features, classes)
        else:
            self.head = nn.Linear(body.head_hidden_size, classes)

    def features(self, x: Tensor) -> Tensor:
        """What goes into the last linear layer, (n, d)."""
        maps = self.body.forward_features(x)
        if isinstance(self.head, ConcatHead):
            return self.head.features(maps)
        pooled: Tensor = self.body.forward_head(maps, pre_logits=True)
        return pooled

    @property
    def last(self) -> nn.Linear:
        """The linear layer whose outputs are the logits."""
        return self.head.last if isinstance(self.head, ConcatHead) else self.head

    def forward(self, x: Tensor) -> Tensor:
        """Logits, reckoned in float32 whatever the precision before."""
        features = self.features(x).float()
        with torch.autocast(x.device.type, enabled=False):
            logits: Tensor = self.last(features)
        return logits


def build(
    plan: Plan,
    tensors: Mapping[str, NDArray[Any]] | None,
    classes: int,
    head: tuple[NDArray[Any], NDArray[Any]] | None = None,
) -> TunedNet:
    """timm's network `plan.backbone` with the weights `tensors`, None for a random start.

    A classifier among `tensors` is left out. `head`: weight (C, d) and bias (C,) over the raw
    pooled features, from which a linear head starts. Raises `MissingExtraError` without timm,
    `InputError` for a name that timm has not or a head that does not fit the network,
    `VerificationError` for weights that are not this network's.
    """
    try:
        import timm
    except ImportError as error:
        raise MissingExtraError(
            "Networks are tuned with timm, which is not installed.",
            expected="the extra [deep]",
            do="Run: pip install 'tellapart[deep]'",
        ) from error
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed)
        try:
            body = timm.create_model(
                plan.backbone, pretrained=False, num_classes=0, **dict(plan.arguments)
            )
        except (RuntimeError, TypeError) as error:
            raise InputError(
                f"timm cannot make the network {plan.backbone!r} ({error}).",
                expected="a name that timm.list_models() has",
                do="Correct train.backbone; `tellapart weights list` shows some.",
            ) from error
        net = TunedNet(body, plan.head, classes)
    if tensors is not None:
        _load(net.body, tensors, plan.backbone)
    if head is not None:
        _start(net, head)
    return net


def _load(body: nn.Module, tensors: Mapping[str, NDArray[Any]], name: str) -> None:
    own = body.state_dict()
    given = {k: torch.as_tensor(np.array(v)) for k, v in tensors.items() if k in own}
    missing = sorted(k for k in own if k not in given and not k.endswith("num_batches_tracked"))
    wrong = [k for k, v in given.items() if v.shape != own[k].shape]
    if missing or wrong:
        which = f"{missing[0]!r} is missing" if missing else f"{wrong[0]!r} has another shape"
        raise VerificationError(
            f"The weights are not those of timm's {name!r}: {which} "
            f"({len(missing) + len(wrong)} of {len(own)} tensors).",
            expected="the weights of that network",
            do="Set train.weights to the file of train.backbone, or train.backbone to the file's.",
        )
    body.load_state_dict(given, strict=False)


def _start(net: TunedNet, head: tuple[NDArray[Any], NDArray[Any]]) -> None:
    weight, bias = (torch.as_tensor(np.asarray(part, np.float32)) for part in head)
    if weight.shape != net.last.weight.shape or bias.shape != net.last.bias.shape:
        raise ValueError(f"a head of {tuple(weight.shape)} for {tuple(net.last.weight.shape)}")
    with torch.no_grad():
        net.last.weight.copy_(weight)
        net.last.bias.copy_(bias)


def groups(net: TunedNet) -> list[Group]:
    """Layer groups from the pictures' side on, timm's stages of the network; the head is last."""
    from timm.models import group_parameters

    try:
        numbers: Mapping[str, int] = group_parameters(
            net.body, net.body.group_matcher(coarse=True), reverse=True
        )
    except (AttributeError, AssertionError):
        numbers = {name: 0 for name, _ in net.body.named_parameters()}
    names: dict[int, list[str]] = {}
    for name, _ in net.body.named_parameters():
        names.setdefault(numbers[name], []).append(f"body.{name}")
    found = [_group(_title(part), part) for _, part in sorted(names.items())]
    return [*found, _group(HEAD, [f"head.{name}" for name, _ in net.head.named_parameters()])]


def _group(name: str, parameters: list[str]) -> Group:
    modules = dict.fromkeys(parameter.rpartition(".")[0] for parameter in parameters)
    return Group(name, tuple(parameters), tuple(modules))


def _title(parameters: list[str]) -> str:
    """What the parameters' names begin with in common, or the first one's module."""
    parts = [parameter.split(".")[1:-1] for parameter in parameters]
    common = []
    for pieces in zip(*parts, strict=False):
        if len(set(pieces)) > 1:
            break
        common.append(pieces[0])
    return ".".join((common or parts[0] or ["stem"])[:2])


def frozen_groups(found: list[Group], freeze: Freeze) -> int:
    """How many groups from the pictures' side do not learn. Raises `InputError`."""
    if freeze == "body":
        return len(found) - 1
    if freeze == "none":
        return 0
    if isinstance(freeze, int) and 0 <= freeze < len(found):
        return freeze
    raise InputError(
        f"A stage freezes {freeze!r} layer groups.",
        expected=f"body, none, or a number from 0 to {len(found) - 1}: the groups are "
        + ", ".join(group.name for group in found),
        do="Correct freeze in train.stages.",
    )


def set_learning(net: TunedNet, found: list[Group], frozen: int, freeze_norm: bool) -> None:
    """Training mode for what learns; the first `frozen` groups stay bit for bit as they are."""
    net.train()
    modules, parameters = dict(net.named_modules()), dict(net.named_parameters())
    if frozen == len(found) - 1:
        net.body.eval()  # what has no parameters too, such as dropout
    for place, group in enumerate(found):
        for name in group.parameters:
            parameters[name].requires_grad_(place >= frozen)
        if place < frozen:
            for name in group.modules:
                modules[name].training = False  # not its children, which may learn
    if freeze_norm:
        for module in net.body.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()


def untouched(net: TunedNet, found: list[Group], frozen: int) -> set[str]:
    """Names in the state of what the first `frozen` groups hold."""
    modules = dict(net.named_modules())
    names: set[str] = set()
    for group in found[:frozen]:
        names |= set(group.parameters)
        for module in group.modules:
            names |= {
                f"{module}.{name}" for name, _ in modules[module].named_buffers(recurse=False)
            }
    return names


def rates(found: list[Group], decay: float) -> list[float]:
    """Each group's share of the learning rate; the head's is 1."""
    return [decay ** (len(found) - 1 - place) for place in range(len(found))]
