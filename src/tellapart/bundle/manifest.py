"""`manifest.json`: what a bundle says about itself, checked without any library."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: The bundle format this program writes, and the newest it reads.
FORMAT = 1
VIEWS = ("squash", "crop", "pad")
#: How far a probability may be from the training model's, and a golden picture's from its own.
TOLERANCE = 1e-3
NEWER = "a newer Tellapart is needed (pip install --upgrade tellapart)"


@dataclass(frozen=True)
class Golden:
    """A picture in the bundle and the probabilities it must get, in the order of the labels."""

    file: str
    probabilities: tuple[float, ...]
    familiarity: float


@dataclass(frozen=True)
class Manifest:
    """The part of `manifest.json` that running the model needs; `raw` holds all of it."""

    name: str
    version: int
    labels: tuple[str, ...]
    #: Side in pixels of the square that the model sees, and how a picture is brought to it.
    size: int
    view: str
    #: Below these a prediction abstains; None: never.
    min_familiarity: float | None
    min_probability: float | None
    golden: tuple[Golden, ...]
    raw: Mapping[str, Any]

    @classmethod
    def parse(cls, data: bytes) -> tuple[Manifest | None, list[str]]:
        """Read and check `manifest.json`: the manifest, or None and every problem in it."""
        try:
            raw = json.loads(data)
        except (ValueError, RecursionError) as error:
            return None, [f"manifest.json is not JSON ({error})"]
        if not isinstance(raw, dict):
            return None, ["manifest.json is not an object"]
        form = raw.get("format")
        if isinstance(form, int) and not isinstance(form, bool) and form > FORMAT:
            newer = f"it has format {form}, and this program reads formats up to {FORMAT}: "
            return None, [newer + NEWER]
        problems = _problems(raw)
        if problems:
            return None, problems
        return (
            cls(
                name=raw["name"],
                version=raw["version"],
                labels=tuple(raw["labels"]),
                size=raw["input"]["size"],
                view=raw["input"]["view"],
                min_familiarity=raw["thresholds"]["familiarity"],
                min_probability=raw["thresholds"]["probability"],
                golden=tuple(
                    Golden(g["file"], tuple(map(float, g["probabilities"])), g["familiarity"])
                    for g in raw["golden"]
                ),
                raw=raw,
            ),
            [],
        )


def _whole(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _problems(raw: Mapping[str, Any]) -> list[str]:
    """What is wrong with a manifest of format 1."""
    found: list[str] = []

    def check(good: bool, key: str, expected: str) -> None:
        if not good:
            found.append(f"manifest.json: `{key}` is not {expected}")

    check(_whole(raw.get("format"), 1, FORMAT), "format", f"a whole number up to {FORMAT}")
    check(isinstance(raw.get("name"), str) and bool(raw["name"]), "name", "a word")
    check(_whole(raw.get("version"), 1, 2**31), "version", "a whole number from 1 up")
    labels = raw.get("labels")
    if not (isinstance(labels, list) and all(isinstance(n, str) and n for n in labels)):
        labels = []
    check(1 < len(labels) == len(set(labels)), "labels", "two or more different words")
    given = raw.get("input")
    given = given if isinstance(given, dict) else {}
    check(_whole(given.get("size"), 1, 4096), "input.size", "a whole number of pixels")
    check(given.get("view") in VIEWS, "input.view", "one of " + ", ".join(VIEWS))
    thresholds = raw.get("thresholds")
    for key in ("familiarity", "probability"):
        value = thresholds.get(key, "") if isinstance(thresholds, dict) else ""
        check(value is None or _number(value), f"thresholds.{key}", "a number or null")
    golden = raw.get("golden")
    check(isinstance(golden, list) and bool(golden), "golden", "a list of pictures")
    for index, item in enumerate(golden if isinstance(golden, list) else []):
        item = item if isinstance(item, dict) else {}
        odds = item.get("probabilities")
        good = isinstance(odds, list) and len(odds) == len(labels) and all(map(_number, odds))
        check(good, f"golden[{index}].probabilities", "one number a label")
        check(isinstance(item.get("file"), str), f"golden[{index}].file", "a name")
        check(_number(item.get("familiarity")), f"golden[{index}].familiarity", "a number")
    return found


def to_json(value: Any) -> bytes:
    """JSON as bundles hold it: UTF-8, sorted keys, one trailing newline, no NaN."""
    text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


def sums_text(sums: Mapping[str, str]) -> bytes:
    """The text of SHA256SUMS (as `sha256sum --check` reads it) for SHA-256 by name."""
    return "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode()


def read_sums(data: bytes) -> tuple[dict[str, str], list[str]]:
    """SHA-256 by name out of SHA256SUMS, and the problems in it."""
    sums: dict[str, str] = {}
    try:
        lines = data.decode().split("\n")
    except UnicodeDecodeError:
        return {}, ["SHA256SUMS is not UTF-8 text"]
    for number, line in enumerate(lines[:-1], 1):
        digest, gap, name = line[:64], line[64:66], line[66:]
        if gap != "  " or not name or name in sums or set(digest) - set("0123456789abcdef"):
            return {}, [f"SHA256SUMS: line {number} is not a sum and a name"]
        sums[name] = digest
    return sums, [] if lines[-1] == "" and sums else ["SHA256SUMS is cut off or empty"]


def sha256(data: bytes) -> str:
    """SHA-256 of `data` in hex."""
    return hashlib.sha256(data).hexdigest()
