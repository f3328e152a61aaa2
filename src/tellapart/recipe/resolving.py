"""From what was asked to what will run, with a reason for every value."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel

from tellapart.recipe.groups import Curate
from tellapart.recipe.schema import Recipe, extra_of
from tellapart.recipe.training import (
    CHOOSING_KEYS,
    FORMAT_KEYS,
    HEAD_KEYS,
    NETWORK_KEYS,
    SHARED_KEYS,
    TUNED_KEYS,
    Train,
)

ASKED = "asked for"
GROUPS = ("curate", "split", "train", "compile")


def resolve(recipe: Recipe) -> tuple[Recipe, dict[str, str]]:
    """`recipe` with every value written out, and the reason for each by its path.

    What the user wrote has the reason `asked for`. `train.C: auto` stays: it is chosen by
    cross-validation once the pictures are there, and the head records the outcome.
    """
    full = Recipe.model_validate(_plain(recipe))
    unsaid = silent(recipe)
    reasons = {k: why for k, why in _reasons(recipe, "") if k not in unsaid}
    if recipe.data is not None and "sources" in reasons:
        reasons["sources"] = "the data is given; nothing is searched for"
    if recipe.most_per_class != recipe.per_class:
        reasons["per_class"] = "collecting ends when there are enough; most things need fewer"
    if recipe.model_kind == "network" and reasons.get("effort") != ASKED:
        reasons["effort"] = "a network is trained"
    elif recipe.tuned and reasons.get("effort") != ASKED:
        what = "stages" if recipe.train.stages else "a budget"
        reasons["effort"] = f"{what} {'are' if recipe.train.stages else 'is'} asked for"
    if recipe.train.backbone == "auto":
        reasons["train.backbone"] = "the best of those at hand, as the ladder finds out"
    return full, reasons


def asked(recipe: Recipe) -> dict[str, Any]:
    """Only what was written (and the name), as plain JSON; `check` reads it back.

    The name is in it because it stays, even where it was made of classes that change later.
    """
    plain = {"name": recipe.name, **recipe.model_dump(mode="json", exclude_unset=True)}
    return {**plain, **_data(recipe)}


def with_changes(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Recipe data with `changes` taken in: groups of keys are merged, anything else replaced.

    Only `curate`, `split`, `train` and `compile` are groups; `classes` are replaced as a whole.
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
        plain["data"] = "dataset.csv" if recipe.data_kind == "table" else "dataset"
    plain.update(_data(recipe))
    plain["sources"] = [_portable(source) for source in plain["sources"]]
    plain["licenses"] = sorted(set(plain["licenses"]))
    if isinstance(recipe.train.weights, PurePath):
        plain["train"]["weights"] = recipe.train.weights.name
    for path in silent(recipe):
        group, _, key = path.rpartition(".")
        (plain[group] if group else plain).pop(key, None)
    for group in GROUPS:
        if not plain[group]:
            del plain[group]
    return plain


def silent(recipe: Recipe) -> frozenset[str]:
    """Paths of the keys that mean nothing for this kind of recipe.

    They are left out of what is shown, stored in bundles and fingerprinted, so that a key made
    for networks changes nothing for a linear head.
    """
    found = {"dataset", "from_project", "recipe"}
    unsaid = ("title", "notes", "layers", "without", "ignore_robots")
    found.update(key for key in unsaid if not getattr(recipe, key))
    if recipe.enough is None:
        found.add("enough")
    if recipe.rules is None:
        found.add("rules")
    # Unwritten, they are left out: old recipes are described as before there were any.
    curate = recipe.curate
    for key in ("features", "near_duplicate_likeness"):
        if getattr(curate, key) == type(curate).model_fields[key].default:
            found.add(f"curate.{key}")
    dead = {
        "head": _dead_of_head(recipe),
        "network": HEAD_KEYS | TUNED_KEYS,
        "table": frozenset(Train.model_fields),
    }
    found.update(f"train.{key}" for key in dead[recipe.model_kind])
    if recipe.budget == "auto" and (not recipe.tuned or recipe.train.stages):
        found.add("budget")
    if recipe.model_kind != "network":
        found.update(("input", "layers"))
    if recipe.model_kind == "head":
        found.update(("target", *(f"compile.{key}" for key in FORMAT_KEYS)))
        if recipe.compile.int8 == "auto" and not recipe.quantized:
            # Unwritten, it is left out: a quick head is described as before there was any.
            found.add("compile.int8")
        return frozenset(found)
    found.add("compile.int8")
    if recipe.data_kind != "table" or recipe.dataset is not None:
        found.add("target")
    if not recipe.classes:
        found.update(("classes", "sources", "per_class", "licenses", "mature", "without", "enough"))
    if recipe.data_kind != "pictures":
        found.update(f"curate.{key}" for key in Curate.model_fields)
        found.update(("train.view", "split.scene_cosine"))
    return frozenset(found)


def _dead_of_head(recipe: Recipe) -> frozenset[str]:
    """Keys of `train` without meaning for pictures without layers."""
    if not recipe.tuned:
        # Unwritten, they are left out: a quick head is described as before there were any.
        unsaid = {k for k in ("weights", "size", "mirror") if getattr(recipe.train, k) == "auto"}
        return NETWORK_KEYS | TUNED_KEYS | unsaid
    own = NETWORK_KEYS - SHARED_KEYS
    return own | ({"C"} if recipe.train.stages else {"head", "stages"} | CHOOSING_KEYS)


def _data(recipe: Recipe) -> dict[str, str]:
    """`data` as it is written where it is no path."""
    if recipe.dataset is not None:
        return {"data": recipe.dataset}
    return {"data": f"project:{recipe.from_project}"} if recipe.from_project is not None else {}


def _plain(recipe: Recipe) -> dict[str, Any]:
    return {
        **recipe.model_dump(mode="json"),
        "per_class": recipe.most_per_class,
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
