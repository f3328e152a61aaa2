"""Backbones made of weights: exported once by torch, then files like all others."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from tellapart.errors import MissingExtraError, TellapartError, VerificationError
from tellapart.learn import backbone as backbones
from tellapart.learn import keeping
from tellapart.learn.backbone import Backbone
from tellapart.learn.weights.finding import Weights, find, local
from tellapart.settings import Settings

#: Raise it whenever the same weights would give another graph: cached ones are then made anew.
_VERSION = 1
#: What has no place in the name of a file.
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
#: The side that most networks are made for, where there is no timm to ask.
_USUAL = 224


def backbone(name: str, size: int | None, settings: Settings, file: Path | None = None) -> Backbone:
    """The network `name` for pictures of `size` pixels (None: its own), pretrained and frozen.

    Exported on first use (10 to 60 s) and kept in the cache; after that neither torch nor the
    network is needed. The embedded one needs neither at all. Raises what `find` raises,
    `MissingExtraError` where torch is needed and missing, `InputError` for a size that the network
    does not take, `VerificationError` where the weights are not that network's.
    """
    found = local(name, settings, file)
    known = _cached(name, size, settings) if found is None else None
    return known or of(found or find(name, settings, file), size, settings)


def key(name: str, settings: Settings, file: Path | None = None) -> str:
    """Names the network that `backbone` gives, of whatever size: another file, another key.

    The model hub is asked where nothing else has it. Raises what `find` raises.
    """
    found = local(name, settings, file)
    if found is None:
        place = _exported(name, None, settings, own=False)
        if place is not None:
            return place.stem.split("-")[-3]
    return (found or find(name, settings, file)).key


def of(weights: Weights, size: int | None, settings: Settings) -> Backbone:
    """The same of weights at hand."""
    if weights.source == "embedded":
        return backbones.embedded(settings.cache_dir, size or weights.size or _USUAL)
    size = size or own_size(weights)
    place = _place(weights, size, settings)
    known = _read(place, settings)
    if known is not None:
        return known
    try:
        from tellapart.learn.deep import exported, timm_nets
    except ImportError as error:
        raise MissingExtraError(
            f"The network {weights.name!r} is made into a graph with {error.name}, which is not "
            "installed.",
            expected="the extra [deep], once: afterwards the graph is in the cache",
            do="Run: pip install 'tellapart[deep]'",
        ) from error
    net, facts = timm_nets.create(weights, size=size)
    mean, std = facts["mean"], facts["std"]
    found = keeping.store(
        settings.cache_dir / backbones.FOLDER,
        exported.onnx_of(net, size, mean, std),
        exported.tensors_of(net, net.get_classifier()),
        name=_UNSAFE.sub("_", weights.name),
        license=facts["license"],
        preparation=(mean, std),
        sha256=weights.sha256,
        timm=facts["model"],
        args=facts["args"],
        classifier=facts["classifier"],
    )
    told = {"asked": weights.name, "own": own_size(weights) == size, **keeping.facts(found)}
    text = json.dumps(told, sort_keys=True, indent=1)
    backbones.write(place, text.encode())
    return found


def ready(weights: Weights, settings: Settings) -> Backbone | None:
    """The network at its own size, where that was exported before; torch is not asked."""
    if weights.source == "embedded":
        return backbones.embedded(settings.cache_dir, weights.size or _USUAL)
    start = _place(weights, 0, settings).name.removesuffix("0.json")
    folder = settings.cache_dir / backbones.FOLDER
    for place in sorted(folder.glob(f"{start}*.json")):
        found = _read(place, settings, weights.name, own=True)
        if found is not None:
            return found
    return None


def own_size(weights: Weights) -> int:
    """The side in pixels that the network was made for, as its file or else timm says."""
    if weights.size is not None:
        return weights.size
    try:
        from tellapart.learn.deep import timm_nets
    except ImportError:
        return _USUAL
    return int(timm_nets.facts_of(timm_nets.model_of(weights.model))["size"])


def tensors(weights: Weights) -> dict[str, np.ndarray]:
    """All tensors of a file, the classifier's too, under timm's names.

    A file of torch's own format is read with torch, as tensors only. Raises `VerificationError`.
    """
    if weights.source == "embedded":
        from tellapart.learn import efficientnet
        from tellapart.learn.checkpoint import read_checkpoint

        old = read_checkpoint(weights.path, sha256=weights.sha256)
        head = {f"classifier.{key}": old[f"_fc.{key}"] for key in ("weight", "bias")}
        return {new: old[name] for name, new in efficientnet.renamed()} | head
    if weights.path.suffix == ".safetensors":
        return _safe(weights.path)
    from tellapart.learn.deep import timm_nets

    return timm_nets.unpickled(weights.path)


def _safe(path: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return dict(load_file(path))
    except (SafetensorError, OSError, TypeError, KeyError) as error:  # the last two: odd types
        raise VerificationError(
            f"The tensors of {str(path)!r} cannot be read: {error}.",
            expected="a whole safetensors file of float32, float16 or whole numbers",
            do="Fetch the file again, or save its tensors as float32.",
        ) from error


def _place(weights: Weights, size: int, settings: Settings) -> Path:
    """Where the facts of the exported network lie."""
    name = f"{_UNSAFE.sub('_', weights.name)}-{weights.key}-e{_VERSION}-s{size}.json"
    return settings.cache_dir / backbones.FOLDER / name


def _cached(name: str, size: int | None, settings: Settings) -> Backbone | None:
    """An exported network whose weights' file is gone. `size` None: its own."""
    place = _exported(name, size, settings, own=size is None)
    return None if place is None else _read(place, settings, name, own=size is None)


def _exported(name: str, size: int | None, settings: Settings, *, own: bool) -> Path | None:
    """Where its facts lie; the last export's where there are several."""
    folder = settings.cache_dir / backbones.FOLDER
    places = folder.glob(f"{_UNSAFE.sub('_', name)}*-e{_VERSION}-s{size or '*'}.json")
    for place in sorted(places, key=lambda path: (path.stat().st_mtime_ns, path), reverse=True):
        if _read(place, settings, name, own=own) is not None:
            return place
    return None


def _read(
    place: Path, settings: Settings, name: str | None = None, *, own: bool = False
) -> Backbone | None:
    try:
        facts: dict[str, Any] = json.loads(place.read_bytes())
        asked = str(facts["asked"])
        if name is not None and name not in (asked, asked.partition(".")[0]):
            return None
        if own and not facts["own"]:
            return None
        return keeping.found(place.parent, facts, settings.cache_dir)
    except (OSError, ValueError, LookupError, TellapartError):
        return None
