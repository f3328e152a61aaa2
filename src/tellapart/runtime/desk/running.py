"""Runs of an account: queueing, watching, cancelling."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tellapart.runtime.desk.base import Base
from tellapart.runtime.desk.shapes import Page

if TYPE_CHECKING:
    from tellapart.runtime import Event, Run


class Running(Base):
    """The queue as one account sees it."""

    def submit(
        self,
        recipe: Mapping[str, Any] | str | None = None,
        *,
        project: str | None = None,
        upto: str = "package",
        key: str | None = None,
        email: str = "",
        webhook: str = "",
        test_picture: bytes | str | None = None,
    ) -> Run:
        """Queue a run: of a new recipe or spec, or (`project`) once more of a project there is.

        `key`: the same key gives the same run, however often it is sent. `test_picture`: a
        picture's bytes, a URL or a `data:` URI to be judged at the end. `email`: where the mail
        goes; off a single-user server only the account's own confirmed address. Raises
        `RecipeError`, `InputError`, `PictureError`, and `RequestError` (403, 429) by quota.
        """
        raise NotImplementedError

    def runs(
        self,
        *,
        project: str | None = None,
        states: Sequence[str] = (),
        limit: int = 50,
        after: str | None = None,
    ) -> Page[Run]:
        """The account's runs, newest first."""
        raise NotImplementedError

    def run(self, id: str) -> Run:
        """One run of this account. Raises `NotFoundError`."""
        raise NotImplementedError

    def events(self, id: str, after: int = 0, limit: int = 500) -> list[Event]:
        """Events of a run with a number above `after`."""
        raise NotImplementedError

    async def follow(self, id: str, after: int = 0) -> AsyncIterator[Event]:
        """Events as they come, until the run has ended; never blocks the loop."""
        raise NotImplementedError
        yield

    def cancel(self, id: str) -> Run:
        """End a run, also amid a step. What its steps have done stays."""
        raise NotImplementedError

    def stop(self, id: str) -> Run:
        """End its training now, and go on with what was learned."""
        raise NotImplementedError

    def retry(self, id: str) -> Run:
        """Queue a failed or cancelled run again: it goes on from its last finished step."""
        raise NotImplementedError
