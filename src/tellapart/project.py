"""A project: what to tell apart, its pictures with their origin, its trained versions."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tellapart import chain
from tellapart.errors import BusyError, InputError, NotFoundError, StorageError
from tellapart.settings import Settings
from tellapart.steps import Progress, StepContext, open_context

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from tellapart.bundle import Bundle
    from tellapart.bundle.predictor import Picture
    from tellapart.catalog import PictureRow, Version
    from tellapart.forgetting import Certificate
    from tellapart.recipe import Recipe
    from tellapart.steps.explaining import Explanation
    from tellapart.steps.labelling import Written
    from tellapart.steps.workbench import Workbench

Watcher = Callable[[Progress], None]


@dataclass(frozen=True)
class Result:
    """What one run through the chain gave."""

    name: str
    version: int
    #: The bundle's zip: data set, model, report.
    bundle: Path
    #: Counts: `found`, `kept`, `set_aside`, and more by class and reason.
    pictures: dict[str, Any]
    #: Seconds by step, and `total`.
    seconds: dict[str, float]
    #: On the untouched test pictures: `accuracy`, `low`, `high`, `baseline`, `n`, …
    metrics: dict[str, Any]
    #: What a person should know, in plain words.
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, the last line of `--json`."""
        return {**asdict(self), "bundle": str(self.bundle)}


