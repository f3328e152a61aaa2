"""Verbs that show: list, show, path."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

import tellapart
from tellapart.cli import results
from tellapart.cli.console import emit, emit_each, program, table, write
from tellapart.cli.options import Json, Project
from tellapart.datasets import FACTS

if TYPE_CHECKING:
    from tellapart.catalog import PictureRow


def list_(json: Json = False) -> None:
    """List all projects."""
    found = [_overview(tellapart.Project.open(name)) for name in tellapart.Project.names()]
    if json:
        emit({"projects": found})
    elif found:
        write(
            table(
                [
                    (
                        item["name"],
                        len(item["classes"]),
                        item["kept"],
                        item["version"] or "-",
                        _percent(item["accuracy"]),
                    )
                    for item in found
                ],
                header=("name", "classes", "kept", "version", "accuracy"),
            )
        )
    else:
        write(f"No projects yet. next: {program()} make apple pear")


def show(
    name: Project,
    pictures: Annotated[
        bool,
        typer.Option(
            "--pictures", help="List every picture, or row of a table, with what became of it."
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Show a project: classes, pictures, versions; with --pictures every picture and why."""
    project = tellapart.Project.open(name)
    kind = project.recipe.data_kind
    if pictures:
        (_rows if kind == "table" else _pictures)(project, json)
        return
    counts = project.counts()
    versions = project.versions()
    if json:
        from tellapart.recipe import canonical

        emit(
            {
                "name": name,
                "folder": str(project.folder),
                "recipe": canonical(project.recipe),
                "pictures": counts,
                "versions": [asdict(version) for version in versions],
            }
        )
        return
    lines = [name, results.pictures(counts, kind)]
    lines += results.failures(counts)
    lines.append(
        table(
            [
                (f"  {label}", part["found"], part["kept"], part["set_aside"])
                for label, part in counts.get("classes", {}).items()
            ],
            header=("  class", "found", "kept", "set aside"),
        )
    )
    lines.append(_by_source(counts.get("sources", {})))
    for version in versions:
        held = "" if version.file else " (withdrawn: it held what was forgotten)"
        lines.append(f"version {version.version}: {results.accuracy(version.metrics, kind)}{held}")
    if any(version.file for version in versions):
        lines.append(f"report: {results.report(name)}")
        lines.append(f"bundle: {project.bundle_path}")
    lines.append(f"folder: {project.folder}")
    if kind != "arrays":
        lines.append(f"next: {program()} show {name} --pictures")
    write("\n".join(line for line in lines if line))


def _by_source(given: Mapping[str, Mapping[str, int]]) -> str:
    """Which source gave what; nothing where there is only one."""
    if len(given) < 2:
        return ""
    rows = [
        (f"  {name}", part["found"], part["kept"], part["not_had"]) for name, part in given.items()
    ]
    return table(rows, header=("  source", "found", "kept", "not to be had"))


def path(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A project, for its own folder.")
    ] = None,
    json: Json = False,
) -> None:
    """Print where everything is kept: TELLAPART_HOME, or one project's folder."""
    settings = tellapart.Settings.from_env()
    found = settings.home if name is None else tellapart.Project.open(name).folder
    if not json:
        write(str(found))
        return
    places: dict[str, object] = {"home": settings.home, "database": _database(settings)}
    places |= {"files": settings.files_dir, "projects": settings.projects_dir}
    places |= {"cache": settings.cache_dir, "path": found}
    emit({key: str(place) for key, place in places.items()})


def _database(settings: tellapart.Settings) -> object:
    """The database's file, or its URL without the password."""
    if settings.database_url is None:
        return settings.database_path
    from tellapart.store.database import url_of

    return url_of(settings).render_as_string(hide_password=True)


def picture_row(row: PictureRow, settings: Any) -> dict[str, Any]:
    """One picture as `show NAME --pictures --json` gives it.

    `path`: where its file lies, empty where there is none; `reason`: why it is not kept, else
    empty.
    """
    where = row.path
    if not where and row.sha256 and row.status == "ok":
        where = str(settings.files_dir / row.sha256[:2] / row.sha256)
    return {
        "id": row.id,
        "path": where,
        "class": row.label,
        "kept": row.kept if row.status == "ok" else False,
        "reason": row.verdict if row.status == "ok" else row.reason or row.status,
        "status": row.status,
        "split": row.split if row.kept else "",
        "source": row.source,
        "query": row.query,
        "rank": row.rank,
        "page_url": row.page_url,
        "file_url": row.file_url,
        "creator": row.creator,
        "title": row.title,
        "license": row.license,
        "license_version": row.license_version,
        "license_url": row.license_url,
        "sha256": row.sha256,
        "width": row.width,
        "height": row.height,
        "overruled": row.overruled,
        "detail": row.detail,
    }


def _pictures(project: tellapart.Project, as_json: bool) -> None:
    rows = (picture_row(row, project.settings) for row in project.each_picture())
    if as_json:
        emit_each(rows)
        return
    write(
        table(
            [
                (
                    row["id"],
                    row["class"],
                    _KEPT[row["kept"]],
                    row["reason"],
                    row["split"],
                    row["path"] or row["file_url"],
                )
                for row in rows
            ],
            header=("id", "class", "kept", "reason", "split", "path"),
        )
    )


def _rows(project: tellapart.Project, as_json: bool) -> None:
    """Every row of a table, by its number in the file, counted from 0."""
    context = project.context()
    with contextlib.closing(context):
        found: list[dict[str, Any]] = [
            {
                "number": row.number,
                "class": row.label,
                "kept": row.kept,
                "reason": row.reason,
                "split": row.split if row.kept else "",
                "cells": row.cells,
            }
            for row in context.catalog.rows()
        ]
    if as_json:
        emit(found)
        return
    write(
        table(
            [
                (
                    row["number"],
                    row["class"],
                    _KEPT[row["kept"]],
                    row["reason"],
                    row["split"],
                    _cells(row["cells"]),
                )
                for row in found
            ],
            header=("number", "class", "kept", "reason", "split", "cells"),
        )
    )


_KEPT: dict[object, str] = {True: "kept", False: "set aside", None: "not curated"}


def _cells(cells: Sequence[str | None]) -> str:
    text = ", ".join(cell or "" for cell in cells)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _overview(project: tellapart.Project) -> dict[str, Any]:
    counts, versions, recipe = project.counts(), project.versions(), project.recipe
    known = FACTS[recipe.dataset].classes if recipe.dataset is not None else ()
    return {
        "name": project.name,
        "classes": sorted(counts.get("classes", {})) or list(recipe.labels or known),
        "found": counts.get("found", 0),
        "kept": counts.get("kept", 0),
        "version": versions[-1].version if versions else None,
        "accuracy": versions[-1].metrics.get("accuracy") if versions else None,
        "folder": str(project.folder),
    }


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
