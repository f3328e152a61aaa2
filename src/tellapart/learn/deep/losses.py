"""What training makes small, by the names a recipe uses.

Formulas: Keras 3 API reference, "Losses", for one-hot targets and the mean over a batch. A loss
takes what goes into the last activation, so that softmax and sigmoid are reckoned together with
the logarithm and nothing overflows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - its name everywhere

from tellapart.learn.deep.build import logits_of

#: (scores (n, C), classes (n,) int64) to the mean loss of the batch.
Loss = Callable[[Tensor, Tensor], Tensor]
#: Keras' `backend.epsilon`: probabilities keep this distance from 0 and 1 under a logarithm.
_EPSILON = 1e-7


def loss(name: str, final: str, smoothing: float = 0.0) -> Loss:
    """The loss `name` for scores that the activation `final` turns into probabilities.

    `smoothing`: share of a target that is spread over all classes. Raises `ValueError` for an
    unknown name.
    """
    if name in ("categorical_crossentropy", "kld"):
        # With one-hot targets the divergence is the cross entropy.

        def entropy(scores: Tensor, y: Tensor) -> Tensor:
            logits = logits_of(scores.float(), final)
            return F.cross_entropy(logits, y, label_smoothing=smoothing)

        return entropy
    if name not in _OVER_OUTPUTS:
        raise ValueError(f"there is no loss {name!r}")
    formula = _OVER_OUTPUTS[name]

    def over_outputs(scores: Tensor, y: Tensor) -> Tensor:
        scores = scores.float()
        target = F.one_hot(y, scores.shape[1]).to(scores.dtype)
        if smoothing:
            target = target * (1 - smoothing) + smoothing / scores.shape[1]
        if name == "binary_crossentropy" and final == "sigmoid":
            return F.binary_cross_entropy_with_logits(scores, target)
        return formula(outputs(scores, final), target)

    return over_outputs


def outputs(scores: Tensor, final: str) -> Tensor:
    """What a Keras network with this last activation gives out: of a sigmoid, not normalized."""
    if final == "sigmoid":
        return torch.sigmoid(scores)
    return F.softmax(logits_of(scores, final), dim=1)


def _binary(p: Tensor, target: Tensor) -> Tensor:
    p = p.clamp(_EPSILON, 1 - _EPSILON)
    return -(target * p.log() + (1 - target) * (1 - p).log()).mean()


def _hinge(p: Tensor, target: Tensor) -> Tensor:
    return (1 - (2 * target - 1) * p).clamp(min=0).mean()


def _categorical_hinge(p: Tensor, target: Tensor) -> Tensor:
    right, wrong = (target * p).sum(1), ((1 - target) * p).amax(1)
    return (wrong - right + 1).clamp(min=0).mean()


_OVER_OUTPUTS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "binary_crossentropy": _binary,
    "mse": F.mse_loss,
    "mae": F.l1_loss,
    "hinge": _hinge,
    "categorical_hinge": _categorical_hinge,
    "huber": F.huber_loss,
}

#: Every loss by the name a recipe holds.
NAMES = ("categorical_crossentropy", "kld", *_OVER_OUTPUTS)
