"""What training a network or a table model leaves in the work folder: the answers and the facts.

`evaluate`, `compile` and `package` read it: none of them needs torch, none computes the answers
of the trained model again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tellapart.errors import NotFoundError, StorageError

#: Answers and facts in one file, so that a kill leaves all of it or none.
OUTCOME = "outcome.safetensors"
#: What else `train` leaves beside it; which of them exist depends on the kind.
NETWORK, LOOKS, TABLE = "network.safetensors", "looks.npz", "table.onnx"
#: How far the training is, for whoever looks at the folder: {loss, acc, epoch, total_epochs}.
PROGRESS = "progress.json"
#: A folder: what an unfinished training goes on from.
CHECKPOINT = "checkpoint"
_KEY = "tellapart"


@dataclass(frozen=True)
class Outcome:
    """The trained model's answers on all samples, and what was noted while training."""

    kind: Literal["network", "table"]
    #: In the order of the probabilities' columns.
    classes: tuple[str, ...]
    #: One a sample, in the order of the probabilities' rows; in the order of `Samples.ids`.
    ids: tuple[str, ...]
    #: (n, C) float32, rows sum to 1: of all samples, whatever their split.
    probabilities: NDArray[np.float32]
    #: JSON-able: fingerprint, finished, input, candidates, history, network, parameters, notes …
    facts: dict[str, Any]
    #: Of `outcome.safetensors`, which holds the facts too; empty before it is saved.
    sha256: str = ""

    @property
    def finished(self) -> bool:
        """Whether the training ran as long as it was meant to; False after a stop request."""
        return bool(self.facts.get("finished", True))


def save(work: Path, outcome: Outcome) -> None:
    """Write `outcome.safetensors` into `work`, whole or not at all. Raises `StorageError`."""
    from safetensors.numpy import save as pack

    said = {
        "kind": outcome.kind,
        "classes": outcome.classes,
        "ids": outcome.ids,
        "facts": outcome.facts,
    }
    text = json.dumps(said, sort_keys=True, ensure_ascii=False)
    array = np.ascontiguousarray(outcome.probabilities, dtype=np.float32)
    replace(work / OUTCOME, pack({"probabilities": array}, {_KEY: text}))


def load(work: Path) -> Outcome:
    """Read `outcome.safetensors`. Raises `NotFoundError` where it is not there or not whole."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as unpack

    try:
        data = (work / OUTCOME).read_bytes()
        probabilities = unpack(data)["probabilities"]
        # The format: the header's length in 8 bytes, then the header as JSON.
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        said: Mapping[str, Any] = json.loads(header["__metadata__"][_KEY])
        return Outcome(
            kind=said["kind"],
            classes=tuple(said["classes"]),
            ids=tuple(said["ids"]),
            probabilities=probabilities,
            facts=said["facts"],
            sha256=hashlib.sha256(data).hexdigest(),
        )
    except (OSError, ValueError, LookupError, TypeError, SafetensorError) as error:
        raise NotFoundError(
            f"There is no trained model in {str(work)!r} ({type(error).__name__}: {error}).",
            expected=f"the file {OUTCOME}, which `train` writes",
            do="Run `tellapart train NAME` again.",
        ) from error


def replace(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, making its folder. Raises `StorageError`."""
    partial = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
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
