"""Verbs that walk the whole chain: make, train, run, demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

import tellapart
from tellapart.cli import results
from tellapart.cli.console import emit, program, write
from tellapart.cli.options import Effort, Json, Name, Out, Quiet, Seed, Set, recipe_keys
from tellapart.cli.progress import watching
from tellapart.errors import InputError, NotFoundError


def make(
    words: Annotated[
        list[str], typer.Argument(metavar="WORD…", help="What to tell apart: two words or more.")
    ],
    per_class: Annotated[
        str | None,
        typer.Option("--per-class", metavar="N", help="Pictures wanted per word; default 100."),
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
            "by-nd, by-nc-sa, by-nc-nd; default: any open license.",
        ),
    ] = None,
    mature: Annotated[
        bool, typer.Option("--mature", help="Let sources return pictures marked as mature.")
    ] = False,
    effort: Effort = None,
    name: Name = None,
    seed: Seed = None,
    set_: Set = None,
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
        sources=list(source or ()),
        licenses=list(license or ()),
        mature=mature or None,
        effort=effort,
        seed=seed,
    )
    with watching(quiet) as progress:
        result = tellapart.make(words, name=name, out=out, progress=progress, **options)
    results.show(result, quiet=quiet, as_json=json)


def train(
    target: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER|CSV|NAME",
            help="A labelled folder (one sub-folder a class) or CSV: the whole chain on it. "
            "Else a project's name: its train step.",
        ),
    ],
    effort: Effort = None,
    name: Name = None,
    seed: Seed = None,
    set_: Set = None,
    out: Out = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Train on your own labelled pictures and write a verified bundle.

    The pictures stay where they are. Given the name of a project where no file or folder is
    called so, only its train step is run, and the steps before it as far as they are not done.
    """
    options = recipe_keys(set_, effort=effort, seed=seed)
    if Path(target).exists():
        with watching(quiet) as progress:
            result = tellapart.train(target, name=name, out=out, progress=progress, **options)
        results.show(result, quiet=quiet, as_json=json)
        return
    project = _project(target)
    if name is not None or out is not None:
        raise InputError(
            f"{target!r} is a project, and its train step takes no --name and no --out.",
            expected="the project's name alone, or a folder",
            do=f"Leave the two out; `tellapart package {target}` writes the bundle.",
        )
    if options:
        project.update(options)
    with watching(quiet) as progress:
        result = project.run(upto="train", progress=progress, spawn=False)
    results.show_step("train", project, result, quiet=quiet, as_json=json)


def run(
    recipe: Annotated[
        Path, typer.Argument(metavar="RECIPE", help="A recipe: a YAML or JSON file.")
    ],
    name: Name = None,
    set_: Set = None,
    out: Out = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Walk the whole chain as a recipe says; `tellapart recipe schema` says what it may say."""
    from tellapart import registry
    from tellapart.recipe import asked, check, read, with_changes

    known = registry.names("source")
    wanted = read(recipe, sources=known)
    changes = recipe_keys(set_, name=name)
    if changes:
        wanted = check(with_changes(asked(wanted), changes), sources=known)
    with watching(quiet) as progress:
        result = tellapart.run(wanted, out=out, progress=progress)
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


def _project(target: str) -> Any:
    """The project called `target`; the error names both things that it could have been."""
    from tellapart.recipe import guess, is_name

    if is_name(target):
        try:
            return tellapart.Project.open(target)
        except NotFoundError:
            pass
    near = guess(target, tellapart.Project.names())
    raise NotFoundError(
        f"There is no file or folder {target!r}, and no project of that name.",
        expected="a folder with one sub-folder a class, a CSV with the columns path and label, "
        "or a project's name",
        do=f"Did you mean the project {near!r}?" if near else "Check the path.",
    )
