"""Bundles that had it: listed, removed, served no longer; their projects begin anew."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from pathlib import Path

import sqlalchemy as sa

from tellapart.catalog.base import chunks
from tellapart.forgetting.certificate import Withdrawn
from tellapart.forgetting.order import Order
from tellapart.forgetting.searching import Search
from tellapart.store import database, schema

_v = schema.versions.c
#: Members of a bundle that name the pictures it was made with.
_NAMING = (".csv", ".json", ".jsonl", ".html", ".md", ".txt")
_BLOCK = 1 << 20


def see(order: Order) -> None:
    """Add the projects whose rows know nothing of it any more, and whose bundles have it."""
    projects = schema.projects.c
    query = (
        sa.select(projects.id, projects.owner, projects.name, _v.file)
        .join(schema.versions, _v.project_id == projects.id)
        .where(order.traces.owners(), _v.file != "")
    )
    with database.reading(order.engine) as connection:
        rows = connection.execute(query).all()
    for id, owner, name, file in rows:
        known = int(id) in order.traces.projects
        if not known and had(order.project(owner, name) / "versions" / file, order.search):
            order.traces.projects[int(id)] = (owner, name)


def withdraw(order: Order) -> dict[str, int]:
    """Remove the zips that had it. Their numbers stay taken: the version's row names no file."""
    gone = 0
    for project, (owner, name) in sorted(order.traces.projects.items()):
        folder = order.project(owner, name) / "versions"
        with database.reading(order.engine) as connection:
            mine = sa.select(_v.version, _v.file).where(_v.project_id == project, _v.file != "")
            known = [(int(version), str(file)) for version, file in connection.execute(mine)]
        for version, file in sorted(known):
            path = folder / file
            if order.traces.kind != "user" and not had(path, order.search):
                continue
            digest = _sha256(path)
            order.withdrawn.append(Withdrawn(owner, name, version, file, digest))
            path.unlink(missing_ok=True)
            which = (_v.project_id == project, _v.version == version)
            with order.writing() as connection:
                # What was measured stays; what the version was made of must be made anew.
                values = {"file": "", "fingerprint": ""}
                connection.execute(schema.versions.update().where(*which).values(**values))
            gone += 1
        # Of a run that was killed.
        shutil.rmtree(folder / ".unverified", ignore_errors=True)
    return {"withdrawn": gone} if gone else {}


def begin_anew(order: Order) -> dict[str, int]:
    """Drop what the projects' steps left: features' heads, checkpoints, plots, reports."""
    projects = order.traces.projects
    gone = 0
    for owner, name in sorted(projects.values()):
        folder = order.project(owner, name)
        if (folder / "work").is_dir():
            shutil.rmtree(folder / "work")
            gone += 1
        order.begin_anew.add(f"{owner}/{name}" if owner else name)
    table = schema.steps
    rows = 0
    with order.writing() as connection:
        for part in chunks(sorted(projects)):
            done = connection.execute(table.delete().where(table.c.project_id.in_(part)))
            rows += done.rowcount
    return {key: number for key, number in (("folders", gone), ("steps", rows)) if number}


def had(path: Path, search: Search) -> bool:
    """Whether a bundle names what is looked for; one that cannot be read is taken to."""
    if not path.is_file():
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if search.inside(member.filename.encode()):
                    return True
                if member.filename.endswith(_NAMING) and search.inside(archive.read(member)):
                    return True
    except (zipfile.BadZipFile, OSError, NotImplementedError):
        return True
    return False


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError:
        return ""
    return digest.hexdigest()
