"""Arrays kept in a file beside the facts that they depend on; whole or not at all."""

from __future__ import annotations

import contextlib
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FACTS = "facts"


def load(path: Path, facts: str) -> dict[str, NDArray[Any]] | None:
    """The arrays kept in `path` if they were made under the same `facts`; else None."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            if str(kept[_FACTS]) != facts:
                return None
            return {name: kept[name] for name in kept.files if name != _FACTS}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def save(path: Path, facts: str, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Keep arrays in `path`. A disk that is full only costs time later."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        try:
            with partial.open("wb") as file:
                np.savez(file, **{**arrays, _FACTS: np.array(facts)})  # type: ignore[arg-type]
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
