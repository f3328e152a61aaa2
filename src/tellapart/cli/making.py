"""Verbs that walk the whole chain: make, train, run, demo."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Annotated, Any

import typer

import tellapart
from tellapart.cli import remote, results
from tellapart.cli.console import emit, program, tell, write
from tellapart.cli.options import (
    At,
    Backbone,
    Budget,
    Device,
    Devices,
    Effort,
    Follow,
    IgnoreRobots,
    Int8,
    Json,
    Name,
    Out,
    Quiet,
    Record,
    Replay,
    Seed,
    Set,
    Shipped,
    recipe_keys,
    taped,
)
from tellapart.cli.progress import watching
from tellapart.cli.signals import following
from tellapart.errors import InputError, NotFoundError
from tellapart.quickml import DEFAULT


def make(
    words: Annotated[
        list[str], typer.Argument(metavar="WORD…", help="What to tell apart: two words or more.")
    ],
    per_class: Annotated[
        str | None,
        typer.Option("--per-class", metavar="N", help="Pictures wanted per word; default 100."),
    ] = None,
    enough: Annotated[
        str | None,
        typer.Option(
            "--enough",
            metavar="POINTS",
            help="Collect in rounds, more from the cleaner sources, until a hundred pictures more "
            "bring less than so many points, such as 0.2; then --per-class is the most.",
        ),
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(
            "--source",
            "-s",
            metavar="NAME",
            help="Where to search, may be repeated in order of preference; "
            "default openverse, then commons.",
        ),
    ] = None,
    license: Annotated[
        list[str] | None,
        typer.Option(
            "--license",
            metavar="CODE",
            help="Only pictures of this license, may be repeated: cc0, pdm, by, by-sa, by-nc, "
            "by-nd, by-nc-sa, by-nc-nd; sell: all that may be sold; default: any open license.",
        ),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(
            "--without",
            metavar="WORD",
            help="What no class is, may be repeated: a hit whose title holds the word is refused.",
        ),
    ] = None,
    mature: Annotated[
        bool, typer.Option("--mature", help="Let sources return pictures marked as mature.")
    ] = False,
    ignore_robots: IgnoreRobots = None,
    effort: Effort = None,
    budget: Budget = None,
    recipe: Shipped = None,
    backbone: Backbone = None,
    device: Device = None,
    devices: Devices = None,
    int8: Int8 = None,
    name: Name = None,
    seed: Seed = None,
    set_: Set = None,
    record: Record = None,
    replay: Replay = None,
    server: At = None,
    follow: Follow = False,
    out: Out = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Search for pictures of each word, train, and write a verified bundle.

    Run again, it goes on where it stopped. With --name and one word more, only that word's
    pictures are fetched.
    """
    options = recipe_keys(
        set_,
        per_class=per_class,
        enough=enough,
        sources=list(source or ()),
        licenses=list(license or ()),
        without=list(without or ()),
        mature=mature or None,
        ignore_robots=list(ignore_robots or ()),
        effort=effort,
        seed=seed,
        name=name,
        budget=budget,
        recipe=recipe,
        train__backbone=backbone,
        train__device=device,
        train__devices=devices,
        compile__int8=int8,
    )
    settings = taped(record, replay, server)
    if server is not None:
        wanted = remote.Wanted(server, follow, out, quiet, json)
        remote.carry_out(wanted, {"classes": list(words), **options})
        return
    with following(quiet, json) as progress:
        result = tellapart.make(words, out=out, settings=settings, progress=progress, **options)
    results.show(result, quiet=quiet, as_json=json)


