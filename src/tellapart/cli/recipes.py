"""Verbs on recipe files: schema, check."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Annotated, Any

import typer

from tellapart.cli.console import emit, table, write
from tellapart.cli.options import Json


def schema() -> None:
    """Print the JSON Schema of a recipe: every key, its meaning and its limits."""
    from tellapart.recipe import schema as recipe_schema

    write(jsonlib.dumps(recipe_schema(), indent=2))


def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A recipe: YAML or JSON.")],
    json: Json = False,
) -> None:
    """Check a recipe and print what would run, with the reason for each value."""
    from tellapart import registry
    from tellapart.recipe import canonical, read, resolve

    recipe, reasons = resolve(read(file, sources=registry.names("source")))
    values = canonical(recipe)
    if recipe.data is not None:
        values["data"] = str(recipe.data)
    if json:
        emit({"recipe": values, "reasons": reasons})
        return
    rows = [(path, _short(_at(values, path)), f"# {why}") for path, why in reasons.items()]
    write(table(rows))


def _at(values: Any, path: str) -> Any:
    for key in path.split("."):
        values = values[key]
    return values


def _short(value: Any) -> str:
    if isinstance(value, dict):
        value = list(value)
    text = jsonlib.dumps(value, ensure_ascii=False)
    return text if len(text) <= 48 else f"{text[:47]}…"
