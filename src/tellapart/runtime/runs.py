"""Runs as the faces see them: ask for one, watch it, end it. No worker is needed to look."""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import shutil
import time
from collections.abc import AsyncIterator, Collection, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tellapart import chain, registry
from tellapart.errors import InputError
from tellapart.runtime import queue, reading
from tellapart.runtime.shapes import (
    CHAIN,
    ENDED,
    TURN,
    Event,
    Request,
    Run,
    RunKind,
    State,
    Step,
    new_id,
    now,
)
from tellapart.settings import Settings
from tellapart.store import database
from tellapart.store.files import write_file
from tellapart.store.inserting import insert_new
from tellapart.store.schema_runs import run_events, runs

#: Bytes of a test picture.
MOST_PICTURE = 25_000_000
#: Seconds between two looks of `follow`.
_LOOK_S = 0.3
#: Seconds after which a folder without a row belongs to no run that is just being asked for.
_ORPHAN_S = 86_400.0
_c = runs.c


class Runs:
    """The queue, and what became of its runs. Threads and processes may share it."""

    def __init__(self, engine: sa.Engine, settings: Settings) -> None:
        self.engine = engine
        self.settings = settings
        self._reader = reading.Reader(engine)

    # -- asking for one ---------------------------------------------------------------------

    def submit(self, request: Request) -> Run:
        """Queue a run; the same `owner` and `key` again give the run that there is.

        Raises `RecipeError` for a wrong recipe, `NotFoundError` for an unknown project or step,
        `InputError` for a test picture that is too large. Nothing is queued then.
        """
        names = TURN if request.kind in TURN else chain.plan(request.upto)
        project = self._project(request)
        picture = request.test_picture
        if picture is not None and request.upto == chain.ORDER[-1]:
            names = (*names, "judge")
        id = new_id()
        row = {
            "id": id,
            "owner": request.owner,
            "project": project,
            "kind": request.kind,
            "upto": request.upto,
            "key": request.key or None,
            "recipe": dict(request.recipe),
            "notify": {key: value for key, value in request.notify.items() if value},
            "test_picture": self._keep_picture(id, picture),
            "at_once": request.at_once,
            "state": "queued",
            "steps": reading.unbegun(names),
            "created_at": now(),
        }
        with database.writing(self.engine) as connection:
            if insert_new(connection, runs, row):
                queue.append(connection, id, "state", {"state": "queued"})
                return self._reader.get(connection, id)
            again = (_c.owner == request.owner) & (_c.key == request.key)
            there = connection.scalar(sa.select(_c.id).where(again))
        shutil.rmtree(folder(self.settings, id), ignore_errors=True)
        return self.get(str(there))

    def _project(self, request: Request) -> str:
        """The name of the request's project."""
        from tellapart.catalog import Catalog
        from tellapart.recipe import check

        if request.kind in TURN:
            return request.project
        if request.kind == "retrain":
            return Catalog.open(self.engine, request.project, request.owner).name
        return check(dict(request.recipe), sources=registry.names("source")).name

    def _keep_picture(self, id: str, picture: bytes | str | None) -> str:
        """Put the test picture into the run's folder; an address stands in the row itself."""
        if picture is None:
            return ""
        if isinstance(picture, str) and not picture.startswith("data:"):
            return picture
        data = picture.encode() if isinstance(picture, str) else picture
        if not 0 < len(data) <= MOST_PICTURE:
            raise InputError(
                f"The test picture has {len(data)} bytes.",
                expected=f"1 to {MOST_PICTURE} bytes",
                do="Send a smaller picture.",
            )
        write_file(folder(self.settings, id) / "test", data)
        return "file"

    # -- looking ----------------------------------------------------------------------------

    def get(self, id: str) -> Run:
        """Raises `NotFoundError`."""
        with database.reading(self.engine) as connection:
            return self._reader.get(connection, id)

    def list(
        self,
        *,
        owner: str | None = None,
        project: str | None = None,
        states: Sequence[State] = (),
        kinds: Sequence[RunKind] = CHAIN,
        limit: int = 50,
        after: str | None = None,
    ) -> list[Run]:
        """Runs, newest first; `after`: those older than this id. `owner` None: everybody's.
        Turns of decks only where `kinds` names them."""
        conditions = [~_c.forget, _c.kind.in_(kinds)]
        if owner is not None:
            conditions.append(_c.owner == owner)
        if project is not None:
            conditions.append(_c.project == project)
        if states:
            conditions.append(_c.state.in_(states))
        if after:
            conditions.append(_c.id < after)
        with database.reading(self.engine) as connection:
            return self._reader.list(connection, conditions, limit)

    def find(self, owner: str, key: str) -> Run | None:
        """The run that `owner` asked for under this key; None: there is none."""
        wanted = (_c.owner == owner) & (_c.key == key)
        with database.reading(self.engine) as connection:
            found = self._reader.list(connection, [wanted], 1)
        return found[0] if found else None

    def count(self, *, owner: str, states: Sequence[State] = (), since: str = "") -> int:
        """How many runs an owner has, of some states, queued since a time (as in `created`);
        turns of decks are none."""
        mine = (_c.owner == owner, _c.kind.in_(CHAIN), _c.created_at >= since)
        query = sa.select(sa.func.count()).where(*mine)
        if states:
            query = query.where(_c.state.in_(states))
        with database.reading(self.engine) as connection:
            return int(connection.scalar(query) or 0)

    def events(self, id: str, *, after: int = 0, limit: int = 500) -> builtins.list[Event]:
        """Events with a greater `seq` than `after`, oldest first. Raises `NotFoundError`."""
        with database.reading(self.engine) as connection:
            if connection.scalar(sa.select(_c.id).where(_c.id == id)) is None:
                raise reading.missing(id)
            return reading.events(connection, id, after, limit)

    async def follow(self, id: str, *, after: int = 0) -> AsyncIterator[Event]:
        """Events as they come, from any process's work; ends with the run.

        Raises `NotFoundError`; a run that is deleted meanwhile has ended.
        """
        await asyncio.to_thread(self.get, id)
        while True:
            ended, found = await asyncio.to_thread(self._look, id, after)
            for event in found:
                after = event.seq
                yield event
            if ended and not found:
                return
            if not found:
                await asyncio.sleep(_LOOK_S)

    def _look(self, id: str, after: int) -> tuple[bool, builtins.list[Event]]:
        with database.reading(self.engine) as connection:
            row = connection.execute(sa.select(_c.state, _c.last_seq).where(_c.id == id)).first()
            if row is None:
                return True, []
            found = reading.events(connection, id, after, 500) if row.last_seq > after else []
            return row.state in ENDED, found

    def overview(self) -> dict[str, Any]:
        """What goes on: `queued`, `running` (counts), `workers` (each `id`, `host`, `pid`,
        `runs`, `at_once`, `silent_s`), `errors` (of the last failed runs: `id`, `owner`,
        `project`, `what`, `ended`)."""
        with database.reading(self.engine) as connection:
            return reading.overview(connection)

    # -- deciding ---------------------------------------------------------------------------

    def cancel(self, id: str) -> Run:
        """End a run, also amid a step; what is done is kept. An ended run stays as it is.

        One under way ends within moments: until then its `asked` is `cancel`.
        """
        with queue.changing_hands(self.engine) as connection:
            row = self._row(connection, id)
            if row.state == "queued" or (
                row.state == "running" and not queue.alive(connection, row.worker)
            ):
                steps = [_rested(step) for step in row.steps]
                values = {"state": "cancelled", "ended_at": now(), "worker": "", "steps": steps}
                queue.append(connection, id, "state", {"state": "cancelled"}, values=values)
            elif row.state == "running" and not row.cancel_asked:
                queue.append(
                    connection,
                    id,
                    "log",
                    {"text": "to be cancelled"},
                    values={"cancel_asked": True},
                )
            return self._reader.get(connection, id)

    def stop(self, id: str) -> Run:
        """End the training now and go on with what was learned, up to the bundle.

        Raises `InputError` where nothing is being trained that can be stopped.
        """
        with queue.changing_hands(self.engine) as connection:
            run = self._reader.get(connection, id)
            if run.state != "running" or run.step != "train":
                state = f"is at {run.step}" if run.step else f"is {run.state}"
                raise InputError(
                    f"The run {id!r} {state}: nothing is being trained.",
                    expected="a run that is training",
                    do="Wait for its training, or cancel the run.",
                )
            if run.asked != "stop":
                values = {"stop_asked": True}
                data = {"text": "to stop training"}
                queue.append(connection, id, "log", data, step="train", values=values)
            return self._reader.get(connection, id)

    def retry(self, id: str) -> Run:
        """Queue a failed or cancelled run again; it goes on from its last finished step.

        Raises `InputError` where it is neither.
        """
        with queue.changing_hands(self.engine) as connection:
            row = self._row(connection, id)
            if row.state not in ("failed", "cancelled"):
                raise InputError(
                    f"The run {id!r} is {row.state}.",
                    expected="a run that failed or was cancelled",
                    do="Ask for a new run instead.",
                )
            values = {
                "state": "queued",
                "steps": [_rested(step) for step in row.steps],
                "error": None,
                "ended_at": "",
                "cuts": 0,
                "retries": _c.retries + 1,
                "retried": True,
                "cancel_asked": False,
                "stop_asked": False,
            }
            queue.append(connection, id, "state", {"state": "queued"}, values=values)
            return self._reader.get(connection, id)

    def delete(self, *, owner: str | None = None, id: str | None = None) -> int:
        """Forget one run, or all of an owner's, with events and test pictures; how many.

        Those under way are cancelled and forgotten as soon as they have ended.
        """
        if (owner is None) == (id is None):
            raise ValueError("either an owner or an id")
        condition = _c.owner == owner if id is None else _c.id == id
        with queue.changing_hands(self.engine) as connection:
            found = connection.execute(sa.select(_c.id, _c.state, _c.worker).where(condition)).all()
            for row in found:
                if row.state == "running" and queue.alive(connection, row.worker):
                    asked = runs.update().where(_c.id == row.id)
                    connection.execute(asked.values(cancel_asked=True, forget=True))
                else:
                    forget(connection, self.settings, row.id)
        return len(found)

    def _row(self, connection: sa.Connection, id: str) -> Any:
        row = connection.execute(sa.select(runs).where(_c.id == id)).first()
        if row is None:
            raise reading.missing(id)
        return row


def folder(settings: Settings, id: str) -> Path:
    """What belongs to one run alone."""
    return settings.home / "runs" / id


def forget(connection: sa.Connection, settings: Settings, id: str) -> None:
    """Delete a run's row, its events and its folder."""
    connection.execute(run_events.delete().where(run_events.c.run_id == id))
    connection.execute(runs.delete().where(_c.id == id))
    shutil.rmtree(folder(settings, id), ignore_errors=True)


def sweep(settings: Settings, known: Collection[str]) -> None:
    """Remove what lies in folders of runs that no row names: a crash left it before the row."""
    before = time.time() - _ORPHAN_S
    with contextlib.suppress(OSError):
        for one in (settings.home / "runs").iterdir():
            if one.name not in known and one.stat().st_mtime < before:
                shutil.rmtree(one, ignore_errors=True)


def _rested(step: dict[str, Any]) -> dict[str, Any]:
    """A step that is not under way any more, as one to be taken."""
    if step["state"] == "done":
        return step
    return {**vars(Step(step["name"]))}
