"""The shortest way: one call from words, a folder, a table or a recipe to a verified bundle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tellapart import datasets, quickml, registry
from tellapart.errors import BusyError, InputError, MissingExtraError
from tellapart.project import Project, Result
from tellapart.recipe import Recipe, asked, check, read, with_changes
from tellapart.settings import Settings
from tellapart.steps import Progress, has_stages
from tellapart.steps.collect import find_format

Watcher = Callable[[Progress], None]
#: Keys of `train` that calls take as options of their own.
_OF_TRAIN = ("backbone", "device", "devices")


def run(
    recipe: Recipe | str | Path,
    *,
    out: str | Path | None = None,
    settings: Settings | None = None,
    progress: Watcher | None = None,
    spawn: bool = True,
    quickml_layout: str | Path | None = None,
    changes: Mapping[str, Any] | None = None,
) -> Result:
    """Make or continue the project of `recipe` and walk the whole chain.

    `recipe`: a `Recipe`, or the path of a recipe or an old spec. `changes` are keys that replace
    its own, such as `{"train": {"epochs": 3}}`. `out`: where to copy the bundle (folder or file).
    `quickml_layout`: a folder in which the older program's files are written too, see
    `tellapart.quickml`. `progress` is called with `Progress` events; `built`, `trained` and
    `compiled` are the `signal` of three of them. Raises the errors of the steps, all of them
    `TellapartError`; nothing is made where the recipe is wrong.
    """
    request = None
    if not isinstance(recipe, Recipe):
        path = Path(recipe)
        recipe = read(path, sources=registry.names("source"))
        request = path.read_bytes()
    if changes:
        recipe = check(with_changes(asked(recipe), changes), sources=registry.names("source"))
    look_ahead(recipe, settings, progress)
    if quickml_layout is None:
        return Project.create(recipe, settings).run(out=out, progress=progress, spawn=spawn)
    return _run_with_layout(recipe, Path(quickml_layout), request, out, settings, progress, spawn)


def make(
    words: Sequence[str] | Mapping[str, Any],
    *,
    name: str | None = None,
    out: str | Path | None = None,
    settings: Settings | None = None,
    progress: Watcher | None = None,
    **options: Any,
) -> Result:
    """Collect pictures of each word, train, and return a verified bundle.

    `words` may also map classes to their options: `{"apple": {"without": ["logo"]}, "pear": {}}`.
    `options` are keys of a recipe, such as `per_class=100`, `sources=["openverse"]`, `seed=0`,
    `effort="good"`, `budget="5m"`, `licenses=["cc0"]`, `recipe="swipr"` to start from; `backbone`,
    `device` and `devices` stand for the keys of `train`. Raises `RecipeError` for a wrong one,
    else the errors of the steps.
    """
    classes = dict(words) if isinstance(words, Mapping) else list(words)
    recipe = _checked(classes=classes, name=name, **options)
    return run(recipe, out=out, settings=settings, progress=progress)


def train(
    data: str | Path,
    *,
    target: str | int | None = None,
    name: str | None = None,
    out: str | Path | None = None,
    settings: Settings | None = None,
    progress: Watcher | None = None,
    **options: Any,
) -> Result:
    """Train on data of your own or on a known data set; return a verified bundle.

    `data`: a labelled folder (one sub-folder a class) or a CSV of pictures, which are referenced
    in place; with `target`, the name or number of the column to foretell, a table (CSV, TSV,
    Parquet); where no such path exists, the name of a data set such as `mnist` or `iris`.
    `options` as for `make`.
    """
    known = None if Path(data).exists() else datasets.canonical(str(data))
    where = known or str(Path(data).absolute())
    recipe = _checked(data=where, target=target, name=name, **options)
    return run(recipe, out=out, settings=settings, progress=progress)


def stop(name: str, *, settings: Settings | None = None) -> None:
    """Ask the training of the project `name` to end after its batch.

    What it has learned by then is compiled and packaged, marked as unfinished. Returns at once.
    Raises `NotFoundError` for an unknown project, `InputError` where nothing is being trained.
    """
    with Project.open(name, settings) as project:
        context = project.context()
        try:
            with project._lock():
                state = "nothing works on it"
        except BusyError:
            if context.training_file.exists():
                context.stop_file.touch()
                return
            state = "a process works on it, but trains no network at the moment"
        finally:
            context.close()
    raise InputError(
        f"The project {name!r} is not being trained: {state}.",
        expected="a project whose network is being trained right now",
        do="Nothing has to be done. To end another step, press Ctrl-C where it runs.",
    )


def _run_with_layout(
    recipe: Recipe,
    root: Path,
    request: bytes | None,
    out: str | Path | None,
    settings: Settings | None,
    progress: Watcher | None,
    spawn: bool,
) -> Result:
    if recipe.model_kind != "network":
        raise InputError(
            f"The recipe {recipe.name!r} trains no network.",
            expected="a network where the older program's layout is asked for",
            do="Leave out --quickml-layout, or add `layers` to the recipe.",
        )
    settings = settings or Settings.from_env()
    work = settings.projects_dir / recipe.name / "work"
    layout = quickml.Layout(root, recipe, work, request)
    layout.begin()

    def watch(event: Progress) -> None:
        try:
            layout(event)
        finally:
            if progress is not None:
                progress(event)

    project = Project.create(recipe, settings)
    result = project.run(out=out, progress=watch, spawn=spawn)
    missing = layout.finish(result, project.bundle_path)
    if missing:
        result.notes.append(f"no Core ML file in {str(layout.folder)!r}: {missing}")
    return result


def look_ahead(recipe: Recipe, settings: Settings | None, progress: Watcher | None) -> None:
    """Say what is bound to fail before a project is made."""
    deep = recipe.model_kind == "network" or has_stages(recipe)
    if deep and not all(map(find_spec, ("torch", "lightning"))):
        raise MissingExtraError(
            f"The recipe {recipe.name!r} trains a network, and torch is not installed.",
            expected="the extra [deep]",
            do="Run: pip install 'tellapart[deep]'",
        )
    if recipe.data is not None and recipe.data_kind == "pictures":
        find_format(recipe.data)
    if has_stages(recipe) and recipe.train.weights != "none":
        from tellapart.steps.train.staging import weights_of

        if progress is not None:
            progress(Progress("train", 0, None, f"weights of {recipe.train.backbone}"))
        weights_of(recipe, settings or Settings.from_env())
    if recipe.data_kind == "pictures" or recipe.data is None:
        return
    if not recipe.data.is_file():
        raise InputError(
            f"{str(recipe.data)!r} {'is no file' if recipe.data.exists() else 'does not exist'}.",
            expected="a table: a .csv, .tsv or .parquet file",
            do="Check the path for mistakes.",
        )


def _checked(**values: Any) -> Recipe:
    given = {key: list(v) if isinstance(v, tuple) else v for key, v in values.items()}
    given = {key: value for key, value in given.items() if value is not None}
    inner = {key: given.pop(key) for key in _OF_TRAIN if key in given}
    if inner:
        train = given.get("train", {})
        given["train"] = {**train, **inner} if isinstance(train, Mapping) else train
    return check(given, sources=registry.names("source"))
