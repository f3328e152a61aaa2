"""`runs …`: the queue from the server's own terminal, everybody's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from tellapart.cli.console import emit, table, tell, write
from tellapart.cli.options import Json, Quiet
from tellapart.errors import InputError

if TYPE_CHECKING:
    from tellapart.runtime import Run, Runs

Id = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or its first characters.")]
_STATES = ("queued", "running", "done", "failed", "cancelled")


def list_(
    project: Annotated[
        str | None, typer.Option("--project", metavar="NAME", help="Only runs of this project.")
    ] = None,
    state: Annotated[
        str | None,
        typer.Option("--state", metavar="WORD", help=f"Only these: {', '.join(_STATES)}."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", help="At most so many.")] = 50,
    json: Json = False,
) -> None:
    """List runs, the newest first."""
    if state is not None and state not in _STATES:
        raise InputError(
            f"--state is {state!r}.", expected=f"one of {', '.join(_STATES)}", do="Correct it."
        )
    states = (state,) if state else ()
    with opened() as runs:
        found = runs.list(project=project, states=states, limit=limit)  # type: ignore[arg-type]
    if json:
        emit({"runs": [run.to_dict() for run in found]})
        return
    header = ("run", "project", "state", "step", "asked")
    write(table([row(run) for run in found], header) if found else "no runs")


def show(run: Id, json: Json = False) -> None:
    """Show one run: its steps, its result or what went wrong."""
    with opened() as runs:
        found = whole(runs, run)
    if json:
        emit(found.to_dict())
        return
    write(f"{found.id}  {found.project}  {found.state}")
    rows = [
        (step.name, step.state, _count(step.done, step.total), _took(step.seconds), step.note)
        for step in found.steps
    ]
    write(table(rows, ("step", "state", "done", "took", "")))
    if found.left_s is not None:
        write(f"about {found.left_s:.0f} s left")
    if found.error:
        write(f"error: {found.error['what']}\n  expected: {found.error['expected']}")
        write(f"  do next:  {found.error['do']}")
    if found.result:
        accuracy = found.result["metrics"].get("accuracy")
        said = "" if accuracy is None else f", accuracy {accuracy:.3f}"
        write(f"version {found.result['version']}{said}")
    if found.verdict:
        said = found.verdict.get("label") or found.verdict.get("error", {}).get("what")
        write(f"test picture: {said or 'none of these'}")
    if found.notify:
        told = ", ".join(found.notify.values())
        write(f"told: {told}" + (f" ({found.mail})" if found.mail else ""))


def cancel(run: Id, json: Json = False) -> None:
    """End a run, also amid a step; what is done is kept."""
    with opened() as runs:
        _said(runs.cancel(whole(runs, run).id), json)


def stop(run: Id, json: Json = False) -> None:
    """End a run's training now and go on with what was learned, up to the bundle."""
    with opened() as runs:
        _said(runs.stop(whole(runs, run).id), json)


def retry(run: Id, json: Json = False) -> None:
    """Queue a failed or cancelled run again; it goes on from its last finished step."""
    with opened() as runs:
        _said(runs.retry(whole(runs, run).id), json)


def follow(run: Id, quiet: Quiet = False, json: Json = False) -> None:
    """Watch a run until it ends, from its beginning; Ctrl-C ends the watching alone.

    With --json each event is one line, and the run itself the last one.
    """
    from tellapart.cli.following import Follower

    with opened() as runs:
        found = whole(runs, run)
        with Follower(quiet or json) as follower:

            async def watch() -> None:
                async for event in runs.follow(found.id):
                    if json:
                        emit(event.to_dict())
                    follower.take(event.to_dict())

            asyncio.run(watch())
        ended = runs.get(found.id)
    if json:
        emit(ended.to_dict())
    else:
        tell(f"{ended.id} is {ended.state}")
    follower.conclude(ended.to_dict())


@contextlib.contextmanager
def opened() -> Iterator[Runs]:
    """The queue of this home or of TELLAPART_DATABASE_URL."""
    from tellapart.runtime import Runs
    from tellapart.settings import Settings
    from tellapart.store.database import open_database

    settings = Settings.from_env()
    engine = open_database(settings)
    try:
        yield Runs(engine, settings)
    finally:
        engine.dispose()


def whole(runs: Runs, start: str) -> Run:
    """The run whose id begins so. Raises `NotFoundError`, `InputError` where several do."""
    if len(start) >= 22:
        return runs.get(start)
    found = [run for run in runs.list(limit=1000) if run.id.startswith(start)]
    if len(found) > 1:
        raise InputError(
            f"{len(found)} runs begin with {start!r}.",
            expected="enough characters to tell one",
            do="Write more of the id: tellapart runs list",
        )
    return found[0] if found else runs.get(start)


def row(run: Run) -> tuple[str, str, str, str, str]:
    """A run in a list."""
    state = f"{run.state} ({run.ahead} before)" if run.state == "queued" else run.state
    name = f"{run.owner}/{run.project}" if run.owner else run.project
    return run.id, name, state, run.step or "-", run.created


def _said(run: Run, json: bool) -> None:
    if json:
        emit(run.to_dict())
    else:
        write(f"{run.id} is {run.state}" + (f", to {run.asked}" if run.asked else ""))


def _count(done: int, total: int | None) -> str:
    return f"{done}/{total}" if total is not None else str(done or "")


def _took(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f} s"
