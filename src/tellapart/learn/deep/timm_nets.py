"""Networks of timm with pretrained weights, from files at hand only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from tellapart import telemetry
from tellapart.errors import InputError, MissingExtraError, VerificationError
from tellapart.learn.deep.quiet import first_line, quiet

if TYPE_CHECKING:
    from tellapart.learn.weights import Weights


def library() -> Any:
    """timm, imported without its hub's telemetry. Raises `MissingExtraError`."""
    telemetry.off()
    try:
        import timm
    except ImportError as error:
        raise MissingExtraError(
            "The network is built with timm, which is not installed.",
            expected="the extra [deep]",
            do="Run: pip install 'tellapart[deep]'",
        ) from error
    return timm


def facts_of(name: str) -> dict[str, Any]:
    """What timm says of the network `name` (maybe with a tag): `model`, `tag`, `hub` (a repository
    at the model hub, or None), `license`, `size`, `mean`, `std`, `classes`, `classifier`.

    Raises `InputError` for a name that timm does not know.
    """
    timm = library()
    base, _, tag = name.partition(".")
    config = timm.get_pretrained_cfg(name) if timm.is_model(base) else None
    if config is None:
        near = timm.list_models(f"*{base[:8]}*")[:5] if base else []
        raise InputError(
            f"timm knows no network {name!r}.",
            expected="a name of timm's" + (f", such as {', '.join(near)}" if near else ""),
            do="Correct the name; timm's own list is timm.list_models().",
        )
    return {
        "model": base,
        "tag": config.tag or tag,
        "hub": config.hf_hub_id,
        "license": config.license or "unknown",
        "size": int(config.input_size[-1]),
        "mean": tuple(float(value) for value in config.mean),
        "std": tuple(float(value) for value in config.std),
        "classes": int(config.num_classes),
        "classifier": config.classifier,
    }


def model_of(name: str) -> str:
    """timm's name at the start of a file's name: `mobilenetv2_100` of `mobilenetv2_100_same`."""
    timm = library()
    base, point, tag = name.partition(".")
    words = base.split("_")
    for count in range(len(words), 0, -1):
        start = "_".join(words[:count])
        if timm.is_model(start):
            return start + (point + tag if count == len(words) else "")
    return name


def create(weights: Weights, *, size: int, classes: int = 0) -> tuple[nn.Module, dict[str, Any]]:
    """timm's network with `weights`, in evaluation mode, and facts: `mean`, `std`, `license`,
    `size`, `args` (what its function was called with), `classifier` (the name of its last layer
    where that is one linear layer, else "").

    `classes`: of a new, untrained classifier; 0: none. Networks that are made for one size of
    pictures are made for `size`, their weights fitted to it. Raises `InputError` for a name or
    size that timm does not know, `VerificationError` where the weights are not that network's.
    """
    from tellapart.learn.weights import tensors

    model = model_of(weights.model)
    facts = facts_of(model)
    args = dict(weights.args)
    net, args = _loaded(weights, tensors(weights), facts, args, size)
    last = net.get_classifier()
    plain = isinstance(last, nn.Linear | nn.Identity) and isinstance(facts["classifier"], str)
    net.reset_classifier(classes)
    return net.eval(), {
        "mean": weights.mean or facts["mean"],
        "std": weights.std or facts["std"],
        "license": weights.license if weights.license != "unknown" else facts["license"],
        "args": args,
        "classifier": facts["classifier"] if plain else "",
        "size": facts["size"],
        "model": model,
    }


def _loaded(
    weights: Weights,
    given: Mapping[str, np.ndarray],
    facts: Mapping[str, Any],
    args: dict[str, Any],
    size: int,
) -> tuple[nn.Module, dict[str, Any]]:
    timm = library()
    heads = facts["classifier"]
    names = (heads,) if isinstance(heads, str) else tuple(heads or ())
    # As many classes as the file has; without a classifier none is asked for.
    rows = next((len(given[f"{n}.weight"]) for n in names if f"{n}.weight" in given), 0)
    overlay = {"state_dict": _torch(given), "num_classes": rows, "label_offset": 0}
    options: dict[str, Any] = {"pretrained": True, "pretrained_cfg_overlay": overlay}
    try:
        with quiet():
            if size != facts["size"]:
                try:
                    fitted = {**args, "img_size": size}
                    net = timm.create_model(facts["model"], num_classes=rows, **fitted, **options)
                    return net, fitted
                except TypeError:  # most networks take any size and do not ask for one
                    overlay["state_dict"] = _torch(given)
            return timm.create_model(facts["model"], num_classes=rows, **args, **options), args
    except RuntimeError as error:
        raise VerificationError(
            f"The weights {weights.path.name!r} do not fit timm's {weights.model!r}: "
            f"{first_line(error)}.",
            expected="the weights of that network",
            do="Name the network that they belong to, or put a description NAME.json beside them.",
        ) from error
    except (TypeError, ValueError, AssertionError) as error:
        raise InputError(
            f"timm cannot make {weights.model!r} for pictures of {size} pixels: "
            f"{first_line(error)}.",
            expected=f"a size that it takes ({facts['size']} does)",
            do=f"Use size {facts['size']}, or another network.",
        ) from error


def unpickled(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a file of torch's own format: nothing but tensors is read from it.

    Raises `VerificationError` for a damaged file or one that holds anything else.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        for key in ("state_dict_ema", "model_ema", "state_dict", "model"):
            if isinstance(found, dict) and isinstance(found.get(key), dict):
                found = found[key]
        return {
            str(name).removeprefix("module."): tensor.detach().float().numpy()
            if tensor.is_floating_point()
            else tensor.detach().numpy()
            for name, tensor in found.items()
        }
    except Exception as error:  # a hostile file can make the reader fail in many ways
        raise VerificationError(
            f"The weights file {path.name!r} cannot be read: {first_line(error)}.",
            expected="named tensors and nothing else, as torch.save writes a state_dict",
            do="Save its state_dict again, best as safetensors.",
        ) from error


def _torch(given: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(value) for name, value in given.items()}
