"""A trained classifier without its backbone: what `train` leaves in the work folder."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tellapart.errors import NotFoundError, StorageError
from tellapart.learn import familiarity
from tellapart.learn.head import Head

#: `HEAD` is the truth: tensors and facts in one file, so that a kill leaves all of it or none.
#: `FACTS` holds the same facts for people to read.
HEAD, FACTS = "head.safetensors", "train.json"
_KEY = "tellapart"


@dataclass(frozen=True)
class Trained:
    """A head, its familiarity bank and what was noted while training."""

    #: In the order of the head's rows: alphabetical.
    classes: tuple[str, ...]
    #: (C, D) and (C,) float32 over raw features; the calibration's temperature is folded in.
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    #: (B, D) float32, rows of length 1.
    bank: NDArray[np.float32]
    #: Nearest rows of the bank that count for the familiarity.
    neighbours: int
    #: The familiarity below which a prediction abstains.
    min_familiarity: float
    #: (n,) uint64: the rows of the last cross-validation, one figure each; see `basis`.
    basis: NDArray[np.uint64]
    #: All of `train.json`.
    facts: dict[str, Any]
    #: Of `head.safetensors`, which holds the facts too.
    sha256: str
    #: The head of the last cross-validation, from which later ones went on.
    origin: Head

    @property
    def head(self) -> Head:
        return Head(self.weight, self.bias, self.facts["C"], self.facts["temperature"])

    def familiarity(self, features: ArrayLike) -> NDArray[np.float64]:
        """Mean cosine (n,) of raw features (n, D) with their nearest stored ones."""
        return familiarity.score(features, self.bank, self.neighbours)

    def refuses(self, features: ArrayLike) -> NDArray[np.bool_]:
        """Which rows (n,) of raw features (n, D) are none of the classes."""
        return np.asarray(self.familiarity(features) < self.min_familiarity)


def load(work: Path) -> Trained:
    """Read `head.safetensors`; `train.json` is not needed.

    Raises `NotFoundError` where it is not there or not whole.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load as unpack

    try:
        data = (work / HEAD).read_bytes()
        tensors = unpack(data)
        # The format: the header's length in 8 bytes, then the header as JSON.
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        facts = json.loads(header["__metadata__"][_KEY])
        first = [tensors.get(f"origin_{name}", tensors[name]) for name in ("weight", "bias")]
        return Trained(
            classes=tuple(facts["classes"]),
            weight=tensors["weight"],
            bias=tensors["bias"],
            bank=tensors["bank"],
            neighbours=int(facts["neighbours"]),
            min_familiarity=float(facts["thresholds"]["familiarity"]),
            basis=tensors["basis"],
            facts=facts,
            sha256=hashlib.sha256(data).hexdigest(),
            origin=Head(first[0], first[1], facts["C"], facts["temperature"]),
        )
    except (OSError, ValueError, LookupError, TypeError, SafetensorError) as error:
        raise NotFoundError(
            f"There is no trained head in {str(work)!r} ({type(error).__name__}: {error}).",
            expected=f"the file {HEAD}, which `train` writes",
            do="Run `tellapart train NAME` again.",
        ) from error


def save(
    work: Path,
    head: Head,
    bank: NDArray[np.float32],
    basis: NDArray[np.uint64],
    facts: dict[str, Any],
    origin: Head | None = None,
) -> None:
    """Write both files into `work`, each whole or not at all. Raises `StorageError`.

    `facts` are JSON-able and hold at least `classes`, `neighbours`, `thresholds.familiarity`, `C`
    and `temperature`. `origin`: the head that `head` went on from, where it did.
    """
    from safetensors.numpy import save as pack

    tensors = {"weight": head.weight, "bias": head.bias, "bank": bank, "basis": basis}
    if origin is not None:
        tensors |= {"origin_weight": origin.weight, "origin_bias": origin.bias}
    packed = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    text = json.dumps(facts, indent=2, sort_keys=True, ensure_ascii=False)
    _replace(work / HEAD, pack(packed, {_KEY: text}))
    _replace(work / FACTS, f"{text}\n".encode())


def basis(rows: Iterable[tuple[str, str]]) -> NDArray[np.uint64]:
    """One figure a picture, sorted, from its SHA-256 (hex) and label, to tell sets apart."""
    digests = (hashlib.sha256(f"{sha}\0{label}".encode()).digest() for sha, label in rows)
    return np.sort(np.array([int.from_bytes(d[:8], "little") for d in digests], dtype=np.uint64))


def _replace(path: Path, data: bytes) -> None:
    partial = ""
    try:
        handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(partial).chmod(0o644)  # temporary files are private
        Path(partial).replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            Path(partial).unlink()
        raise StorageError(
            f"{str(path)!r} cannot be written ({error.strerror or error}).",
            expected="a folder that this user may write to, on a disk with free space",
            do="Free some space, then run the same command again: it goes on where it stopped.",
        ) from error
