"""From what was asked to what will run, with a reason for every value."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel

from tellapart.recipe.schema import Recipe, extra_of

ASKED = "asked for"
GROUPS = ("curate", "split", "train")


def resolve(recipe: Recipe) -> tuple[Recipe, dict[str, str]]:
    """`recipe` with every value written out, and the reason for each by its path.

    What the user wrote has the reason `asked for`. `train.C: auto` stays: it is chosen by
    cross-validation once the pictures are there, and the head records the outcome.
    """
    full = Recipe.model_validate(_plain(recipe))
    reasons = dict(_reasons(recipe, ""))
    if recipe.data is not None:
        reasons["sources"] = "the data is given; nothing is searched for"
    return full, reasons


def asked(recipe: Recipe) -> dict[str, Any]:
    """Only what was written (and the name), as plain JSON; `check` reads it back.

    The name is in it because it stays, even where it was made of classes that change later.
    """
    return {"name": recipe.name, **recipe.model_dump(mode="json", exclude_unset=True)}


def with_changes(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Recipe data with `changes` taken in: groups of keys are merged, anything else replaced.

    Only `curate`, `split` and `train` are groups; `classes` are replaced as a whole.
    """
    merged = dict(values)
    for key, value in changes.items():
        old = merged.get(key)
        if key in GROUPS and isinstance(old, Mapping) and isinstance(value, Mapping):
            value = {**old, **value}
        merged[key] = value
    return merged


def canonical(recipe: Recipe) -> dict[str, Any]:
    """`recipe` as plain JSON for fingerprints and bundles: equal for recipes of equal meaning.

    Classes stand in alphabetical order. Nothing in it depends on the machine: `data` becomes
    `dataset`, which is where the bundle itself keeps the pictures, and files named in a source's
    options lose their folders.
    """
    plain = _plain(recipe)
    plain["classes"] = dict(sorted(plain["classes"].items()))
    if recipe.data is not None:
        plain["data"] = "dataset"
    plain["sources"] = [_portable(source) for source in plain["sources"]]
    plain["licenses"] = sorted(set(plain["licenses"]))
    return plain


def _plain(recipe: Recipe) -> dict[str, Any]:
    return {
        **recipe.model_dump(mode="json"),
        "sources": [{"name": s.name, "options": s.options} for s in recipe.sources],
    }


def _portable(source: dict[str, Any]) -> str | dict[str, Any]:
    options = {
        key: PurePath(value).name if isinstance(value, str) and _is_local(value) else value
        for key, value in sorted(source["options"].items())
    }
    return {source["name"]: options} if options else source["name"]


def _is_local(value: str) -> bool:
    return PurePath(value).is_absolute()


def _reasons(model: BaseModel, prefix: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, field in type(model).model_fields.items():
        value = getattr(model, key)
        if isinstance(value, BaseModel):
            found += _reasons(value, f"{prefix}{key}.")
            continue
        why = extra_of(field).get("why", "")
        found.append((prefix + key, ASKED if key in model.model_fields_set else why))
    return found
