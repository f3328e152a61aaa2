"""Networks of timm with a head of ours: what a bundle of pictures holds, as a torch module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tellapart.errors import MissingExtraError, VerificationError
from tellapart.learn.deep.deployed import Deployed, Pictures


class Whole(nn.Module):  # type: ignore[misc]
    """A network of timm that gives its pooled features too."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Prepared pictures (n, 3, h, w) to logits (n, C) and features (n, d)."""
        features = self.net.forward_head(self.net.forward_features(x), pre_logits=True)
        return self.net.get_classifier()(features), features


def deployed(
    name: str,
    tensors: Mapping[str, NDArray[np.float32]],
    classes: int,
    size: tuple[int, int],
    mean: Sequence[float],
    std: Sequence[float],
    args: Mapping[str, Any] | None = None,
) -> Deployed:
    """timm's network `name` with all its weights, from raw pictures of (height, width) on.

    `args`: what timm's function for it is called with beside.

    Raises `MissingExtraError` where timm is not installed, `VerificationError` where the weights
    are not that network's.
    """
    try:
        import timm
    except ImportError as error:
        raise MissingExtraError(
            "The network is built with timm, which is not installed.",
            expected="the extra [deep]",
            do="Run: pip install 'tellapart[deep]'",
        ) from error
    try:
        net = timm.create_model(name, pretrained=False, num_classes=classes, **(args or {}))
        net.load_state_dict({key: torch.tensor(value) for key, value in tensors.items()})
    except RuntimeError as error:
        raise VerificationError(
            f"The weights do not fit timm's {name!r}.",
            expected="the weights of that network, its head included",
            do="Run `verify` on the bundle; fetch or package it again.",
        ) from error
    how = Pictures(size[0], size[1], 3, tuple(mean), tuple(std))
    return Deployed(Whole(net.eval()), how)