def train(
    target: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER|TABLE|DATASET|NAME",
            help="A labelled folder (one sub-folder a class), a CSV of pictures, or with --target "
            "a table; else the name of a data set, such as mnist: the whole chain on it. "
            "Else a project's name: its train step.",
        ),
    ],
    column: Annotated[
        str | None,
        typer.Option(
            "--target",
            "-t",
            metavar="COLUMN",
            help="The column to foretell: the file is a table. Its name, or its number from 0.",
        ),
    ] = None,
    effort: Effort = None,
    budget: Budget = None,
    recipe: Shipped = None,
    backbone: Backbone = None,
    device: Device = None,
    devices: Devices = None,
    int8: Int8 = None,
    name: Name = None,
    seed: Seed = None,
    set_: Set = None,
    server: At = None,
    follow: Follow = False,
    out: Out = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Train on your own labelled data, or on a known data set, and write a verified bundle.

    Pictures stay where they are. Given the name of a project where no file or folder is called
    so, only its train step is run, and the steps before it as far as they are not done.
    """
    options = recipe_keys(
        set_,
        effort=effort,
        seed=seed,
        target=_column(column),
        budget=budget,
        recipe=recipe,
        train__backbone=backbone,
        train__device=device,
        train__devices=devices,
        compile__int8=int8,
    )
    if server is not None:
        if name is not None:
            options["name"] = name
        path = Path(target)
        wanted = remote.Wanted(server, follow, out, quiet, json)
        remote.carry_out(wanted, _there(path, options), path if path.exists() else None)
        return
    project = _meant(target, quiet)
    if project is None:
        named = options if name is None else {**options, "name": name}
        with following(quiet, json) as progress:
            result = tellapart.train(target, out=out, progress=progress, **named)
        results.show(result, quiet=quiet, as_json=json)
        return
    if name is not None or out is not None:
        raise InputError(
            f"{target!r} is a project, and its train step takes no --name and no --out.",
            expected="the project's name alone, or a folder",
            do=f"Leave the two out; `tellapart package {target}` writes the bundle.",
        )
    if options:
        project.update(options)
    with following(quiet, json) as progress:
        result = project.run(upto="train", progress=progress, spawn=False)
    results.show_step("train", project, result, quiet=quiet, as_json=json)


def run(
    recipe: Annotated[
        Path,
        typer.Argument(
            metavar="RECIPE", help="A recipe, a YAML or JSON file, or a spec of the older program."
        ),
    ],
    name: Name = None,
    effort: Effort = None,
    budget: Budget = None,
    backbone: Backbone = None,
    device: Device = None,
    devices: Devices = None,
    int8: Int8 = None,
    ignore_robots: IgnoreRobots = None,
    set_: Set = None,
    record: Record = None,
    replay: Replay = None,
    server: At = None,
    follow: Follow = False,
    out: Out = None,
    quickml_layout: Annotated[
        Path | None,
        typer.Option(
            "--quickml-layout",
            metavar="[FOLDER]",
            help="Write the older program's files too, one folder a model; "
            f"without a value in {DEFAULT}.",
        ),
    ] = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Walk the whole chain as a recipe says; `tellapart recipe schema` says what it may say.

    Of a network, standard output says when it is built, trained and compiled. Ctrl-C while it
    trains ends it after the batch at hand; what it has learned is compiled and packaged.
    """
    changes = recipe_keys(
        set_,
        name=name,
        ignore_robots=list(ignore_robots or ()),
        effort=effort,
        budget=budget,
        train__backbone=backbone,
        train__device=device,
        train__devices=devices,
        compile__int8=int8,
    )
    settings = taped(record, replay, server)
    if server is not None:
        if changes:
            raise InputError(
                f"--server is given beside {', '.join(sorted(changes))}.",
                expected="a recipe that says all of it",
                do="Write it into the recipe; the server gets the file as it stands.",
            )
        wanted = remote.Wanted(server, follow, out, quiet, json)
        remote.carry_out(wanted, remote.text_of(recipe))
        return
    with following(quiet, json) as progress:
        result = tellapart.run(
            recipe,
            out=out,
            settings=settings,
            progress=progress,
            quickml_layout=quickml_layout,
            changes=changes,
        )
    results.show(result, quiet=quiet, as_json=json)


def demo(
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FOLDER", help="Where to work; default: demo-out."),
    ] = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """See the main job end to end: offline, on pictures that the program draws."""
    from tellapart.demo.run import run_demo

    with watching(quiet) as progress:
        outcome = run_demo(out or Path("demo-out"), progress=progress)
    if json:
        emit(outcome.to_dict())
    elif quiet:
        write(str(outcome.result.bundle))
    else:
        from rich.console import Console

        from tellapart.demo.showing import show

        show(outcome, Console(), program())
    outcome.check()


def _there(path: Path, options: dict[str, Any]) -> dict[str, Any]:
    """The recipe that a server gets for what is trained on; data that lie here are brought along.

    A name that is no path here is a data set's.
    """
    from tellapart.recipe.naming import name_of_data

    if not path.exists():
        return {**options, "data": str(path)}
    return {"name": name_of_data(path), **options}


def _column(text: str | None) -> str | int | None:
    """A table's column as given: a whole number counts, anything else names."""
    if text is not None and re.fullmatch(r"-?\d{1,6}", text):
        return int(text)
    return text


def _meant(target: str, quiet: bool) -> Any:
    """The project that `target` means; None where it means data. Says so where it could be both.

    A file or folder comes first. A project that holds the data set of its own name is the data
    set: the same command goes on, up to the bundle.
    """
    from tellapart.datasets import FACTS, canonical
    from tellapart.recipe import guess, is_name

    known = canonical(target)
    if Path(target).exists():
        if known and not quiet:
            tell(f"{target}: taken as the file or folder here, not as the data set of that name")
        return None
    project = None
    if is_name(target):
        with contextlib.suppress(NotFoundError):
            project = tellapart.Project.open(target)
    if known and (project is None or project.recipe.dataset == known):
        if not quiet:
            tell(f"{target}: taken as the data set {known}: {FACTS[known].about}")
        return None
    if project is not None:
        if known and not quiet:
            tell(f"{target}: taken as the project of that name, not as the data set")
        return project
    names = tellapart.Project.names()
    near = guess(target, [*names, *FACTS])
    kind = "project" if near in names else "data set"
    raise NotFoundError(
        f"There is no file or folder {target!r}, no project and no data set of that name.",
        expected="a folder with one sub-folder a class, a CSV with the columns path and label, "
        "a table with --target, the name of a data set, or a project's name",
        do=f"Did you mean the {kind} {near!r}?" if near else "Check the path.",
    )
