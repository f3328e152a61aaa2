"""What a model card says of the pretrained networks that a model rests on."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any

#: Loads `weights.safetensors` in the unpacked bundle; the tests run it as it stands in the card.
_SNIPPET = """\
import json
from pathlib import Path

import timm
import torch
from safetensors.torch import load_file

{faces}from tellapart.images import load  # the bundle's own decoder

{provide}manifest = json.loads(Path("manifest.json").read_text(encoding="utf-8"))
labels = manifest["labels"]
model = timm.create_model({backbone!r}, num_classes=len(labels){args})
model.load_state_dict(load_file("weights.safetensors"), strict=True)
model.eval()

pixels = torch.from_numpy(load(Path({picture!r}), {size}, {view!r}))
with torch.inference_mode():
    logits = model({prepared})
probabilities = dict(zip(labels, logits.softmax(1)[0].tolist(), strict=True))
print(probabilities)
"""

#: What finds the faces that it sees.
_FACES = "from tellapart.bundle import faces\n"
_PROVIDE = 'faces.provide(Path("faces.onnx").read_bytes())\n'
#: The network that comes with the program.
_EMBEDDED = "tf_efficientnet_lite0"
_UNKNOWN = "unknown"
_NONCOMMERCIAL = re.compile(r"\bnc\b|non-?commercial", re.IGNORECASE)


def with_weights(manifest: Mapping[str, Any]) -> str:
    """How to use `weights.safetensors`."""
    backbone = manifest["backbone"]
    if not is_timm(backbone):
        parts = backbone.get("parts", ())
        names = "; ".join(
            f"`{number}.`: {part['name']}{_also(part)}" for number, part in enumerate(parts)
        )
        inner = f" of its networks, each under a number of its own ({names})" if parts else ""
        last = backbone["classifier"] or "head"
        return (
            f"`weights.safetensors` holds the tensors{inner}, and the head as `{last}.weight` and "
            f"`{last}.bias`; `manifest.json` says how they belong together.\n"
        )
    view = manifest["input"]["view"]
    if view == "both":
        last = backbone.get("classifier") or "classifier"
        return (
            "`weights.safetensors` holds the network's tensors, and the head as "
            f"`{last}.weight` and `{last}.bias`: its first {backbone['dim']:,} columns are for the "
            "features of the whole picture, the others for those of the face.\n"
        )
    snippet = _SNIPPET.format(
        faces=_FACES if view == "face" else "",
        provide=_PROVIDE if view == "face" else "",
        backbone=backbone["timm"] if "args" in backbone else backbone["name"],
        args="".join(f", {key}={value!r}" for key, value in backbone.get("args", {}).items()),
        prepared=_prepared(backbone),
        picture=manifest["golden"][0]["file"],
        size=manifest["input"]["size"],
        view=view,
    )
    return (
        "With timm (`pip install timm safetensors`), in the unpacked bundle:\n\n"
        f"```python\n{snippet}```\n"
    )


def _prepared(backbone: Mapping[str, Any]) -> str:
    """The expression that brings `pixels` to what the network was trained on."""
    planes = "pixels.permute(2, 0, 1)[None]"
    if backbone["name"] == _EMBEDDED or backbone["mean"] == backbone["std"] == [0.5, 0.5, 0.5]:
        return f"{planes} / 127.5 - 1"
    mean, std = (f"torch.tensor({list(backbone[key])}).reshape(3, 1, 1)" for key in ("mean", "std"))
    return f"({planes} / 255 - {mean}) / {std}"


def _also(part: Mapping[str, Any]) -> str:
    """How a part looks at a picture beside plainly."""
    words = (("mirror", "mirrored"), ("upside", "upside down"))
    ways = [word for key, word in words if part.get(key, False)]
    return f" (of the picture plain and {' and '.join(ways)})" if ways else ""


def is_timm(backbone: Mapping[str, Any]) -> bool:
    """Whether timm builds the whole network, head included."""
    return bool(backbone["timm"] and backbone.get("classifier", True) and not _parts(backbone))


def _parts(backbone: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = backbone.get("parts", ())
    return found


def bases(backbone: Mapping[str, Any]) -> list[str]:
    """The hub's names of the networks that it rests on; those that have one carry a tag."""
    names = [part["timm"] for part in _parts(backbone) or (backbone,)]
    known = [f"timm/{name}" for name in dict.fromkeys(names) if "." in name]
    if len(known) < 2:
        return [f"base_model: {name}" for name in known]
    return [f"base_model: [{', '.join(known)}]"]


def looks(backbone: Mapping[str, Any]) -> str:
    """What the networks did, up to the head."""
    head = "a calibrated logistic regression tells"
    parts = _parts(backbone)
    if not parts and backbone["name"] == _EMBEDDED:
        return (
            f"`{backbone['name']}` with ImageNet weights turns them into "
            f"{backbone['dim']:,} features and stays as it is; {head}"
        )
    if not parts:
        how = (
            "trained further on these pictures, turns"
            if backbone.get("tuned")
            else "pretrained, stays as it is and turns"
        )
        return f"`{backbone['name']}`, {how} them into {backbone['dim']:,} features; {head}"
    said = ", ".join(
        f"`{part['name']}`" + (" (trained further)" if part.get("tuned") else "") + _also(part)
        for part in parts
    )
    return f"Together {said} turn them into {backbone['dim']:,} features; {head}"


def licenses(backbone: Mapping[str, Any]) -> str:
    """The licences of all networks that it rests on, and what they learned from."""
    parts = {part["name"]: part for part in _parts(backbone) or (backbone,)}
    if all(part["name"] == _EMBEDDED for part in parts.values()):
        # Of what it was made from we know for this one alone.
        return (
            f"**The network.** `{_EMBEDDED}` is under {backbone['license']}; it learned "
            "from ImageNet, whose pictures were gathered for research. The program in this bundle "
            "is under Apache-2.0.\n"
        )
    said = [_license(name, str(part["license"])) for name, part in parts.items()]
    tuned = " Its weights were trained further on the pictures below."
    return (
        f"**The network{'s' * (len(parts) > 1)}.** {'; '.join(said)}."
        + tuned * any(part.get("tuned", False) for part in parts.values())
        + " Pretrained networks mostly learned from ImageNet, whose pictures were gathered for "
        "research, or from other collections that say so where the weights come from. The program "
        "in this bundle is under Apache-2.0.\n"
    )


def _license(name: str, license_: str) -> str:
    if license_ == _UNKNOWN:
        return f"of `{name}` **no licence is known**: ask whoever made its weights"
    words = f"`{name}` is under {plain(license_)}"
    return f"{words}, **not for commercial use**" if _NONCOMMERCIAL.search(license_) else words


def is_open(backbone: Mapping[str, Any]) -> bool:
    """Whether no licence of its networks speaks against commercial use, and all are known."""
    told = [str(part["license"]) for part in _parts(backbone) or (backbone,)]
    return not any(each == _UNKNOWN or _NONCOMMERCIAL.search(each) for each in told)


def plain(text: str) -> str:
    """Text that Markdown and HTML leave as it is."""
    return re.sub(r"([\\`*_\[\]|#])", r"\\\1", html.escape(" ".join(text.split()), quote=False))
