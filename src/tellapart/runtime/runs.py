"""Runs as the faces see them: ask for one, watch it, end it. No worker is needed to look."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import sqlalchemy as sa

from tellapart.runtime.shapes import Event, Request, Run, State
from tellapart.settings import Settings


class Runs:
    """The queue, and what became of its runs. Threads and processes may share it."""

    def __init__(self, engine: sa.Engine, settings: Settings) -> None:
        self.engine = engine
        self.settings = settings

    def submit(self, request: Request) -> Run:
        """Queue a run; the same `owner` and `key` again give the run that there is.

        Raises `RecipeError` for a wrong recipe, `NotFoundError` for an unknown project or step,
        `InputError` for a test picture that is too large. Nothing is queued then.
        """
        raise NotImplementedError

    def get(self, id: str) -> Run:
        """Raises `NotFoundError`."""
        raise NotImplementedError

    def list(
        self,
        *,
        owner: str | None = None,
        project: str | None = None,
        states: Sequence[State] = (),
        limit: int = 50,
        after: str | None = None,
    ) -> list[Run]:
        """Runs, newest first; `after`: those older than this id. `owner` None: everybody's."""
        raise NotImplementedError

    def cancel(self, id: str) -> Run:
        """End a run, also amid a step; what is done is kept. An ended run stays as it is."""
        raise NotImplementedError

    def stop(self, id: str) -> Run:
        """End the training now and go on with what was learned, up to the bundle.

        Raises `InputError` where nothing is being trained that can be stopped.
        """
        raise NotImplementedError

    def retry(self, id: str) -> Run:
        """Queue a failed or cancelled run again; it goes on from its last finished step.

        Raises `InputError` where it is neither.
        """
        raise NotImplementedError

    def events(self, id: str, *, after: int = 0, limit: int = 500) -> list[Event]:
        """Events with a greater `seq` than `after`, oldest first. Raises `NotFoundError`."""
        raise NotImplementedError

    async def follow(self, id: str, *, after: int = 0) -> AsyncIterator[Event]:
        """Events as they come, from any process's work; ends with the run.

        Raises `NotFoundError`.
        """
        await asyncio.sleep(0)
        raise NotImplementedError
        yield

    def overview(self) -> dict[str, Any]:
        """What goes on: `queued`, `running` (counts), `workers` (each `id`, `host`, `runs`,
        `at_once`, `silent_s`), `errors` (of the last failed runs), `mail`."""
        raise NotImplementedError

    def delete(self, *, owner: str | None = None, id: str | None = None) -> int:
        """Forget one run, or all of an owner's, with events and test pictures; how many.

        Those under way are cancelled and forgotten as soon as they have ended.
        """
        raise NotImplementedError
