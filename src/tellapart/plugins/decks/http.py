"""A deck behind a small HTTP protocol of our own: see docs/deck-protocol.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from tellapart.doors import (
    Act,
    ActAnswer,
    Candidate,
    DeckContext,
    DeckOption,
    DeckPicture,
    DeckResult,
    DeckSecret,
    DeckSource,
)
from tellapart.errors import ExhaustedError, InputError
from tellapart.fetch import Sent
from tellapart.plugins.decks import facts
from tellapart.plugins.decks.asking import Service, readable, seconds_option, token
from tellapart.plugins.decks.local import MOST_PICTURES, picture

PROTOCOL = 1
#: Pages without a candidate that is new, and pages of results, after which no more is asked for.
_STALE_PAGES, _RESULT_PAGES = 20, 50
#: Statuses with which a service says that this act was not done.
_REFUSALS = frozenset((400, 404, 405, 409, 410, 413, 422))


class Http(DeckSource):
    """Asks the service at `url`: `GET deck`, `GET candidates`, `POST actions`, `GET results`."""

    name = "http"
    title = "A service (HTTP)"
    about = "Any service that speaks the deck protocol, such as one that you write."
    needs = (DeckSecret("token", "Token", "sent as `Authorization: Bearer …`", required=False),)
    options = (
        DeckOption("url", "Address", "the address under which `deck` lies", "url", required=True),
        DeckOption("pause", "Pause", "seconds between two requests", "number", default=0.0),
    )

    def __init__(self, context: DeckContext) -> None:
        super().__init__(context)
        self.check(context.options)
        self._service = Service(
            context,
            str(context.options["url"]),
            name=self.name,
            token=token(context.secrets, "token", self.name, required=False),
            pause=seconds_option(context.options, "pause", 0.0, 0.0),
        )
        self._people: bool | None = None
        self._begun = False
        self._after = ""
        self._waiting: list[Candidate] = []
        self._offered: set[str] = set()
        self._over = False

    @classmethod
    def check(cls, options: Mapping[str, Any]) -> None:
        super().check(options)
        seconds_option(options, "pause", 0.0, 0.0)
        try:
            parts = urlsplit(str(options["url"]))
            plain = not (parts.username or parts.password or parts.query or parts.fragment)
        except ValueError:
            plain = False
        if not plain or parts.scheme not in ("http", "https") or not parts.hostname:
            # Not quoted: what does not belong there may be a password.
            raise InputError(
                "The option 'url' of the deck source 'http' is no plain address.",
                expected="https://HOST/PATH, without a user name, `?` and `#`",
                do="Correct the address; a token is stored apart from it.",
            )

    async def next(self, limit: int) -> list[Candidate]:
        if not self._begun:
            await self._begin()
        stale = 0
        while len(self._waiting) < limit and not self._over and stale < _STALE_PAGES:
            found = await self._page(limit)
            self._waiting += found
            stale = 0 if found else stale + 1
        given, self._waiting = self._waiting[:limit], self._waiting[limit:]
        return given

    async def pace(self) -> None:
        await self._service.pace()

    async def act(self, ref: str, action: Act, key: str) -> ActAnswer:
        body = {"key": key, "candidate": ref, "action": action}
        return self._answered(await self._service.act("POST", "actions", body))

    async def has(self, ref: str, action: Act, key: str) -> ActAnswer:
        await self.pace()
        sent = await self._service.act("GET", f"actions/{quote(key, safe='')}")
        value = readable(sent)
        if (
            sent.status == 404
            and isinstance(value, Mapping)
            and value.get("error") == "no_such_key"
        ):
            return ActAnswer("refused", detail={"reason": "never_arrived"})
        if sent.status != 200:
            return ActAnswer("unknown", detail={"status": sent.status})
        # What was left then says nothing of now.
        left = self.likes_left, self.super_likes_left
        answer = self._answered(sent)
        self.likes_left, self.super_likes_left = left
        return replace(answer, likes_left=None, super_likes_left=None)

    async def results(self, since: datetime | None = None) -> list[DeckResult]:
        found: list[DeckResult] = []
        params = {} if since is None else {"since": since.astimezone(UTC).isoformat()}
        for _ in range(_RESULT_PAGES):
            value = await self._service.read("results", params)
            said = value.get("results")
            if not isinstance(said, list):
                raise self._service.changed("gave results without a list `results`")
            found += [result for item in said if (result := _result(item)) is not None]
            following = facts.text(value.get("next"), 2000)
            if not following or following == params.get("after"):
                break
            params["after"] = following
        return sorted(found, key=lambda result: result.at)

    async def picture(self, picture: DeckPicture) -> bytes:
        """Pictures of the service's own origin get its token, others get none and are asked for
        as everywhere: robots.txt and opt-outs hold there."""
        url = picture.file_url
        if not url or _origin(url) != _origin(self._service.base):
            return await super().picture(picture)
        fetched = await self.context.fetcher.get(
            url, headers=self._service.headers, robots=False, opt_out=False
        )
        return fetched.data

    async def _begin(self) -> None:
        value = await self._service.read("deck")
        if value.get("protocol") != PROTOCOL:
            raise self._service.changed(f"does not speak version {PROTOCOL} of the deck protocol")
        self._people = True if value.get("people") is True else None
        self._note(value)
        self._begun = True

    async def _page(self, limit: int) -> list[Candidate]:
        params: dict[str, Any] = {"limit": max(1, min(limit, 100))}
        if self._after:
            params["after"] = self._after
        value = await self._service.read("candidates", params)
        said = value.get("candidates")
        if not isinstance(said, list):
            raise self._service.changed("gave candidates without a list `candidates`")
        self._note(value)
        following = facts.text(value.get("next"), 2000)
        self._over = not following or following == self._after
        self._after = following
        made = [self._candidate(item) for item in said]
        if said and all(found is None for found in made):
            raise self._service.changed("gave candidates of which none has an `id`")
        new = facts.once(found for found in made if found is not None)
        known = self.context.known
        new = [c for c in new if c.ref not in self._offered and not facts.passed_over(c, known)]
        self._offered |= {c.ref for c in new}
        return new

    def _candidate(self, said: object) -> Candidate | None:
        ref = facts.ref(said.get("id")) if isinstance(said, Mapping) else ""
        if not isinstance(said, Mapping) or not ref:
            return None
        listed = said.get("pictures")
        made = facts.candidate(said, ref, self.context.now())
        # A missing list may be a changed service: `no pictures` must be said.
        problem = "" if isinstance(listed, list) else "no_list_of_pictures"
        items = listed[:MOST_PICTURES] if isinstance(listed, list) else []
        return replace(
            made,
            person=True if self._people else made.person,
            pictures=tuple(self._picture(item) for item in items),
            problem=problem,
        )

    def _picture(self, said: object) -> DeckPicture:
        found = picture(said, None, int(self.context.settings.max_download_mb * 1e6))
        if not found.file_url:
            return found
        try:
            return DeckPicture(file_url=urljoin(f"{self._service.base}/", found.file_url))
        except ValueError:
            return DeckPicture()

    def _answered(self, sent: Sent) -> ActAnswer:
        value = readable(sent)
        said = value if isinstance(value, Mapping) and sent.error is None else {}
        self._note(said)
        error = self._service.word(said.get("error"))
        if sent.status == 409 and error == "exhausted":
            raise ExhaustedError(
                f"The service of {self.name!r} takes no more of these acts for now.",
                expected="acts left",
                do="Nothing: the deck goes on when the service has some again.",
                reason="exhausted",
                retry_after=facts.number(said.get("retry_after")),
            )
        detail: dict[str, Any] = {"status": sent.status}
        if error:
            detail["reason"] = error
        if sent.status in (200, 201) and said.get("state") in ("done", "refused"):
            match = said.get("match")
            return ActAnswer(
                "done" if said["state"] == "done" else "refused",
                self.likes_left,
                self.super_likes_left,
                match if isinstance(match, bool) else None,
                detail,
            )
        if sent.status in _REFUSALS and error:
            return ActAnswer("refused", self.likes_left, self.super_likes_left, detail=detail)
        detail["reason"] = _why_unknown(sent)
        return ActAnswer("unknown", detail=detail)

    def _note(self, said: Mapping[str, Any]) -> None:
        likes, supers = (
            facts.count(said.get("likes_left")),
            facts.count(said.get("super_likes_left")),
        )
        self.likes_left = self.likes_left if likes is None else likes
        self.super_likes_left = self.super_likes_left if supers is None else supers


def _why_unknown(sent: Sent) -> str:
    if sent.error is not None:
        return sent.error.reason
    if not 200 <= sent.status < 300:
        return f"http_{sent.status}"
    try:
        json.loads(sent.data)
    except (ValueError, RecursionError):
        return "garbage"
    return "schema_changed"


def _result(said: object) -> DeckResult | None:
    if not isinstance(said, Mapping):
        return None
    ref, match = facts.ref(said.get("candidate")), said.get("match")
    action = said.get("action")
    at = moment(said.get("at"))
    if not ref or at is None:
        return None
    known: Act | None = action if action in ("like", "pass", "super_like") else None
    return DeckResult(ref, known, match if isinstance(match, bool) else None, at)


def moment(value: object) -> datetime | None:
    """A time in ISO 8601 with its zone; UTC where it names none."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
        if found is None:
            return None
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _origin(url: str) -> tuple[str, str, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme.lower())
        return parts.scheme.lower(), (parts.hostname or "").lower(), port
    except ValueError:
        return "", "", None
