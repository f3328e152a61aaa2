"""Versions of a project: figures, report, plots, side by side; why a picture is answered so."""

from __future__ import annotations

import base64
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from tellapart.rest import headers
from tellapart.rest.auth import Predicting, Reading
from tellapart.rest.projects import Name
from tellapart.rest.shapes import VersionOut
from tellapart.runtime.desk.models import version_number

router = APIRouter(prefix="/projects/{project}", tags=["versions"])
Number = Annotated[
    str, Path(pattern=r"^(latest|[0-9]{1,9})$", description="A version's number, or `latest`.")
]
_WHILE = "private, max-age=60"
_PNG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/png": {}}}}
_HTML: dict[int | str, dict[str, Any]] = {200: {"content": {"text/html": {}}}}


@router.get("/versions")
def list_versions(desk: Reading, project: Name) -> dict[str, list[VersionOut]]:
    """The packaged versions, newest first."""
    return {"items": [VersionOut(**one.to_dict()) for one in desk.versions(project)]}


@router.get("/compare")
def compare(
    desk: Reading,
    project: Name,
    first: Annotated[int, Query(ge=1, le=10**9)],
    second: Annotated[int, Query(ge=1, le=10**9)],
) -> dict[str, Any]:
    """Two versions side by side."""
    return desk.compare(project, first, second)


@router.get("/versions/{version}", response_model=VersionOut)
def show_version(desk: Reading, project: Name, version: Number) -> Any:
    """One version: its headline figures and what can be downloaded of it."""
    return desk.version(project, version_number(version)).to_dict()


@router.get("/versions/{version}/metrics")
def metrics(desk: Reading, project: Name, version: Number) -> dict[str, Any]:
    """All its figures."""
    return desk.metrics(project, version_number(version))


@router.get("/versions/{version}/manifest")
def manifest(desk: Reading, project: Name, version: Number) -> dict[str, Any]:
    """What its bundle says of itself."""
    return desk.manifest(project, version_number(version))


@router.get("/versions/{version}/report", response_class=Response, responses=_HTML)
def report(desk: Reading, project: Name, version: Number) -> Response:
    """Its report: one page that loads nothing."""
    page = desk.report(project, version_number(version))
    more = {"Content-Security-Policy": headers.REPORT, "Cache-Control": _WHILE}
    return Response(page, media_type="text/html; charset=utf-8", headers=more)


@router.get("/versions/{version}/plots")
def plots(desk: Reading, project: Name, version: Number) -> dict[str, list[str]]:
    """Names of its plots."""
    return {"items": desk.plots(project, version_number(version))}


@router.get("/versions/{version}/plots/{name}", response_class=Response, responses=_PNG)
def plot(
    desk: Reading,
    project: Name,
    version: Number,
    name: Annotated[str, Path(pattern=r"^[a-z0-9_]{1,80}\.png$")],
) -> Response:
    """One plot as PNG."""
    found = desk.plot(project, name, version_number(version))
    return Response(found, media_type="image/png", headers={"Cache-Control": _WHILE})


@router.post("/explain")
async def explain(
    desk: Predicting,
    project: Name,
    request: Request,
    label: Annotated[str | None, Query(max_length=200)] = None,
) -> dict[str, Any]:
    """Why the newest version answers the picture in the body as it does: `explanation`, and
    `picture`, the PNG with its heat map as a `data:` URI."""
    body = await request.body()
    found, picture = await run_in_threadpool(desk.explain, project, body, label)
    text = base64.b64encode(picture).decode()
    return {"explanation": found, "picture": f"data:image/png;base64,{text}"}
