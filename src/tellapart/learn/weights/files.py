"""Read files of weights without torch: safetensors, what stands in their heads, and sidecars."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tellapart.errors import VerificationError
from tellapart.learn import backbone

#: Endings of files that hold weights; the first without any code in it.
ENDINGS = (".safetensors", ".pth", ".pt", ".bin")
#: Ends of the names of what batch normalization counts on the way: nothing of it is learned.
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
_MOST_HEADER = 100_000_000
#: The greatest side of pictures in pixels, and letters of a name.
_MOST_SIDE, _MOST_LETTERS = 4096, 100
#: What makes one network of several: words that may be said of it. All else that timm's functions
#: take, files to read among it, is none of a description's business.
_WORDS: Mapping[str, frozenset[str]] = {
    "pad_type": frozenset(("", "same", "valid", "symmetric")),
    "global_pool": frozenset(("avg", "max", "avgmax", "token", "map")),
}
#: The same of sides in pixels, and of what keeps a division from one by nothing.
_SIDES, _EPSILONS = frozenset(("img_size", "output_stride")), frozenset(("bn_eps",))
#: What reading JSON or looking through it can raise, whoever wrote it.
_MISTAKES = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError)


def sha256(path: Path) -> str:
    """Of a file, read again only where it was written since. Raises `VerificationError`."""
    try:
        return backbone.file_sha256(path)
    except OSError as error:
        raise _unreadable(path, error, "a file that this user may read") from None


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
        if not isinstance(found, dict):
            raise ValueError("its head is no JSON object")
        given = found.get("__metadata__", {})
        if not isinstance(given, dict) or not all(isinstance(v, str) for v in given.values()):
            raise ValueError("its '__metadata__' holds other than texts")
        ends = [_end(name, item) for name, item in found.items() if name != "__metadata__"]
        if not ends or max(ends) != size - 8 - length:
            raise ValueError("it is cut or has more bytes than its tensors")
    except _MISTAKES as error:
        raise _unreadable(path, error, "a whole safetensors file") from None
    return found


def _end(name: str, item: Any) -> int:
    """Where the bytes of a tensor end. Raises `ValueError` for one that is not described so."""
    shape, offsets = item["shape"], item["data_offsets"]
    if not isinstance(shape, list) or not all(_is_count(side) for side in shape):
        raise ValueError(f"the tensor {_short(name)} has the shape {_short(shape)}")
    first, last = offsets
    if not _is_count(first) or not _is_count(last) or first > last:
        raise ValueError(f"the tensor {_short(name)} lies at {_short(offsets)}")
    if not isinstance(item["dtype"], str):
        raise TypeError(f"the tensor {_short(name)} has the type {_short(item['dtype'])}")
    return int(last)


def parameters(path: Path) -> int | None:
    """How many figures were learned, running statistics left out; None where unknown."""
    if path.suffix != ".safetensors":
        return None
    counts = [
        math.prod(item["shape"])
        for name, item in header(path).items()
        if name != "__metadata__" and not name.endswith(STATISTICS)
    ]
    return int(sum(counts))


def sidecar(path: Path) -> dict[str, Any]:
    """What `NAME.json` beside a file of weights says of it; {} where there is none.

    Keys: `model` (timm's name), `args` (of what its function takes: `pad_type`, `global_pool`,
    `img_size`, `output_stride`, `bn_eps`), `mean`, `std`, `license`, `size`, `name`, `note`.
    Raises `VerificationError` for one that cannot be read or says anything else of these.
    """
    beside = path.with_suffix(".json")
    try:
        found = json.loads(beside.read_bytes())
        _check(found)
    except FileNotFoundError:
        return {}
    except _MISTAKES as error:
        raise VerificationError(
            f"The description {str(beside)!r} of the weights cannot be read: {_said(error)}.",
            expected='JSON such as {"model": "resnet50", "args": {}, "mean": [0.5, 0.5, 0.5], '
            '"std": [0.5, 0.5, 0.5], "license": "Apache-2.0"}',
            do="Correct the file, or remove it.",
        ) from None
    return dict(found)


def metadata(path: Path) -> dict[str, Any]:
    """The same from the head of a safetensors file: its `__metadata__` holds texts only."""
    if path.suffix != ".safetensors":
        return {}
    given = header(path).get("__metadata__", {})
    facts: dict[str, Any] = {}
    for ours, theirs in (("model", "timm"), ("model", "model"), ("license", "licence")):
        if given.get(theirs):
            facts[ours] = given[theirs]
    if given.get("license"):
        facts["license"] = given["license"]
    try:
        for key in ("mean", "std"):
            if given.get(key):
                facts[key] = [float(word) for word in given[key].strip("[]()").split(",")]
        if given.get("pad_type"):
            facts["args"] = {"pad_type": given["pad_type"]}
        _check(facts)
    except _MISTAKES as error:
        raise _unreadable(path, error, "metadata as `timm`, `mean`, `std`, `license`") from None
    return facts


def _check(found: Any) -> None:
    """Raises `ValueError` or `TypeError` for facts of a network that cannot be meant."""
    if not isinstance(found, Mapping):
        raise TypeError("it is no JSON object")
    for key in ("model", "name", "license", "note"):
        if key in found and not (isinstance(found[key], str) and found[key]):
            raise TypeError(f"its {key!r} is {_short(found[key])}, no text")
    for key in ("model", "name"):
        if len(found.get(key, "")) > _MOST_LETTERS or not found.get(key, "").isprintable():
            raise ValueError(f"its {key!r} is {_short(found[key])}, no name")
    if found.get("size") is not None and not _is_side(found["size"]):
        raise ValueError(f"its 'size' is {_short(found['size'])}, no side in pixels")
    for key in ("mean", "std"):
        if key in found:
            _figures(key, found[key])
    _arguments(found.get("args", {}))


def _figures(key: str, values: Any) -> None:
    if (
        not isinstance(values, list)
        or len(values) != 3
        or not all(_is_number(value) for value in values)
        or (key == "std" and min(values) <= 0)
    ):
        what = "three figures above 0" if key == "std" else "three figures"
        raise ValueError(f"its {key!r} is {_short(values)}, not {what}")


def _arguments(args: Any) -> None:
    if not isinstance(args, Mapping):
        raise TypeError(f"its 'args' is {_short(args)}, no JSON object")
    for key, value in args.items():
        if key in _WORDS:
            good = isinstance(value, str) and value in _WORDS[key]
        elif key in _SIDES:
            good = _is_side(value)
        elif key in _EPSILONS:
            good = _is_number(value) and 0 < value < 1
        else:
            known = ", ".join(sorted([*_WORDS, *_SIDES, *_EPSILONS]))
            raise ValueError(f"its 'args' names {_short(key)}, which is none of {known}")
        if not good:
            raise ValueError(f"its 'args' sets {key!r} to {_short(value)}")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_side(value: Any) -> bool:
    return _is_count(value) and 1 <= value <= _MOST_SIDE


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _short(value: Any) -> str:
    said = repr(value)
    return said if len(said) <= _MOST_LETTERS else said[: _MOST_LETTERS - 1] + "…"


def _said(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, KeyError):
        return f"there is no {error}"
    return str(getattr(error, "strerror", None) or error)


def _unreadable(path: Path, error: BaseException, expected: str) -> VerificationError:
    return VerificationError(
        f"The weights file {str(path)!r} cannot be read: {_said(error)}.",
        expected=expected,
        do="Fetch or copy the file again.",
    )
