"""Verbs that speak with the older programs' files: import, labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

import tellapart
from tellapart.cli.console import emit, program, table, tell, write
from tellapart.cli.options import Json, Name, Project, Quiet, Shipped
from tellapart.cli.progress import watching

#: The older program's folders, and what it took their pictures for.
YES, NO = "YES", "NO"
_OK = ("insta/ok",)
_NOT_OK = (
    *(f"insta/{name}" for name in ("with_baby", "too_young", "too_old", "purikura", "no")),
    *("tinder/dudes", "tinder/girls"),
)


def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The older program's catalog, pics.sqlite.")
    ],
    yes: Annotated[
        list[str] | None,
        typer.Option("--yes", metavar="FOLDER", help="Folder of YES; default insta/ok."),
    ] = None,
    no: Annotated[
        list[str] | None,
        typer.Option(
            "--no", metavar="FOLDER", help="Folder of NO; default the older program's seven."
        ),
    ] = None,
    otherwise: Annotated[
        str | None,
        typer.Option(metavar="CLASS", help="Class of what lies in none of them; default: none."),
    ] = None,
    min_people: Annotated[
        int, typer.Option(metavar="N", help="Fewer people are a NO; 0: no limit.")
    ] = 0,
    max_people: Annotated[
        int, typer.Option(metavar="N", help="More people are a NO; 0: no limit.")
    ] = 0,
    fail_on_male: Annotated[
        bool, typer.Option("--fail-on-male", help="A face estimated to be male is a NO.")
    ] = False,
    min_age: Annotated[
        int, typer.Option(metavar="YEARS", help="A lower estimated age is a NO; 0: no limit.")
    ] = 0,
    max_age: Annotated[
        int, typer.Option(metavar="YEARS", help="A higher estimated age is a NO; 0: no limit.")
    ] = 0,
    age_error: Annotated[
        float | None,
        typer.Option(
            metavar="YEARS",
            help="How far the catalog's ages may be off; 0 takes them at their word. Default 7.",
        ),
    ] = None,
    recipe: Shipped = None,
    name: Name = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Make a project of the older program's catalog; its pictures stay where they are.

    Classes come from folders and rules, in the older program's order: NO folder, no face, number of
    people, male, age, else YES. Unreadable pictures are left out.
    """
    from tellapart.recipe import check

    rules: dict[str, Any] = {
        "buckets": {
            **dict.fromkeys(no or _NOT_OK, NO),
            **dict.fromkeys(yes or _OK, YES),
        },
        "disqualified": NO,
        "face": True,
        "min_people": min_people,
        "max_people": max_people,
        "fail_on_male": fail_on_male,
        "min_age": min_age,
        "max_age": max_age,
    }
    if otherwise is not None:
        rules["otherwise"] = otherwise
    if age_error is not None:
        rules["age_error"] = age_error
    asked = {"data": str(file), "rules": rules, "name": name, "recipe": recipe}
    asked = {key: value for key, value in asked.items() if value is not None}
    with tellapart.Project.create(check(asked)) as project:
        with watching(quiet or json) as watch:
            found = project.collect(watch)
        if json:
            emit({"project": project.name, **found})
            return
        rows = [(label, part.get("ok", 0)) for label, part in found["classes"].items()]
        write(table(rows, header=("class", "pictures")))
        for note in found["notes"]:
            tell(note)
        write(f"next: {program()} package {project.name}")


def labels(
    name: Project,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="FILE", help="List, or catalog where it is .sqlite."),
    ] = Path("labels.csv"),
    bars: Annotated[
        bool,
        typer.Option("--bars", help="Bars for quotes and NO first, as the older program wrote it."),
    ] = False,
    with_attributes: Annotated[
        bool,
        typer.Option("--with-attributes", help="Estimated ages and sexes go into the catalog."),
    ] = False,
    json: Json = False,
) -> None:
    """Write each picture's path and class: labels.csv, or the older program's catalog."""
    with tellapart.Project.open(name) as project:
        written = project.write_labels(out, bars=bars, attributes=with_attributes)
    if json:
        emit({"file": str(written.file), "rows": written.rows})
        return
    tell(", ".join(f"{word}: {number}" for word, number in written.rows.items()) or "no rows")
    write(str(written.file))
