"""What every evaluation writes and looks up: files with their digests, plots, earlier notes."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tellapart.errors import StorageError
from tellapart.steps import StepContext

METRICS, REPORT, PUBLIC_REPORT, PLOTS = (
    "metrics.json",
    "report.html",
    "report-public.html",
    "plots",
)
#: What the system says of a disk without room.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def is_there(context: StepContext, done: dict[str, Any]) -> bool:
    """Whether the files are those that the stored result tells of."""
    return all(sha256(context.work / name) == digest for name, digest in done["files"].items())


def sha256(path: Path) -> str:
    """Of a file's bytes (hex); empty where there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def earlier_notes(context: StepContext) -> list[str]:
    """What the steps before this one want a person to know, each once."""
    notes: dict[str, None] = {}
    for step in ("collect", "curate", "split", "train"):
        for note in (context.catalog.finished(step) or {}).get("notes", ()):
            notes.setdefault(str(note))
    return list(notes)


def plots(
    context: StepContext, write: Callable[[Path, Path], Sequence[Path]]
) -> tuple[list[str], list[str]]:
    """The names of the plots that `write(folder, cache_dir)` wrote, and notes on failure."""
    try:
        written = write(context.work / PLOTS, context.settings.cache_dir)
    except OSError as error:
        if error.errno not in _FULL:
            return [], [f"The plots could not be drawn: {error}"]
        raise StorageError(
            f"The plots cannot be written to {str(context.work / PLOTS)!r} ({error.strerror}).",
            expected="free space on the disk that holds it",
            do="Free some space, then run the same command again: it goes on where it stopped.",
        ) from error
    except Exception as error:  # a plot that cannot be drawn never fails a run
        return [], [f"The plots could not be drawn: {type(error).__name__}: {error}"]
    return [f"{PLOTS}/{path.name}" for path in written], []
