"""JSON files that describe a data set, read whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tellapart.errors import InputError

#: A million pictures are described in less.
_MOST = 2**30
_START = 8192

#: What a description may say of a picture beside its class, by the names that `rows.to_hit` knows.
FACTS = (
    *("split", "group", "title", "creator", "license", "license_version", "license_url"),
    *("attribution", "page_url"),
)


def read_json(path: Path) -> Any:
    """What a JSON file holds. Raises `InputError` for one that is damaged or far too large."""
    try:
        size = path.stat().st_size
        if size > _MOST:
            raise _unreadable(path, f"it has {size:,} bytes")
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, f"{type(error).__name__}: {str(error)[:200]}") from None
    except OSError as error:
        raise _unreadable(path, error.strerror or "it cannot be opened") from None


def start_of(path: Path) -> str:
    """The first characters of a text file, to tell what it may be; empty where it is none."""
    try:
        with path.open("rb") as file:
            return file.read(_START).decode("utf-8-sig", "ignore").lstrip()
    except OSError:
        return ""


def facts(given: object) -> dict[str, Any]:
    """Of a mapping, what is a fact of the picture; nothing of anything else."""
    if not isinstance(given, Mapping):
        return {}
    return {name: given[name] for name in FACTS if isinstance(given.get(name), str | int)}


def not_so(path: Path, what: str, expected: str) -> InputError:
    """Of a file or folder that is not of the format that it looks like."""
    return InputError(
        f"{str(path)!r} {what}.",
        expected=expected,
        do="Export it anew, or give the pictures as one folder a class.",
    )


def _unreadable(path: Path, why: str) -> InputError:
    return InputError(
        f"{str(path)!r} cannot be read: {why}.",
        expected="a JSON file that is whole",
        do="Export or download it again.",
    )
