"""A tuned network as a backbone with a linear head, as every picture model is."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tellapart.learn.backbone import Backbone
from tellapart.learn.deep import exported
from tellapart.learn.deep.tuning.fitting import Tuned
from tellapart.learn.deep.tuning.network import ConcatHead
from tellapart.learn.keeping import store


class Hidden(nn.Module):  # type: ignore[misc]
    """All of a network with hidden layers in its head but the last layer: it has no map."""

    def __init__(self, body: Any, head: ConcatHead) -> None:
        super().__init__()
        self.body, self.head = body, head

    def forward_features(self, x: Tensor) -> Tensor:
        """Prepared pictures (n, 3, s, s) to hidden units (n, 512)."""
        return self.head.features(self.body.forward_features(x))

    def forward_head(self, features: Tensor, pre_logits: bool = True) -> Tensor:
        """As timm's: there is nothing left to do."""
        return features


def tuned_backbone(
    tuned: Tuned,
    folder: Path,
    *,
    license: str,
) -> tuple[Backbone, NDArray[np.float32], NDArray[np.float32]]:
    """Write the tuned network into `folder`: (backbone, weight (C, D), bias (C,)).

    Logits are features · weightᵀ + bias over the backbone's raw features. `license`: of the weights
    that the tuning began with. Of a linear head the backbone is timm's network and has its feature
    map; of `concat512` it ends in the hidden units and has none. Raises `InputError` where the
    network cannot be written as a graph, `StorageError` where `folder` cannot be written.
    """
    net, plan = tuned.net, tuned.plan
    head = net.head
    # The export must not leave traces in the network, nor trip over its order in memory.
    body = copy.deepcopy(net.body).to(memory_format=torch.contiguous_format)
    part: nn.Module = Hidden(body, copy.deepcopy(head)) if isinstance(head, ConcatHead) else body
    part.eval()
    backbone = store(
        folder,
        exported.onnx_of(part, tuned.size, tuned.mean, tuned.std),
        exported.tensors_of(part, head_of(part)),
        name=f"{plan.backbone}-tuned",
        license=license,
        preparation=(tuned.mean, tuned.std),
        tuned=True,
        timm="" if isinstance(head, ConcatHead) else plan.backbone,
        args=dict(plan.arguments),
        classifier="head.last" if isinstance(head, ConcatHead) else exported.classifier_of(body),
    )
    last = net.last
    return backbone, last.weight.detach().numpy().copy(), last.bias.detach().numpy().copy()


def head_of(part: nn.Module) -> nn.Module | None:
    """The last layer, where it is a part of `part`."""
    return part.head.last if isinstance(part, Hidden) else None
