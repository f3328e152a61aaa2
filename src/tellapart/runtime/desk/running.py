"""Runs of an account: queueing, watching, cancelling."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from urllib.parse import urlsplit

from tellapart import images
from tellapart.catalog import owners
from tellapart.errors import InputError, NotFoundError, RequestError
from tellapart.recipe import Recipe, asked, check, with_changes
from tellapart.runtime import uploads
from tellapart.runtime.desk.projects import Projects
from tellapart.runtime.desk.shapes import Page
from tellapart.runtime.shapes import ENDED, Event, Request, Run, State, iso

STATES: tuple[State, ...] = ("queued", "running", *ENDED)
#: Runs on one page at most, and of one account in the queue at most.
MOST_ON_A_PAGE, MOST_WAITING = 200, 100
_MAX_URL = 4096


class Running(Projects):
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
        """Queue a run: of a recipe or spec, or (`project`) once more of a project there is.

        With `project`, `recipe` holds changes to what it was asked, often none. `key`: the same
        key gives the same run, however often it is sent. `test_picture`: a picture's bytes, a
        URL, a `data:` URI or `upload:ID` to be judged at the end. `email`: where the mail goes;
        off a single-user server only the account's own confirmed address. Raises `RecipeError`,
        `InputError`, `PictureError`, and `RequestError` (403, 429) by quota.
        """
        if project is None:
            if recipe is None:
                raise InputError(
                    "Neither a recipe nor a project is named.",
                    expected="`recipe` (what is to be told apart), or `project` (one there is)",
                    do="Send one of the two.",
                )
            wanted = self._checked(recipe)
            values: Mapping[str, Any] = asked(wanted)
        else:
            values = uploads.resolve(self._changes(recipe), self.uploads)
            stored = asked(self.open(project).recipe)
            wanted = self._confined(check(with_changes(stored, values), base=self.uploads))
        if key and (known := self._runs.find(self.settings.owner, key)) is not None:
            return self._shown(known)  # asked for before: no quota counts it twice
        notify = self._notify(email, webhook)
        picture = self._judged(test_picture)
        self._room_for(wanted)
        run = self._runs.submit(
            Request(
                recipe=values,
                owner=self.settings.owner,
                kind="make" if project is None else "retrain",
                project=project or "",
                upto=upto,
                key=key or "",
                notify=notify,
                test_picture=picture,
                at_once=self.account.quota.runs_at_once or 0,
            )
        )
        self._memory.forget((self.settings.owner, run.project))
        return self._shown(run)

    def runs(
        self,
        *,
        project: str | None = None,
        states: Sequence[str] = (),
        limit: int = 50,
        after: str | None = None,
    ) -> Page[Run]:
        """The account's runs, newest first; `after`: the id of the last one seen."""
        for state in states:
            if state not in STATES:
                raise InputError(
                    f"There is no state {state!r}.",
                    expected=f"some of {', '.join(STATES)}",
                    do="Correct the word.",
                )
        limit = min(max(1, limit), MOST_ON_A_PAGE)
        found = self._runs.list(
            owner=self.settings.owner,
            project=project,
            states=cast("Sequence[State]", states),
            limit=limit + 1,
            after=after,
        )
        shown = [self._shown(run) for run in found[:limit]]
        return Page(shown, found[limit - 1].id if len(found) > limit else None)

    def run(self, id: str) -> Run:
        """One run of this account. Raises `NotFoundError`."""
        try:
            run = self._runs.get(id)
        except NotFoundError:
            run = None
        if run is None or run.owner != self.settings.owner:
            # The same words for both: whether somebody else has it is nobody's business.
            raise NotFoundError(
                f"There is no run {id!r}.",
                expected="the id of a run of this account, such as r_0k3q…",
                do="List the runs.",
            )
        return self._shown(run)

    def events(self, id: str, after: int = 0, limit: int = 500) -> list[Event]:
        """Events of a run with a number above `after`, oldest first."""
        self.run(id)
        return self._runs.events(id, after=max(0, after), limit=min(max(1, limit), 5000))

    async def follow(self, id: str, after: int = 0) -> AsyncIterator[Event]:
        """Events as they come, until the run has ended; never blocks the loop."""
        await asyncio.to_thread(self.run, id)
        async for event in self._runs.follow(id, after=max(0, after)):
            yield event

    def cancel(self, id: str) -> Run:
        """End a run, also amid a step. What its steps have done stays."""
        return self._shown(self._runs.cancel(self.run(id).id))

    def stop(self, id: str) -> Run:
        """End its training now, and go on with what was learned."""
        return self._shown(self._runs.stop(self.run(id).id))

    def retry(self, id: str) -> Run:
        """Queue a failed or cancelled run again: it goes on from its last finished step."""
        return self._shown(self._runs.retry(self.run(id).id))

    # -- inside -----------------------------------------------------------------------------

    def _shown(self, run: Run) -> Run:
        """A run as people see it: with `upload:ID` instead of the server's path."""
        return replace(run, recipe=uploads.hide(run.recipe, self.uploads))

    def _changes(self, recipe: Mapping[str, Any] | str | None) -> Mapping[str, Any]:
        if recipe is None:
            return {}
        if isinstance(recipe, str):
            raise InputError(
                "The changes to a project's recipe are a text.",
                expected="a mapping of keys, such as `{per_class: 200}`",
                do="Send `recipe` as an object beside `project`.",
            )
        return recipe

    def _judged(self, picture: bytes | str | None) -> bytes | str | None:
        """The picture that is to be judged, if it may be one: told now, not after the training."""
        if isinstance(picture, str) and picture.startswith("upload:"):
            picture = uploads.read(self.uploads, picture.removeprefix("upload:"))
        if isinstance(picture, bytes):
            images.probe(picture)
            return picture
        if picture is None or not (picture := picture.strip()):
            return None
        if not picture.startswith("data:"):
            _require_web(picture, "test picture")
        return picture

    def _notify(self, email: str, webhook: str) -> dict[str, str]:
        notify = {}
        if email := email.strip():
            mine = self.account.confirmed and email.casefold() == self.account.email.casefold()
            if not self.single_user and not mine:
                raise InputError(
                    f"The mail would go to {email!r}.",
                    expected="the confirmed address of this account",
                    do="Confirm the address on the account's page, or leave `email` out.",
                )
            notify["email"] = email
        if webhook := webhook.strip():
            _require_web(webhook, "webhook")
            notify["webhook"] = webhook
        return notify

    def _room_for(self, recipe: Recipe) -> None:
        """Refuse what would pass a quota before it is queued."""
        owner, quota = self.settings.owner, self.account.quota
        waiting = self._runs.count(owner=owner, states=("queued",))
        if waiting >= MOST_WAITING:
            raise RequestError(
                f"{waiting} runs of this account are waiting.",
                expected=f"at most {MOST_WAITING} in the queue",
                do="Wait for some to end, or cancel some.",
                status=429,
                retry_after=60,
            )
        since = iso(datetime.now(UTC) - timedelta(days=1))
        quota.check("runs_a_day", self._runs.count(owner=owner, since=since))
        if quota.pictures is None and quota.disk_mb is None:
            return
        held = owners.holdings(self.engine, owner)
        quota.check("disk_mb", (held["bytes"] + self._disk_bytes()) / 1e6)
        if recipe.data is None and recipe.data_kind == "pictures":
            known = self._known(recipe)
            more = recipe.per_class * len(recipe.classes)
            quota.check("pictures", held["pictures"], max(0, more - known))

    def _known(self, recipe: Recipe) -> int:
        """Pictures that the project of a recipe holds already."""
        if not owners.projects(self.engine, self.settings.owner, limit=1, name=recipe.name)[0]:
            return 0
        return int(self.counts(recipe.name)["found"])


def _require_web(url: str, what: str) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and len(url) < _MAX_URL
    except ValueError:
        good = False
    if not good:
        raise InputError(
            f"The {what} is {url[:200]!r}.",
            expected="an address that begins with http:// or https://",
            do="Correct the address, or leave it out.",
        )
