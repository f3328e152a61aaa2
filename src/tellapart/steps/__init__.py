"""The product: one file a verb. A step works only on what is not yet done.

Steps never import one another; they meet through the catalog and the project's `work` folder.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tellapart.catalog import Catalog
    from tellapart.recipe import Recipe
    from tellapart.settings import Settings


#: Name of the file, in a project's `work` folder, that asks its training to end.
STOP = "stop"
#: The same, while a network is being trained: that can be asked to end.
TRAINING = "training"


@dataclass(frozen=True)
class Progress:
    """How far a step is. `total` is None where it is not known."""

    step: str
    done: int
    total: int | None = None
    note: str = ""
    #: A turning point of a network's run: `built`, `trained` or `compiled`; else empty.
    signal: str = ""
    #: What goes with a signal or with the end of an epoch, JSON-able: loss, accuracy, …
    figures: Mapping[str, Any] | None = None


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

    @property
    def stop_file(self) -> Path:
        """Whoever makes this file asks a training to end after its batch."""
        return self.folder / "work" / STOP

    @property
    def training_file(self) -> Path:
        """There while a network trains; after a kill it stays until the project is run again."""
        return self.folder / "work" / TRAINING

    def stop_asked(self) -> bool:
        """Whether the training is to end after its batch; what it has learned is kept."""
        return self.stop_file.exists()

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
