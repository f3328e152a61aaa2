"""Verbs that look after the installation: clean, doctor."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

import tellapart
from tellapart.cli import checks
from tellapart.cli.console import emit, write
from tellapart.cli.options import Json, Yes
from tellapart.errors import InputError, StorageError


def clean(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A project to remove.")
    ] = None,
    cache: Annotated[
        bool, typer.Option("--cache", help="Drop what can be made again; the default.")
    ] = False,
    all_: Annotated[
        bool, typer.Option("--all", help="Remove every project, picture and cache.")
    ] = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Free space: the caches, one project, or everything.

    Folders and files that you gave as data are never touched.
    """
    if (name is not None) + cache + all_ > 1:
        raise InputError(
            "clean was given more than one of NAME, --cache and --all.",
            expected="one of the three",
            do="Run it once for each.",
        )
    settings = tellapart.Settings.from_env()
    if name is not None:
        project = tellapart.Project.open(name)
        ask(f"Remove the project {name!r} with its bundles?", yes)
        project.delete()
        removed = [str(project.folder)]
    elif all_:
        ask(f"Remove every project, picture and bundle in {str(settings.home)!r}?", yes)
        # One after the other: a project at work is refused, and nothing is pulled from under it.
        for owner, each in _everyone(settings):
            tellapart.Project.open(each, replace(settings, owner=owner)).delete()
        removed = _remove(
            settings.projects_dir,
            settings.home / "accounts",
            settings.files_dir,
            settings.cache_dir,
            *sorted(settings.home.glob(f"{settings.database_path.name}*")),
        )
    else:
        removed = _remove(settings.cache_dir)
    if json:
        emit({"removed": removed})
    else:
        write("\n".join(f"removed {path}" for path in removed) or "nothing to remove")


def doctor(json: Json = False) -> None:
    """Check the installation: versions, engines, disk, database. Never uses the network."""
    found = checks.run(tellapart.Settings.from_env())
    ok = all(check.ok is not False for check in found)
    if json:
        emit({"ok": ok, "checks": [check.to_dict() for check in found]})
    else:
        write("\n".join(map(str, found)))
        write("all is well" if ok else "something needs a hand: see the lines with ✗")
    if not ok:
        raise typer.Exit(1)


def _everyone(settings: tellapart.Settings) -> list[tuple[str, str]]:
    """Every owner's projects."""
    from tellapart.catalog import Catalog
    from tellapart.store import database

    if not database.exists(settings):
        return []
    engine = database.open_database(settings)
    try:
        return Catalog.everyone(engine)
    finally:
        engine.dispose()


def ask(question: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise InputError(
            f"{question} Nobody can be asked here.",
            expected="--yes, or a terminal to answer on",
            do="Add --yes.",
        )
    if not typer.confirm(question, err=True):
        raise typer.Exit(1)


def _remove(*paths: Path) -> list[str]:
    removed = []
    for path in paths:
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.exists():
                path.unlink()
            else:
                continue
        except OSError as error:
            raise StorageError(
                f"{str(path)!r} cannot be removed: {error.strerror or error}.",
                expected="files that this user may remove",
                do="Mend its permissions, then run the same command again.",
            ) from None
        removed.append(str(path))
    return removed