class Project:
    """One project in `TELLAPART_HOME`, with one method per step of the chain.

    Every step may be run again and works only on what is not done yet.
    """

    def __init__(self, name: str, settings: Settings, engine: Engine) -> None:
        from tellapart.catalog import Catalog

        self.name = name
        self.settings = settings
        self._engine = engine
        self._catalog = Catalog.open(engine, name, settings.owner)

    # -- finding and making ---------------------------------------------------------------

    @classmethod
    def open(cls, name: str, settings: Settings | None = None) -> Project:
        """The project called `name`. Raises `NotFoundError` where there is none."""
        from tellapart.store.database import exists, open_database

        settings = settings or Settings.from_env()
        if not exists(settings):
            # To look for a project is no reason to make a home.
            raise NotFoundError(
                f"There is no project {name!r}, nor any other in {str(settings.home)!r}.",
                expected="the name of a project made before",
                do="Make one, such as `tellapart make apple pear`, or check TELLAPART_HOME.",
            )
        return cls(name, settings, open_database(settings))

    @classmethod
    def create(cls, recipe: Recipe, settings: Settings | None = None) -> Project:
        """Make the project of `recipe`, or take what it asks for into the one of that name.

        What the recipe does not write stays as the project has it, such as a threshold changed
        since. Raises `InputError` where the name belongs to a project of other data,
        `RecipeError` where the two contradict each other; nothing is changed then.
        """
        from tellapart.catalog import Catalog
        from tellapart.recipe import asked
        from tellapart.store.database import open_database

        settings = settings or Settings.from_env()
        engine = open_database(settings)
        written = asked(recipe)
        if recipe.name in Catalog.names(engine, settings.owner):
            project = cls(recipe.name, settings, engine)
            _same_data(recipe, project.recipe)
            project.update(written)
        else:
            Catalog.create(engine, recipe.name, written, settings.owner)
            project = cls(recipe.name, settings, engine)
        project.folder.mkdir(parents=True, exist_ok=True)
        return project

    @classmethod
    def names(cls, settings: Settings | None = None) -> list[str]:
        """The names of the projects, sorted."""
        from tellapart.catalog import Catalog
        from tellapart.store.database import exists, open_database

        settings = settings or Settings.from_env()
        if not exists(settings):
            return []
        engine = open_database(settings)
        try:
            return Catalog.names(engine, settings.owner)
        finally:
            engine.dispose()

    def close(self) -> None:
        """Let go of the database's connections; a `with` block does. Use opens them again."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def delete(self) -> None:
        """Forget the project: its ledger rows, work, bundles, and the pictures only it had fetched.

        Folders given as data stay. Raises `BusyError` where a process works on it.
        """
        with self._lock():
            fetched = {row.sha256 for row in self.pictures() if row.sha256 and not row.path}
            self._catalog.delete(self._engine, self.name, self.settings.owner)
            shutil.rmtree(self.folder, ignore_errors=True)
        self._drop_files(fetched)

    # -- the chain --------------------------------------------------------------------------

    def run(
        self,
        upto: str = chain.ORDER[-1],
        *,
        out: str | Path | None = None,
        progress: Watcher | None = None,
        spawn: bool = True,
    ) -> Result:
        """Walk the chain up to a step; with `out`, copy the bundle there (folder or file).

        Raises what the steps raise; `Interrupted` on Ctrl-C. The same call goes on.
        """
        target = None if out is None else _writable(Path(out))
        summaries, seconds = self._walk(chain.plan(upto), progress, spawn)
        return self._result(summaries, seconds, target)

    def collect(self, progress: Watcher | None = None) -> dict[str, Any]:
        """Find and fetch pictures until each class has its number; ledger rows for all."""
        return self._step("collect", progress)

    def curate(self, progress: Watcher | None = None) -> dict[str, Any]:
        """Measure the pictures, then keep or set aside each with a reason."""
        return self._step("curate", progress)

    def split(self, progress: Watcher | None = None) -> dict[str, Any]:
        """Deal the kept pictures into train, validation and test, group by group."""
        return self._step("split", progress)

    def train(self, progress: Watcher | None = None) -> dict[str, Any]:
        """Fit the head on the training pictures' features."""
        return self._step("train", progress)

    def evaluate(self, progress: Watcher | None = None) -> dict[str, Any]:
        """Measure on the untouched test pictures; write metrics, plots and report."""
        return self._step("evaluate", progress)

    def compile(self, progress: Watcher | None = None) -> dict[str, Any]:
        """Make the ONNX model and prove that it answers as the trained one."""
        return self._step("compile", progress)

    def package(self, progress: Watcher | None = None) -> dict[str, Any]:
        """Write the bundle and verify it."""
        return self._step("package", progress)

    def context(self, progress: Watcher | None = None) -> StepContext:
        """What a step of this project gets."""
        if progress is None:
            return open_context(self.settings, self.name)
        return open_context(self.settings, self.name, progress)

    # -- looking and overruling -------------------------------------------------------------

    @property
    def folder(self) -> Path:
        """`TELLAPART_HOME/projects/<name>`; of an account, below `accounts/<owner>`."""
        return self.settings.projects_dir / self.name

    @property
    def recipe(self) -> Recipe:
        """What was asked for."""
        from tellapart.recipe import check

        return check(self._catalog.recipe)

    def update(self, changes: dict[str, Any], *, base: Path | None = None) -> Recipe:
        """Change keys of the recipe, nested ones as nested dicts; return the new recipe.

        `auto` gives a key back to its default; relative paths count from `base` (default: the
        current folder). Raises `RecipeError` and changes nothing where the
        outcome is not a valid recipe.
        """
        from tellapart.recipe import asked, check, with_changes

        stored = self._catalog.recipe
        recipe = check(with_changes(stored, changes), base=base)
        if asked(recipe) != stored:
            self._catalog.save_recipe(asked(recipe))
        return recipe

    def pictures(self, **conditions: Any) -> list[PictureRow]:
        """Ledger rows with verdict and split; conditions: `label status kept split`."""
        return self._catalog.pictures(**conditions)

    def each_picture(self) -> Iterator[PictureRow]:
        """The same rows as `pictures()`, one after the other: of very many, only a few are in
        memory."""
        from tellapart.catalog.looking import every

        return every(self._catalog)

    def counts(self) -> dict[str, Any]:
        """How many were found, kept and set aside, by class and reason."""
        if self.recipe.data_kind == "arrays":
            return self._steps_counts()
        return self._catalog.counts()

    def overrule(self, picture: str, keep: bool | None) -> None:
        """Keep or drop a picture whatever the rules say; None gives it back to the rules.

        Raises `NotFoundError` for an unknown id. Takes effect with the next `curate`.
        """
        self._catalog.overrule(picture, keep)

    def relabel(self, picture: str, label: str) -> None:
        """Move a picture to another class that the project has.

        Raises `NotFoundError` for an unknown id, `InputError` for an unknown class.
        """
        from tellapart.recipe import guess

        classes = sorted({*self.recipe.labels} or {row.label for row in self.pictures()} - {""})
        if label not in classes:
            near = guess(label, classes)
            raise InputError(
                f"The project {self.name!r} has no class {label!r}.",
                expected=f"one of {', '.join(classes)}",
                do=f"Did you mean {near!r}?" if near else "Name one of these classes.",
            )
        self._catalog.relabel(picture, label)

    @property
    def workbench(self) -> Workbench:
        """Clusters, groups, doubts, slices, shortcuts, differences; acts that can be undone."""
        from tellapart.steps.workbench import Workbench

        return Workbench(self._catalog, self.context)

    def source_quality(self) -> dict[str, Any]:
        """Shares of pictures that do not show their class: of all, by source, query and rank.

        Each with a 90 % interval, estimated from what the last curation measured; nothing where
        the project is not curated.
        """
        from tellapart.steps.weigh import quality

        context = self.context()
        try:
            return quality(context)
        finally:
            context.close()

    def forget(self, picture: str) -> Certificate:
        """Remove a picture (id, SHA-256, address or a file's path) from all projects of the owner.

        Everything that had it goes: see `tellapart.forgetting`. Raises `NotFoundError`,
        `BusyError` where a process works on a project that has it.
        """
        from tellapart.forgetting import Asked, forget

        asked = Asked("picture", picture)
        return forget(self.settings, self._engine, asked, owner=self.settings.owner)

    def write_labels(
        self, target: str | Path, *, bars: bool = False, attributes: bool = False
    ) -> Written:
        """Write `path,label` as a list, or the older catalog where `target` is called `.sqlite`.

        `bars`: in the older program's dialect; `attributes`: estimated ages and sexes go into the
        catalog. Raises `InputError` where there is such a catalog already, `StorageError`.
        """
        from tellapart.steps.labelling import write

        context = self.context()
        try:
            return write(context, Path(target), bars=bars, attributes=attributes)
        finally:
            context.close()

    def versions(self) -> list[Version]:
        """The packaged versions, oldest first: number, file, metrics."""
        return self._catalog.versions()

    @property
    def bundle(self) -> Bundle:
        """The latest bundle, loaded. Raises `NotFoundError` where none is packaged yet."""
        from tellapart.bundle import Bundle

        return Bundle.load(self.bundle_path)

    @property
    def bundle_path(self) -> Path:
        """The latest bundle's zip; withdrawn ones do not count.

        Raises `NotFoundError` where none is packaged yet, or all are withdrawn.
        """
        known = self._catalog.versions()
        latest = next((one for one in reversed(known) if one.file), None)
        if known and latest is None:
            raise NotFoundError(
                f"The bundle of {self.name!r} held what was forgotten and is withdrawn.",
                expected="a version made since",
                do=f"Make one: tellapart package {self.name}",
            )
        if latest is None:
            raise NotFoundError(
                f"The project {self.name!r} has no bundle yet.",
                expected="a packaged version",
                do=f"Run `tellapart package {self.name}`.",
            )
        return self.folder / "versions" / latest.file

    def explain(self, picture: Picture, label: str | None = None) -> Explanation:
        """Why the latest bundle answers a picture as it does, for `label` (the likeliest class).

        A heat map over the picture, and the nearest training pictures that speak for and against
        the class, each with what its probability would be without it: by really fitting the head
        again. Raises `NotFoundError` where nothing is packaged yet or pictures are gone,
        `PictureError`, and `InputError` for an unknown class or a model of tables.
        """
        from tellapart.steps.explaining import explain

        context = self.context()
        try:
            return explain(context, self.bundle, picture, label)
        finally:
            context.close()

    def _steps_counts(self) -> dict[str, Any]:
        """Counts of a data set that has no rows in the catalog, as its steps noted them."""
        curated = self._catalog.finished("curate") or {"found": 0, "kept": 0, "classes": {}}
        dealt = self._catalog.finished("split") or {}

        def counted(found: dict[str, Any], splits: dict[str, int]) -> dict[str, Any]:
            parts = {split: number for split, number in splits.items() if number}
            number = found["kept"]
            return {
                "found": number,
                "kept": number,
                "set_aside": 0,
                "reasons": {},
                "statuses": {"ok": number},
                "failures": {},
                "splits": dict(sorted(parts.items(), key=lambda item: (-item[1], item[0]))),
            }

        classes = {
            label: counted(found, dealt.get("classes", {}).get(label, {}))
            for label, found in sorted(curated["classes"].items())
        }
        return {**counted(curated, dealt.get("splits", {})), "classes": classes}

    # -- inside -----------------------------------------------------------------------------

    def _drop_files(self, shas: set[str]) -> None:
        """Remove fetched pictures that no project names; none while another one is at work.

        A project at work may have stored the same picture and not yet named it in its ledger;
        `sweep` removes them later.
        """
        from tellapart.store.files import FileStore
        from tellapart.store.lock import project_lock

        with contextlib.ExitStack() as locks:
            try:
                for owner, name in self._catalog.everyone(self._engine):
                    theirs = replace(self.settings, owner=owner)
                    locks.enter_context(project_lock(theirs.projects_dir / name))
            except BusyError:
                return
            files = FileStore(self.settings.files_dir)
            for sha in sorted(shas - self._catalog.shas(self._engine)):
                files.remove(sha)

    @staticmethod
    def sweep(settings: Settings, engine: Engine, age: float = 86_400.0) -> int:
        """Remove fetched pictures of deleted projects that could not go at once, of all owners.

        What was stored less than `age` seconds ago stays: its row may not be written yet. Workers
        call it now and then; returns how many files went.
        """
        from tellapart.catalog import Catalog
        from tellapart.store.files import FileStore

        return FileStore(settings.files_dir).sweep(lambda: Catalog.shas(engine), age)

    def _lock(self) -> Any:
        from tellapart.store.lock import project_lock

        return project_lock(self.folder)

    def _walk(
        self, steps: Sequence[str], progress: Watcher | None, spawn: bool = True
    ) -> tuple[dict[str, dict[str, Any]], dict[str, float]]:
        with self._lock():
            return chain.run(self.settings, self.name, steps, progress=progress, spawn=spawn)

    def _step(self, step: str, progress: Watcher | None) -> dict[str, Any]:
        return self._walk((step,), progress, spawn=False)[0][step]

    def _result(
        self,
        summaries: dict[str, dict[str, Any]],
        seconds: dict[str, float],
        out: Path | None,
    ) -> Result:
        package = summaries.get("package", {})
        bundle = self.bundle_path if package else Path()
        if out is not None and package:
            bundle = copy_bundle(bundle, out)
        notes = [note for step in summaries.values() for note in step.get("notes", ())]
        return Result(
            name=self.name,
            version=int(package.get("version", 0)),
            bundle=bundle,
            pictures=self.counts(),
            seconds={**seconds, "total": round(sum(seconds.values()), 3)},
            metrics=summaries.get("evaluate", {}).get("metrics", {}),
            notes=notes,
        )


