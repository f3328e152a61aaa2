"""The shortest way: one call from words, a folder or a recipe to a verified bundle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tellapart import registry
from tellapart.project import Project, Result
from tellapart.recipe import Recipe, check
from tellapart.settings import Settings
from tellapart.steps import Progress
from tellapart.steps.collect import find_format

Watcher = Callable[[Progress], None]


def run(
    recipe: Recipe,
    *,
    out: str | Path | None = None,
    settings: Settings | None = None,
    progress: Watcher | None = None,
    spawn: bool = True,
) -> Result:
    """Make or continue the project of `recipe` and walk the whole chain.

    `out`: where to copy the bundle (folder or file). `progress` is called with `Progress`
    events. Raises the errors of the steps, all of them `TellapartError`.
    """
    if recipe.data is not None:
        find_format(Path(recipe.data))  # before a project of that name is made
    return Project.create(recipe, settings).run(out=out, progress=progress, spawn=spawn)


def make(
    words: Sequence[str],
    *,
    name: str | None = None,
    out: str | Path | None = None,
    settings: Settings | None = None,
    progress: Watcher | None = None,
    **options: Any,
) -> Result:
    """Collect pictures of each word, train, and return a verified bundle.

    `options` are keys of a recipe, such as `per_class=100`, `sources=["openverse"]`, `seed=0`,
    `effort="quick"`, `licenses=["cc0"]`. Raises `RecipeError` for a wrong one, else the errors
    of the steps.
    """
    recipe = _checked(classes=list(words), name=name, **options)
    return run(recipe, out=out, settings=settings, progress=progress)


def train(
    path: str | Path,
    *,
    name: str | None = None,
    out: str | Path | None = None,
    settings: Settings | None = None,
    progress: Watcher | None = None,
    **options: Any,
) -> Result:
    """Train on a labelled folder (one sub-folder a class) or CSV; return a verified bundle.

    The pictures are referenced in place. `options` as for `make`.
    """
    recipe = _checked(data=str(Path(path).absolute()), name=name, **options)
    return run(recipe, out=out, settings=settings, progress=progress)


def _checked(**values: Any) -> Recipe:
    given = {key: list(v) if isinstance(v, tuple) else v for key, v in values.items()}
    given = {key: value for key, value in given.items() if value is not None}
    return check(given, sources=registry.names("source"))
