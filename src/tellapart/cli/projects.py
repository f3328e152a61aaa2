"""Verbs that show: list, show, path."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

import tellapart
from tellapart.cli import results
from tellapart.cli.console import emit, program, table, write
from tellapart.cli.options import Json, Project

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
        bool, typer.Option("--pictures", help="List every picture with what became of it.")
    ] = False,
    json: Json = False,
) -> None:
    """Show a project: classes, pictures, versions; with --pictures every picture and why."""
    project = tellapart.Project.open(name)
    if pictures:
        _pictures(project, json)
        return
    counts = project.counts()
    versions = project.versions()
    if json:
        emit(
            {
                "name": name,
                "folder": str(project.folder),
                "recipe": project.recipe.model_dump(mode="json"),
                "pictures": counts,
                "versions": [asdict(version) for version in versions],
            }
        )
        return
    lines = [name, results.pictures(counts)]
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
    for version in versions:
        lines.append(f"version {version.version}: {results.accuracy(version.metrics)}")
    if versions:
        lines.append(f"report: {results.report(name)}")
        lines.append(f"bundle: {project.bundle_path}")
    lines.append(f"folder: {project.folder}")
    lines.append(f"next: {program()} show {name} --pictures")
    write("\n".join(line for line in lines if line))


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
    places = {"home": settings.home, "database": settings.database_path}
    places |= {"files": settings.files_dir, "projects": settings.projects_dir}
    places |= {"cache": settings.cache_dir, "path": found}
    emit({key: str(place) for key, place in places.items()})


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
    rows = [picture_row(row, project.settings) for row in project.pictures()]
    if as_json:
        emit(rows)
        return
    words = {True: "kept", False: "set aside", None: "not curated"}
    write(
        table(
            [
                (
                    row["id"],
                    row["class"],
                    words[row["kept"]],
                    row["reason"],
                    row["split"],
                    row["path"] or row["file_url"],
                )
                for row in rows
            ],
            header=("id", "class", "kept", "reason", "split", "path"),
        )
    )


def _overview(project: tellapart.Project) -> dict[str, Any]:
    counts, versions = project.counts(), project.versions()
    return {
        "name": project.name,
        "classes": sorted(counts.get("classes", {})) or list(project.recipe.labels),
        "found": counts.get("found", 0),
        "kept": counts.get("kept", 0),
        "version": versions[-1].version if versions else None,
        "accuracy": versions[-1].metrics.get("accuracy") if versions else None,
        "folder": str(project.folder),
    }


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
