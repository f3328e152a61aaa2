"""The product: one file a verb. A step works only on what is not yet done.

Steps never import one another; they meet through the catalog and the project's `work` folder.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tellapart.catalog import Catalog
    from tellapart.recipe import Recipe
    from tellapart.settings import Settings


@dataclass(frozen=True)
class Progress:
    """How far a step is. `total` is None where it is not known."""

    step: str
    done: int
    total: int | None = None
    note: str = ""


def _silent(progress: Progress) -> None:
    """Nobody watches."""


@dataclass(frozen=True)
class StepContext:
    """What a step gets: the project's catalog, recipe and folder, and who watches."""

    settings: Settings
    catalog: Catalog
    recipe: Recipe
    #: The project's folder, `TELLAPART_HOME/projects/<name>`.
    folder: Path
    progress: Callable[[Progress], None] = _silent

    @property
    def work(self) -> Path:
        """Where steps leave what the next ones read; made on first use."""
        path = self.folder / "work"
        path.mkdir(parents=True, exist_ok=True)
        return path

    def close(self) -> None:
        """Let go of the database's connections; whoever opened the context does so."""
        self.catalog.engine.dispose()


def fingerprint(value: Any) -> str:
    """SHA-256 (hex) of a value's canonical JSON: the same for equal values on every machine."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def open_context(
    settings: Settings, name: str, progress: Callable[[Progress], None] = _silent
) -> StepContext:
    """The context of the project `name`. Raises `NotFoundError` where there is none."""
    from tellapart.catalog import Catalog
    from tellapart.recipe import check
    from tellapart.store.database import open_database

    catalog = Catalog.open(open_database(settings), name)
    return StepContext(
        settings=settings,
        catalog=catalog,
        recipe=check(catalog.recipe),
        folder=settings.projects_dir / name,
        progress=progress,
    )


def run_step(step: str, context: StepContext) -> dict[str, Any]:
    """Run the step named `step` here and now; return its summary."""
    module = importlib.import_module(f"tellapart.steps.{step}")
    result: dict[str, Any] = module.run(context)
    return result
