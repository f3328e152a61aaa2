"""A trained network as one file: `work/network.safetensors`, weights by the layers' names.

The metadata hold the network itself and how raw samples are prepared, so that the file alone
rebuilds what was trained. The same network gives the same bytes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tellapart.errors import NotFoundError
from tellapart.learn import outcome
from tellapart.learn.deep.build import Net, plain
from tellapart.learn.deep.deployed import Deployed, Preparation, preparation
from tellapart.recipe.network import Network

_KEY = "tellapart"


def save(work: Path, net: Net, how: Preparation) -> None:
    """Write the weights, whole or not at all. Raises `StorageError`."""
    from safetensors.numpy import save as pack

    said = {"network": net.network.to_dict(), "prepare": how.to_dict()}
    weights = {name: tensor.contiguous().cpu().numpy() for name, tensor in named(net).items()}
    text = json.dumps(said, sort_keys=True, ensure_ascii=False)
    outcome.replace(work / outcome.NETWORK, pack(weights, {_KEY: text}))


def load(work: Path) -> Deployed:
    """The network that `save` wrote, from raw samples on. Raises `NotFoundError`."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as unpack

    path = work / outcome.NETWORK
    try:
        data = path.read_bytes()
        weights = unpack(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        said: dict[str, Any] = json.loads(header["__metadata__"][_KEY])
        net = Net(Network.from_dict(said["network"]))
        with torch.no_grad():
            for name, tensor in named(net).items():
                tensor.copy_(torch.from_numpy(weights[name].copy()))
        net.eval().requires_grad_(False)
        return Deployed(net, preparation(said["prepare"]))
    except (OSError, ValueError, LookupError, TypeError, SafetensorError, RuntimeError) as error:
        raise NotFoundError(
            f"There is no trained network in {str(path)!r} ({type(error).__name__}: {error}).",
            expected=f"the file {outcome.NETWORK}, which `train` writes",
            do="Run `tellapart train NAME` again.",
        ) from error


def named(net: Net) -> dict[str, Tensor]:
    """Weights and running statistics as `layer.weight`, in torch's order of axes.

    Convolutions (out, in, height, width), dense layers (out, in).
    """
    found: dict[str, Tensor] = {}
    for layer, module in zip(net.network.layers, net.walk.values(), strict=True):
        for name, tensor in plain(module).state_dict().items():
            if tensor.is_floating_point():
                found[f"{layer.name}.{name}"] = tensor
    return found
