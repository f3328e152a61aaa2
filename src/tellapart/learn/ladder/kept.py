"""What a ladder has reached, on disk: after a kill the next run goes on with the next rung."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.errors import StorageError

#: Below a project's work folder.
FOLDER = "ladder"
_STATE = "state.json"


@dataclass
class Kept:
    """The rungs done so far for one set of pictures and settings, and the seconds they took."""

    folder: Path
    #: What the rungs depend on, but for effort and budget.
    key: str
    rungs: list[dict[str, Any]] = field(default_factory=list)
    #: Of all commands so far.
    spent: float = 0.0
    #: How tuned rungs that were begun are tuned, by their names: finished parts of one stay good.
    planned: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: For what effort, time and so on the ladder was climbed to its end, and what was said of it.
    ended: dict[str, Any] = field(default_factory=dict)
    #: Keys of the weights that each network was taken with, by its name.
    weights: dict[str, str] = field(default_factory=dict)
    #: For what ladder (`for`) how many `seconds` were put aside for its end.
    aside: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def open(cls, work: Path, key: str) -> Kept:
        """What an earlier run left for the same `key`; anything else there is dropped."""
        folder = work / FOLDER
        try:
            state = json.loads((folder / _STATE).read_bytes())
            if state["key"] == key:
                rungs = [each for each in state["rungs"] if _is_there(folder, each)]
                planned, ended = dict(state.get("planned", {})), dict(state.get("ended", {}))
                taken, aside = dict(state.get("weights", {})), dict(state.get("aside", {}))
                return cls(folder, key, rungs, float(state["spent"]), planned, ended, taken, aside)
        except (OSError, ValueError, LookupError, TypeError):
            pass
        shutil.rmtree(folder, ignore_errors=True)
        return cls(folder, key)

    def find(self, name: str) -> dict[str, Any] | None:
        """The facts of a rung that is done."""
        return next((each for each in self.rungs if each["rung"] == name), None)

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """What `add` was given for the rung `name`."""
        facts = self.find(name)
        if facts is None or not facts["file"]:
            return {}
        with np.load(self.folder / facts["file"], allow_pickle=False) as stored:
            return dict(stored)

    def add(self, facts: dict[str, Any], arrays: dict[str, NDArray[Any]] | None = None) -> None:
        """Note a rung as done, its arrays first: whole, or not at all. Raises `StorageError`."""
        file = ""
        if arrays:
            named: dict[str, Any] = dict(arrays)
            file = hashlib.sha256(str(facts["rung"]).encode()).hexdigest()[:16] + ".npz"
            self._write(file, lambda handle: np.savez(handle, **named))
        self.rungs = [each for each in self.rungs if each["rung"] != facts["rung"]]
        self.rungs.append({**facts, "file": file})
        self.note()

    def forget(self, name: str) -> None:
        """Take a rung back whose model is gone: it is climbed again, and its time is free again."""
        lost = self.find(name)
        if lost is not None:
            self.rungs = [each for each in self.rungs if each["rung"] != name]
            self.spent = max(0.0, self.spent - float(lost.get("seconds") or 0.0))
            self.ended = {}

    def take(self, weights: Mapping[str, str]) -> None:
        """Go on with these `weights`; what was made of others under the same name is forgotten."""
        for name, key in weights.items():
            if key != self.weights.get(name, key):
                for row in [row for row in self.rungs if _is_of(row, name)]:
                    self.forget(row["rung"])
                self.planned = {rung: how for rung, how in self.planned.items() if name not in rung}
                for folder in self.folder.glob(f"{name}-*/"):
                    shutil.rmtree(folder, ignore_errors=True)
        self.weights = {**self.weights, **weights}

    def note(self, spent: float | None = None) -> None:
        """Write the state, with the seconds spent so far."""
        self.spent = self.spent if spent is None else spent
        state = {
            "key": self.key,
            "spent": round(self.spent, 1),
            "rungs": self.rungs,
            "planned": self.planned,
            "ended": self.ended,
            "weights": self.weights,
            "aside": self.aside,
        }
        text = json.dumps(state, indent=1, sort_keys=True).encode()
        self._write(_STATE, lambda handle: handle.write(text))

    def _write(self, name: str, fill: Any) -> None:
        partial = ""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            number, partial = tempfile.mkstemp(dir=self.folder, prefix=".part-")
            with os.fdopen(number, "wb") as handle:
                fill(handle)
            Path(partial).replace(self.folder / name)
        except OSError as error:
            with contextlib.suppress(OSError):
                Path(partial).unlink()
            raise StorageError(
                f"{str(self.folder / name)!r} cannot be written ({error.strerror or error}).",
                expected="a folder that this user may write to, on a disk with free space",
                do="Free some space, then run the same command again: it goes on where it stopped.",
            ) from error


def networks(work: Path) -> list[dict[str, Any]]:
    """Facts of the tuned networks that the rungs of the ladder in `work` were made of.

    Whatever else is kept or dropped, these stay: nothing brings them back but hours of training.
    The graphs that join them are written anew from them.
    """
    try:
        rungs = json.loads((work / FOLDER / _STATE).read_bytes())["rungs"]
        found = [leaf for rung in rungs for leaf in _leaves(rung["model"]["backbone"])]
    except (OSError, ValueError, LookupError, TypeError):
        return []
    return [leaf for leaf in found if leaf.get("tuned")]


def _leaves(known: dict[str, Any]) -> list[dict[str, Any]]:
    parts = known.get("parts") or []
    return [leaf for part in parts for leaf in _leaves(part)] if parts else [known]


def _is_of(rung: dict[str, Any], network: str) -> bool:
    """Whether a rung was made of `network`, or of rungs that were."""
    return any(network in each for each in (rung["rung"], *rung.get("of", ())))


def _is_there(folder: Path, rung: dict[str, Any]) -> bool:
    return not rung["file"] or (folder / rung["file"]).is_file()
