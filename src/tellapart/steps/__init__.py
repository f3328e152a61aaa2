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
#: The same, while something is being trained that can be asked to end.
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
class Command:
    """What a step should know of the command that it is part of."""

    #: When it began, on the system-wide `time.monotonic` clock.
    started: float
    #: The steps it walks, in order.
    steps: tuple[str, ...]

    def after(self, step: str) -> tuple[str, ...]:
        """The steps that follow `step`; none where it is not part of the command."""
        place = self.steps.index(step) + 1 if step in self.steps else len(self.steps)
        return self.steps[place:]


@dataclass(frozen=True)
class StepContext:
    """What a step gets: the project's catalog, recipe and folder, and who watches."""

    settings: Settings
    catalog: Catalog
    recipe: Recipe
    #: The project's folder, `TELLAPART_HOME/projects/<name>`.
    folder: Path
    progress: Callable[[Progress], None] = _silent
    #: None where a step is run by itself.
    command: Command | None = None

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
        """There while a training can be asked to end; after a kill it stays until the next run."""
        return self.folder / "work" / TRAINING

    def stop_asked(self) -> bool:
        """Whether the training is to end after its batch; what it has learned is kept."""
        return self.stop_file.exists()

    def close(self) -> None:
        """Let go of the database's connections; whoever opened the context does so."""
        self.catalog.engine.dispose()


def is_long(recipe: Recipe) -> bool:
    """Whether training takes so long that it can be asked to end early: networks, ladders."""
    return recipe.model_kind == "network" or climbs(recipe) or has_stages(recipe)


def climbs(recipe: Recipe) -> bool:
    """Whether a ladder of ever dearer models of pictures is climbed."""
    return recipe.model_kind == "head" and recipe.effort != "quick" and not has_stages(recipe)


def has_stages(recipe: Recipe) -> bool:
    """Whether the recipe itself says stage by stage how a network of pictures is tuned."""
    return recipe.model_kind == "head" and bool(getattr(recipe.train, "stages", None))


def fingerprint(value: Any) -> str:
    """SHA-256 (hex) of a value's canonical JSON: the same for equal values on every machine."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def open_context(
    settings: Settings,
    name: str,
    progress: Callable[[Progress], None] = _silent,
    command: Command | None = None,
) -> StepContext:
    """The context of the project `name`.

    Raises `NotFoundError` where there is none, and where its model is to see faces and there is no
    detector.
    """
    from tellapart.catalog import Catalog
    from tellapart.recipe import check
    from tellapart.store.database import open_database

    catalog = Catalog.open(open_database(settings), name, settings.owner)
    recipe = check(catalog.recipe)
    _look_for_faces(settings, recipe)
    return StepContext(
        settings=settings,
        catalog=catalog,
        recipe=recipe,
        folder=settings.projects_dir / name,
        progress=progress,
        command=command,
    )


def _look_for_faces(settings: Settings, recipe: Recipe) -> None:
    """Where the model is to see faces, have them found. Raises what `models.provide` raises."""
    from tellapart.images import FACE_VIEWS

    if recipe.train.view in FACE_VIEWS:
        from tellapart.learn.faces.models import provide

        provide(settings)


def run_step(step: str, context: StepContext) -> dict[str, Any]:
    """Run the step named `step` here and now; return its summary."""
    module = importlib.import_module(f"tellapart.steps.{step}")
    result: dict[str, Any] = module.run(context)
    return result
