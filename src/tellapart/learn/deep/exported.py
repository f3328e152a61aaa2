"""Networks of torch as backbones: from raw pictures to features, as ONNX."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tellapart.errors import InputError
from tellapart.learn.deep.deployed import Pictures, Prepare
from tellapart.learn.deep.onnx import bare
from tellapart.learn.deep.quiet import first_line, quiet

#: As large a difference between the map's mean and the features still counts as rounding.
_SAME = 1e-4
#: Raise it whenever the same network would give another graph: cached ones are then dropped.
VERSION = 1


class Body(nn.Module):  # type: ignore[misc]
    """Raw pictures, uint8 N×size×size×3, to features N×D and, where `axes` are known, their map.

    `net.forward_features` gives a map or tokens; `net.forward_head(…, pre_logits=True)` pools them.
    A net without `forward_head` has its features averaged over the map's places.
    """

    def __init__(self, net: nn.Module, how: Pictures) -> None:
        super().__init__()
        self.prepare, self.net = Prepare(how), net
        #: The map's order of axes in what `forward_features` gives; None: it has none.
        self.axes: tuple[int, ...] | None = None
        self.eval()

    def forward(self, raw: Tensor) -> tuple[Tensor, ...]:
        found = self.net.forward_features(self.prepare(raw))
        features = self.pooled(found)
        return (features,) if self.axes is None else (features, found.permute(self.axes))

    def pooled(self, found: Tensor) -> Tensor:
        """The features, N×D."""
        if hasattr(self.net, "forward_head"):
            return self.net.forward_head(found, pre_logits=True).flatten(1)
        return found.mean((2, 3))

    def look(self, example: Tensor) -> None:
        """Find out whether the mean of what `forward_features` gives is the features."""
        with torch.inference_mode():
            found = self.net.forward_features(self.prepare(example))
            features = self.pooled(found)
        if found.ndim != 4:
            return
        largest = max(1.0, float(features.abs().max()))
        for axes in ((0, 1, 2, 3), (0, 3, 1, 2)):
            mean = found.permute(axes).mean((2, 3))
            if mean.shape == features.shape and (mean - features).abs().max() < _SAME * largest:
                self.axes = axes
                return


def onnx_of(net: nn.Module, size: int, mean: Sequence[float], std: Sequence[float]) -> bytes:
    """The graph of a network's body: `image` (uint8, N×size×size×3, RGB) to `features` (float32,
    N×D) and, where these are the mean of a map over its places, `feature_map` (N×D×h×w).

    `net` is any module with `forward_features`, as timm's have; its classifier does not take part.
    It is put into evaluation mode. `mean` and `std`: of values from 0 to 1, one figure a channel.
    The same network gives the same bytes: no path, date or version is in them. Raises `InputError`
    where the network holds what ONNX does not, or does not take pictures of that size.
    """
    from tellapart.learn.deep.onnx import OPSET

    body = Body(net, Pictures(size, size, 3, tuple(mean), tuple(std))).eval()
    noise = torch.Generator().manual_seed(0)
    example = torch.randint(0, 256, (2, size, size, 3), dtype=torch.uint8, generator=noise)
    names = ["features", "feature_map"]
    try:
        with quiet():
            body.look(example)
            program = torch.onnx.export(
                body,
                (example,),
                dynamo=True,
                verbose=False,
                input_names=["image"],
                output_names=names if body.axes else names[:1],
                dynamic_shapes={"raw": {0: torch.export.Dim("batch")}},
                opset_version=OPSET,
                external_data=False,
            )
            model = program.model_proto
    except Exception as error:
        raise InputError(
            f"The network {type(net).__name__} cannot be written as a graph for pictures of "
            f"{size} pixels: {first_line(error)}.",
            expected="a network that takes this size and whose layers ONNX holds",
            do="Use another size or another network.",
        ) from error
    return bare(model)


def classifier_of(net: nn.Module) -> str:
    """The name of a timm network's last layer, where that is one linear layer; else ""."""
    name = (getattr(net, "pretrained_cfg", None) or {}).get("classifier")
    return name if isinstance(name, str) else ""


def tensors_of(net: nn.Module, classifier: nn.Module | None = None) -> dict[str, Any]:
    """All tensors of a network by name as numpy arrays, those of its `classifier` left out."""
    own = (
        {id(tensor) for tensor in classifier.state_dict(keep_vars=True).values()}
        if (classifier is not None)
        else set()
    )
    return {
        name: tensor.detach().cpu().numpy()
        for name, tensor in net.state_dict(keep_vars=True).items()
        if id(tensor) not in own
    }
