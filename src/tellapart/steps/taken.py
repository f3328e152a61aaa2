"""Pictures of another project: referenced where they lie, as that project decided on them."""

from __future__ import annotations

from dataclasses import fields

from tellapart.catalog import Catalog, NewPicture, PictureRow
from tellapart.errors import DataError, InputError
from tellapart.steps import StepContext

SOURCE = "project"
_COPIED = tuple(
    each.name
    for each in fields(NewPicture)
    if each.name not in ("source", "key", "query", "rank", "position", "status", "reason")
)


def pairs(context: StepContext) -> dict[str, tuple[NewPicture, PictureRow]]:
    """The other project's kept pictures by the id they have here: as they come in, as they are
    there.

    Raises `NotFoundError` where there is no such project, `InputError` for the project itself,
    `DataError` where that project has no picture that is kept and split.
    """
    name = context.recipe.from_project or ""
    if name == context.catalog.name:
        raise InputError(
            f"The project {name!r} takes its pictures from itself.",
            expected="the name of another project: `data: project:NAME`",
            do="List the projects: tellapart list",
        )
    other = Catalog.open(context.catalog.engine, name, context.catalog.owner)
    rows = [row for row in other.pictures(status="ok", kept=True) if row.split]
    if not rows:
        raise DataError(
            f"The project {name!r} has no pictures that are kept and split.",
            expected="a project of pictures that was collected, curated and split",
            do=f"Run `tellapart split {name}` first (after collect and curate).",
        )
    found = {}
    for rank, row in enumerate(rows):
        values = {field: getattr(row, field) for field in _COPIED}
        new = NewPicture(source=SOURCE, key=row.id, rank=rank, status="ok", **values)
        found[context.catalog.id_of(new)] = (new, row)
    return found
