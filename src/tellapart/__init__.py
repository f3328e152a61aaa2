"""Tellapart: from the things you want told apart to a verified classifier, on a CPU.

    import tellapart

    result = tellapart.make(["apple", "pear"])            # search, or
    result = tellapart.train("pictures/")                 # one folder a class, or
    result = tellapart.train("table.csv", target="kind")  # a column to foretell, or
    result = tellapart.run("network.json")                # a recipe, a network layer by layer
    tellapart.Bundle.load(result.bundle).predict("new.jpg").label

Names are loaded on first use; importing costs and changes nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tellapart.api import make, run, stop, train
    from tellapart.bundle import Bundle, Prediction
    from tellapart.bundle.verify import verify
    from tellapart.chain import ORDER
    from tellapart.errors import (
        BusyError,
        DataError,
        FetchError,
        InputError,
        Interrupted,
        MissingExtraError,
        NotFoundError,
        PictureError,
        RecipeError,
        RefusedError,
        StorageError,
        TellapartError,
        VerificationError,
    )
    from tellapart.project import Project, Result
    from tellapart.recipe import Recipe
    from tellapart.settings import Settings
    from tellapart.steps import Progress

_HOMES = {
    "api": ("make", "run", "stop", "train"),
    "bundle": ("Bundle", "Prediction", "verify"),
    "chain": ("ORDER",),
    "errors": (
        "BusyError",
        "DataError",
        "FetchError",
        "InputError",
        "Interrupted",
        "MissingExtraError",
        "NotFoundError",
        "PictureError",
        "RecipeError",
        "RefusedError",
        "StorageError",
        "TellapartError",
        "VerificationError",
    ),
    "project": ("Project", "Result"),
    "recipe": ("Recipe",),
    "settings": ("Settings",),
    "steps": ("Progress",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "ORDER",
    "Bundle",
    "BusyError",
    "DataError",
    "FetchError",
    "InputError",
    "Interrupted",
    "MissingExtraError",
    "NotFoundError",
    "PictureError",
    "Prediction",
    "Progress",
    "Project",
    "Recipe",
    "RecipeError",
    "RefusedError",
    "Result",
    "Settings",
    "StorageError",
    "TellapartError",
    "VerificationError",
    "__version__",
    "make",
    "run",
    "stop",
    "train",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        # Kept: every page's foot names it, and reading the metadata takes milliseconds.
        globals()[name] = version("tellapart")
        return globals()[name]
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'tellapart' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"tellapart.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
