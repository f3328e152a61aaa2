"""Recipes that come with the program, to start from."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

#: Groups of keys that are merged; anything else replaces.
_GROUPS = ("curate", "split", "train", "compile")


def text(name: str) -> str:
    """The file of the shipped recipe `name`, as written. Raises `KeyError` for another name."""
    if name not in names():
        raise KeyError(name)
    return (resources.files(__package__) / f"{name}.yaml").read_text(encoding="utf-8")


@cache
def names() -> tuple[str, ...]:
    """All of them, in alphabetical order."""
    files = resources.files(__package__).iterdir()
    return tuple(sorted(f.name[: -len(".yaml")] for f in files if f.name.endswith(".yaml")))


def start_from(name: str, written: Mapping[Any, Any]) -> dict[Any, Any]:
    """The shipped recipe's keys with those `written` taken in: they replace its own."""
    merged: dict[Any, Any] = dict(_read(name))
    for key, value in written.items():
        own = merged.get(key)
        if key in _GROUPS and isinstance(own, Mapping) and isinstance(value, Mapping):
            value = {**own, **value}
        elif key == "notes" and isinstance(own, list) and isinstance(value, list | tuple):
            value = [*own, *(note for note in value if note not in own)]
        merged[key] = value
    return merged


@cache
def _read(name: str) -> Mapping[str, Any]:
    import yaml

    values: dict[str, Any] = yaml.safe_load(text(name))
    return values
