"""Write the reference pages that are made from the code: `python docs/generate.py`.

A test fails where a page is not what this writes, so neither can fall behind.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tellapart.recipe.schema import Curate, Recipe, Split, Train, extra_of
from tellapart.settings import Settings

HERE = Path(__file__).resolve().parent


def settings_page() -> str:
    """`docs/settings.md`: one row an environment variable."""
    rows = [
        f"| `{field.metadata['env']}` | {field.metadata['doc']} | {_default(field)} |"
        for field in fields(Settings)
    ]
    return "\n".join(
        [
            "# Settings",
            "",
            "What differs between machines is set by environment variables, read where a process",
            "starts. What belongs to one project stands in its [recipe](recipe.md). A value of the",
            "wrong kind is an error that names the variable.",
            "",
            "| variable | meaning | default |",
            "|---|---|---|",
            *rows,
            "| `TELLAPART_DEBUG` | 1: show the traceback of an unforeseen error. | off |",
            "",
            "`tellapart path` prints `TELLAPART_HOME`; `tellapart doctor` checks that it works.",
            "",
        ]
    )


def recipe_page() -> str:
    """`docs/recipe.md`: one row a key, with its default and the reason for it."""
    lines = [
        "# Recipes",
        "",
        "A recipe says what to tell apart and how: YAML or JSON. `tellapart run RECIPE` runs it,",
        "`tellapart recipe check FILE` lists all its problems at once, or what would run and why,",
        "`tellapart recipe schema` prints its JSON Schema for editors. The smallest one:",
        "",
        "```yaml",
        "classes: [apple, pear]",
        "```",
        "",
        "Every key may be left out or written `auto`: the value below is taken then. Class names",
        "are taken as written, `yes`, `no` and `1.10` too. Paths count from the recipe's folder.",
        "",
    ]
    parts: list[tuple[str, str, type[BaseModel]]] = [
        ("Top level", "", Recipe),
        ("curate", "curate.", Curate),
        ("split", "split.", Split),
        ("train", "train.", Train),
    ]
    for title, prefix, part in parts:
        heading = title if not prefix else f"`{title}`"
        lines += [f"## {heading}", "", "| key | meaning | allowed | default, and why |"]
        lines += ["|---|---|---|---|"]
        for key, field in part.model_fields.items():
            words = extra_of(field)
            default = _shown(field.get_default(call_default_factory=True), field.is_required())
            why = f"{default}: {words['why']}" if default else words["why"]
            lines.append(f"| `{prefix}{key}` | {field.description} | {words['expected']} | {why} |")
        lines.append("")
    return "\n".join(lines)


def _default(field: Field[Any]) -> str:
    if field.default is MISSING:
        return "the platform's folder for user data"
    if field.default in (None, (), ""):
        return "none"
    number = isinstance(field.default, bool | int | float)
    return f"`{field.default:g}`" if number else f"`{field.default}`"


def _shown(value: Any, required: bool) -> str:
    if required:
        return ""
    if isinstance(value, BaseModel):
        return "see below"
    if isinstance(value, dict):
        return "none"
    if isinstance(value, tuple):
        return f"`[{', '.join(getattr(item, 'name', item) for item in value)}]`"
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value)}`"


PAGES = {"settings.md": settings_page, "recipe.md": recipe_page}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8")
