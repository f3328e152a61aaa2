"""`manifest.json`: what a bundle says about itself, checked without any library."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tellapart.bundle.wellformed import COLORS, FORMAT, HEAD_FORMAT, TASKS, VIEWS, problems

__all__ = [
    "COLORS",
    "FORMAT",
    "HEAD_FORMAT",
    "HEAD_OUTPUTS",
    "NEWER",
    "TASKS",
    "TOLERANCE",
    "VIEWS",
    "Golden",
    "Manifest",
    "PictureInput",
    "RowInput",
    "read_sums",
    "sha256",
    "sums_text",
    "to_json",
]

#: How far a probability may be from the training model's, and a golden example's from its own.
TOLERANCE = 1e-3
NEWER = "a newer Tellapart is needed (pip install --upgrade tellapart)"
#: What a head on pictures gives, where the manifest does not say.
HEAD_OUTPUTS = ("logits", "probabilities", "features", "familiarity", "map")


@dataclass(frozen=True)
class PictureInput:
    """How a picture is brought to what the model sees: uint8, N×height×width×(3 or 1)."""

    #: (height, width) in pixels.
    size: tuple[int, int]
    view: str = "squash"
    color: str = "RGB"


@dataclass(frozen=True)
class RowInput:
    """The columns that the model sees, in its order: `tables.Schema` reads them."""

    #: Each a dict with `name` and `kind`, as `tables.Column` writes itself.
    columns: tuple[Mapping[str, Any], ...]
    #: The column that held the answer; ignored where rows have it.
    target: str = ""
    #: Columns of the training table that tell nothing: ignored too.
    left_out: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column["name"] for column in self.columns)


@dataclass(frozen=True)
class Golden:
    """An example and the probabilities it must get, in the order of the labels."""

    #: A picture in the bundle; empty: it is the `row`.
    file: str
    probabilities: tuple[float, ...]
    #: None where the model gives no familiarity.
    familiarity: float | None = None
    #: Cells by column; a missing one is None.
    row: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Manifest:
    """The part of `manifest.json` that running the model needs; `raw` holds all of it."""

    name: str
    version: int
    labels: tuple[str, ...]
    input: PictureInput | RowInput
    #: Names of the model's outputs; `probabilities` is always one of them.
    outputs: tuple[str, ...]
    #: Below these a prediction abstains; None: never.
    min_familiarity: float | None
    min_probability: float | None
    golden: tuple[Golden, ...]
    #: False: training was stopped before its end.
    finished: bool
    raw: Mapping[str, Any]

    @property
    def picture(self) -> PictureInput | None:
        """How pictures are prepared; None where the model takes rows."""
        return self.input if isinstance(self.input, PictureInput) else None

    @property
    def rows(self) -> RowInput | None:
        """The columns of the rows; None where the model takes pictures."""
        return self.input if isinstance(self.input, RowInput) else None

    def abstains(self, probability: float, familiarity: float | None) -> bool:
        """Whether the likeliest class, of this probability, is not to be believed."""
        least, sure = self.min_familiarity, self.min_probability
        unlike = least is not None and familiarity is not None and familiarity < least
        return unlike or (sure is not None and probability < sure)

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
        found = problems(raw)
        if found:
            return None, found
        return (
            cls(
                name=raw["name"],
                version=raw["version"],
                labels=tuple(raw["labels"]),
                input=_input(raw),
                outputs=tuple(raw.get("outputs", HEAD_OUTPUTS)),
                min_familiarity=raw["thresholds"]["familiarity"],
                min_probability=raw["thresholds"]["probability"],
                golden=tuple(map(_golden, raw["golden"])),
                finished=raw.get("finished") is not False,
                raw=raw,
            ),
            [],
        )


def _input(raw: Mapping[str, Any]) -> PictureInput | RowInput:
    given = raw["input"]
    if given.get("kind") == "row":
        left_out = tuple(given.get("left_out", ()))
        return RowInput(tuple(given["columns"]), given.get("target", ""), left_out)
    size = given["size"]
    both = (size, size) if isinstance(size, int) else (size[0], size[1])
    color = given["color"] if raw["format"] != HEAD_FORMAT else "RGB"
    return PictureInput(both, given["view"], color)


def _golden(item: Mapping[str, Any]) -> Golden:
    return Golden(
        item.get("file", ""),
        tuple(map(float, item["probabilities"])),
        item.get("familiarity"),
        item.get("row"),
    )


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
