"""Read files of weights without torch: safetensors, what stands in their heads, and sidecars."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tellapart.errors import VerificationError

#: Endings of files that hold weights; the first without any code in it.
ENDINGS = (".safetensors", ".pth", ".pt", ".bin")
#: Ends of the names of what batch normalization counts on the way: nothing of it is learned.
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
_MOST_HEADER = 100_000_000


def sha256(path: Path) -> str:
    """Of a file, read a piece at a time."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def header(path: Path) -> dict[str, Any]:
    """The head of a safetensors file: its tensors' types and shapes, and `__metadata__`.

    Raises `VerificationError` for anything that is no whole safetensors file.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(size - 8, _MOST_HEADER):
                raise ValueError("its head ends outside it")
            found = json.loads(file.read(length))
        ends = [item["data_offsets"][1] for name, item in found.items() if name[:2] != "__"]
        if not ends or max(ends) != size - 8 - length:
            raise ValueError("it is cut or has more bytes than its tensors")
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise VerificationError(
            f"The weights file {str(path)!r} cannot be read: {error}.",
            expected="a whole safetensors file",
            do="Fetch or copy the file again.",
        ) from None
    return dict(found)


def parameters(path: Path) -> int | None:
    """How many figures were learned, running statistics left out; None where unknown."""
    if path.suffix != ".safetensors":
        return None
    total = 0
    for name, item in header(path).items():
        if not name.startswith("__") and not name.endswith(STATISTICS):
            count = 1
            for side in item["shape"]:
                count *= side
            total += count
    return total


def sidecar(path: Path) -> dict[str, Any]:
    """What `NAME.json` beside a file of weights says of it; {} where there is none.

    Keys: `model` (timm's name), `args` (what its function is called with), `mean`, `std`,
    `license`, `size`. Raises `VerificationError` for one that cannot be read.
    """
    beside = path.with_suffix(".json")
    try:
        found = json.loads(beside.read_bytes())
        _check(found)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise VerificationError(
            f"The description {str(beside)!r} of the weights cannot be read: {error}.",
            expected='JSON such as {"model": "resnet50", "args": {}, "mean": [0.5, 0.5, 0.5], '
            '"std": [0.5, 0.5, 0.5], "license": "Apache-2.0"}',
            do="Correct the file, or remove it.",
        ) from None
    return dict(found)


def metadata(path: Path) -> dict[str, Any]:
    """The same from the head of a safetensors file: its `__metadata__` holds texts only."""
    if path.suffix != ".safetensors":
        return {}
    given = header(path).get("__metadata__") or {}
    facts: dict[str, Any] = {}
    for ours, theirs in (("model", "timm"), ("model", "model"), ("license", "licence")):
        if given.get(theirs):
            facts[ours] = given[theirs]
    if given.get("license"):
        facts["license"] = given["license"]
    for key in ("mean", "std"):
        if given.get(key):
            facts[key] = [float(word) for word in str(given[key]).strip("[]()").split(",")]
    if given.get("pad_type"):
        facts["args"] = {"pad_type": given["pad_type"]}
    return facts


def _check(found: Any) -> None:
    if not isinstance(found, Mapping):
        raise TypeError("it is no JSON object")
    for key, kind in (("model", str), ("args", dict), ("license", str), ("size", int)):
        if key in found and not isinstance(found[key], kind):
            raise TypeError(f"its {key!r} is {found[key]!r}")
    for key in ("mean", "std"):
        if key in found and [type(float(value)) for value in found[key]] != [float] * 3:
            raise TypeError(f"its {key!r} is {found[key]!r}, not three figures")
