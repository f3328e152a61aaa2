"""Runs: queueing, watching as they go, ending."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response
from starlette.responses import JSONResponse

from tellapart.rest import events, shapes
from tellapart.rest.auth import Reading, Writing
from tellapart.rest.paging import After, Limit, listed
from tellapart.rest.projects import Name
from tellapart.rest.shapes import Listed, RunIn, RunOut
from tellapart.runtime.desk import Desk

router = APIRouter(tags=["runs"])
Id = Annotated[str, Path(pattern=r"^r_[0-9a-z]{1,40}$", description="A run's id.")]
#: The same key gives the same run, however often the request is sent.
Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200)]
STEPS = ("collect", "curate", "split", "train", "evaluate", "compile", "package")


@router.post("/runs", status_code=202, response_model=RunOut)
def submit(desk: Writing, given: RunIn, response: Response, key: Key = None) -> Any:
    """Queue a run of a recipe or old spec, or once more of a project."""
    run = desk.submit(
        given.recipe,
        project=given.project,
        upto=given.upto,
        key=key,
        email=given.email,
        webhook=given.webhook,
        test_picture=given.test_picture,
    )
    response.headers["Location"] = f"/api/v1/runs/{run.id}"
    return shapes.run(run)


@router.get("/runs", response_model=Listed[RunOut])
def list_runs(
    desk: Reading,
    project: Annotated[str | None, Query(max_length=64)] = None,
    state: Annotated[list[str] | None, Query(max_length=5)] = None,
    limit: Limit = 50,
    after: After = None,
) -> Any:
    """The account's runs, newest first."""
    page = desk.runs(project=project, states=state or (), limit=limit, after=after)
    return listed([shapes.run(run) for run in page.items], page.next)


@router.get("/runs/{id}", response_model=RunOut)
def show_run(desk: Reading, id: Id) -> Any:
    """One run as it stands."""
    return shapes.run(desk.run(id))


_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"text/event-stream": {"schema": {"type": "string"}}, "application/json": {}},
        "description": "With `Accept: text/event-stream` events as they come until the run ends; "
        "else a list of those so far.",
    }
}


@router.get("/runs/{id}/events", response_class=Response, responses=_EVENTS)
async def show_events(
    desk: Reading,
    id: Id,
    request: Request,
    after: Annotated[int, Query(ge=0, le=2**53, description="The last one seen.")] = 0,
    limit: Annotated[int, Query(ge=1, le=5000)] = 500,
) -> Any:
    """What happened to a run. A stream goes on after `Last-Event-ID`."""
    if "text/event-stream" in request.headers.get("accept", ""):
        await asyncio.to_thread(desk.run, id)
        start = events.started_after(request, after)
        return events.stream(request, desk, id, start, request.app.state.streams)
    found = await asyncio.to_thread(desk.events, id, after, limit)
    following = str(found[-1].seq) if len(found) == limit else None
    return JSONResponse(listed([event.to_dict() for event in found], following))


@router.post("/runs/{id}/cancel", status_code=202, response_model=RunOut)
def cancel(desk: Writing, id: Id) -> Any:
    """End a run, also amid a step; what its steps have done stays."""
    return shapes.run(desk.cancel(id))


@router.post("/runs/{id}/stop", status_code=202, response_model=RunOut)
def stop(desk: Writing, id: Id) -> Any:
    """End its training now and go on with what was learned."""
    return shapes.run(desk.stop(id))


@router.post("/runs/{id}/retry", status_code=202, response_model=RunOut)
def retry(desk: Writing, id: Id) -> Any:
    """Queue a failed or cancelled run again: it goes on from its last finished step."""
    return shapes.run(desk.retry(id))


def _step_route(step: str) -> None:
    def walk(desk: Writing, project: Name, response: Response, key: Key = None) -> Any:
        return _walked(desk, project, step, response, key)

    router.add_api_route(
        f"/projects/{{project}}/{step}",
        walk,
        methods=["POST"],
        status_code=202,
        response_model=RunOut,
        name=step,
        operation_id=step,
        description=f"Queue a run of the project up to the step `{step}`.",
    )


def _walked(desk: Desk, project: str, step: str, response: Response, key: str | None) -> Any:
    run = desk.submit(project=project, upto=step, key=key)
    response.headers["Location"] = f"/api/v1/runs/{run.id}"
    return shapes.run(run)


for _step in STEPS:
    _step_route(_step)
