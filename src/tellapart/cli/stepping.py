"""Each step of the chain by its own verb, on a project's name."""

from __future__ import annotations

from typing import Annotated, Any

import typer

import tellapart
from tellapart.cli import results
from tellapart.cli.options import (
    IgnoreRobots,
    Int8,
    Json,
    Out,
    Project,
    Quiet,
    Record,
    Replay,
    recipe_keys,
    taped,
)
from tellapart.cli.signals import following
from tellapart.errors import NotFoundError


def collect(
    name: Project,
    ignore_robots: IgnoreRobots = None,
    record: Record = None,
    replay: Replay = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Find and fetch pictures until each class has its number."""
    if ignore_robots:
        project = tellapart.Project.open(name)
        hosts = [*project.recipe.ignore_robots, *ignore_robots]
        project.update({"ignore_robots": list(dict.fromkeys(hosts))})
    _upto("collect", name, quiet, json, settings=taped(record, replay))


def curate(
    name: Project,
    keep: Annotated[
        list[str] | None,
        typer.Option("--keep", metavar="ID", help="Keep this picture whatever the rules say."),
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option("--drop", metavar="ID", help="Set this picture aside whatever they say."),
    ] = None,
    undo: Annotated[
        list[str] | None,
        typer.Option("--undo", metavar="ID", help="Give this picture back to the rules."),
    ] = None,
    min_side: Annotated[
        str | None,
        typer.Option(metavar="PIXELS", help="Shortest side below which a picture is too small."),
    ] = None,
    min_entropy: Annotated[
        str | None, typer.Option(metavar="BITS", help="Entropy below which a picture is blank.")
    ] = None,
    near_duplicate_bits: Annotated[
        str | None,
        typer.Option(metavar="BITS", help="Hash distance up to which two may be duplicates."),
    ] = None,
    near_duplicate_cosine: Annotated[
        str | None,
        typer.Option(metavar="COSINE", help="Likeness from which two are near duplicates."),
    ] = None,
    near_duplicate_likeness: Annotated[
        str | None,
        typer.Option(
            metavar="LIKENESS",
            help="Likeness from which mirrored, framed or cropped copies count; 1: none do.",
        ),
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(
            metavar="true|false|null",
            help="Whether features are computed; null: not above 100,000 pictures.",
        ),
    ] = None,
    off_topic: Annotated[
        str | None,
        typer.Option(metavar="SCORE", help="Score below which a picture is off topic, or null."),
    ] = None,
    mislabelled: Annotated[
        str | None,
        typer.Option(metavar="SCORE", help="Label quality below which it is wrong, or null."),
    ] = None,
    max_blur: Annotated[
        str | None,
        typer.Option(metavar="BLUR", help="Largest blur before a picture is blurred, or null."),
    ] = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Measure the pictures; keep or set aside each, with a reason.

    Thresholds given here are stored in the project's recipe. Nothing is deleted, and a changed
    threshold only decides again.
    """
    thresholds = {
        "min_side": min_side,
        "min_entropy": min_entropy,
        "near_duplicate_bits": near_duplicate_bits,
        "near_duplicate_cosine": near_duplicate_cosine,
        "near_duplicate_likeness": near_duplicate_likeness,
        "features": features,
        "off_topic": off_topic,
        "mislabelled": mislabelled,
        "max_blur": max_blur,
    }
    pairs = [f"{key}={value}" for key, value in thresholds.items() if value is not None]
    project = tellapart.Project.open(name)
    # All are looked up before any is changed.
    words = [
        (picture_id(project, text), kept)
        for texts, kept in ((keep, True), (drop, False), (undo, None))
        for text in texts or ()
    ]
    before = project.counts()
    if pairs:
        project.update({"curate": recipe_keys(pairs)})
    for picture, kept in words:
        project.overrule(picture, kept)
    result = _upto("curate", name, quiet, json)
    if not quiet:
        results.changed(before, result.pictures)


def split(name: Project, quiet: Quiet = False, json: Json = False) -> None:
    """Deal the kept pictures into train, validation and test, group by group."""
    _upto("split", name, quiet, json)


def evaluate(name: Project, quiet: Quiet = False, json: Json = False) -> None:
    """Measure on the untouched test pictures; write figures, plots and report."""
    _upto("evaluate", name, quiet, json)


def compile(name: Project, int8: Int8 = None, quiet: Quiet = False, json: Json = False) -> None:
    """Make the ONNX model and prove that it answers as the trained one.

    --int8 and --no-int8 are stored in the project's recipe.
    """
    if int8 is not None:
        tellapart.Project.open(name).update({"compile": {"int8": int8}})
    _upto("compile", name, quiet, json)


def package(name: Project, out: Out = None, quiet: Quiet = False, json: Json = False) -> None:
    """Write the bundle and verify it."""
    _upto("package", name, quiet, json, out=out)


def relabel(
    name: Project,
    picture: Annotated[
        str, typer.Argument(metavar="ID", help="The picture, as `show NAME --pictures` lists it.")
    ],
    label: Annotated[str, typer.Argument(metavar="CLASS", help="The class it belongs to.")],
    json: Json = False,
) -> None:
    """Move a picture to another class."""
    from tellapart.cli.console import emit, program, write

    project = tellapart.Project.open(name)
    found = picture_id(project, picture)
    project.relabel(found, label)
    if json:
        emit({"name": name, "id": found, "class": label})
    else:
        write(f"{found} is now {label!r}\nnext: {program()} package {name}")


def stop(name: Project, json: Json = False) -> None:
    """Ask a training that is under way to end after its batch; what it has learned is kept.

    The run goes on to the bundle, marked as unfinished. Only the training of a network can be
    asked; run the same command again, and the training goes on where it ended.
    """
    from tellapart.cli.console import emit, write

    tellapart.stop(name)
    if json:
        emit({"name": name, "asked": True})
    else:
        write(f"asked: {name} ends its training after the batch and goes on to the bundle")


def picture_id(project: Any, text: str) -> str:
    """The whole id of the picture whose id begins with `text`. Raises `NotFoundError`."""
    found = [row.id for row in project.pictures() if row.id.startswith(text.lower())]
    if text and len(found) == 1:
        return str(found[0])
    what = f"{len(found)} pictures have ids beginning" if found else "There is no picture with id"
    raise NotFoundError(
        f"{what} {text!r} in {project.name!r}.",
        expected="the id of one picture, or its beginning as far as it is the only one",
        do=f"`tellapart show {project.name} --pictures` lists the ids.",
    )


def _upto(
    step: str, name: str, quiet: bool, as_json: bool, settings: Any = None, **options: Any
) -> Any:
    """Run a step, and those before it as far as they are not done; here, as the methods do."""
    project = tellapart.Project.open(name, settings)
    with following(quiet, as_json) as progress:
        result = project.run(upto=step, progress=progress, spawn=False, **options)
    results.show_step(step, project, result, quiet=quiet, as_json=as_json)
    return result
