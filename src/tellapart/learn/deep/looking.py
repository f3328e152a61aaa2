"""What a trained network can be seen to do: its first filters, one picture through its layers."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tellapart.learn import outcome
from tellapart.learn.deep.build import Net
from tellapart.learn.deep.deployed import Deployed


def save(work: Path, deployed: Deployed, picture: NDArray[np.uint8]) -> None:
    """Write `looks.npz` for one raw picture (h, w, c). Raises `StorageError`.

    Arrays: `picture`; `first_filters`, float32 (filters, channels, height, width), where the
    network has a convolution; for each layer `layer:NAME`, float32 (h, w, c) or (n,), its output.
    """
    net = deployed.module
    assert isinstance(net, Net)
    arrays: dict[str, Any] = {"picture": picture}
    with torch.inference_mode():
        raw = torch.from_numpy(np.ascontiguousarray(picture)[None])
        seen = net.looks(deployed.prepare(raw))
    kinds = [layer.kind for layer in net.network.layers]
    if "conv2d" in kinds:
        first = net.weighted()[[k for k in kinds if k in ("conv2d", "dense")].index("conv2d")]
        arrays["first_filters"] = first[1].weight.detach().contiguous().numpy()
    for name, output in seen.items():
        one = output[0].float()
        one = one.permute(1, 2, 0) if one.dim() == 3 else one
        arrays[f"layer:{name}"] = one.contiguous().numpy()
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    outcome.replace(work / outcome.LOOKS, buffer.getvalue())