def copy_bundle(bundle: Path, out: Path) -> Path:
    """Copy a bundle to a file, or into a folder by its name: whole, or not at all.

    Raises `StorageError` where it cannot be written.
    """
    target = out / bundle.name if out.is_dir() else out
    if target.exists() and target.samefile(bundle):
        return target
    partial = target.with_name(f".{target.name}.partial")
    try:
        shutil.copyfile(bundle, partial)
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StorageError(
            f"The bundle cannot be copied to {str(target)!r}: {error.strerror or error}.",
            expected="enough room, and a folder that can be written to",
            do=f"Free some space or choose another --out; the bundle itself is {str(bundle)!r}.",
        ) from error
    return target


def _same_data(new: Recipe, old: Recipe) -> None:
    if _origin(new) != _origin(old):
        held = " ".join(str(part) for part in _origin(old) if part is not None)
        raise InputError(
            f"A project named {new.name!r} exists and holds other data "
            f"({held or 'pictures collected for its class words'}).",
            expected="a name of its own for each project",
            do="Choose another name with --name, or remove the old project with "
            f"`tellapart clean {new.name}`.",
        )


def _origin(recipe: Recipe) -> tuple[Path | str | int | None, ...]:
    return recipe.data, recipe.dataset, recipe.from_project, recipe.target


def _writable(out: Path) -> Path:
    """Fail before the work, not after it."""
    folder = out if out.is_dir() else out.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".{out.name}.probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(
            f"The bundle cannot be written to {str(out)!r}: {error.strerror}.",
            expected="a folder that can be written to",
            do="Choose another --out.",
        ) from None
    return out
