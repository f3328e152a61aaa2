"""Talking to a deck's service: politely, with its token, and without ever repeating either.

No message holds what the service said: an answer may echo the token.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from tellapart.doors import DeckContext
from tellapart.errors import (
    CredentialError,
    FetchError,
    InputError,
    RateLimitedError,
    SchemaChangedError,
    ServiceError,
)
from tellapart.fetch import Sent
from tellapart.fetch.guard import Guard
from tellapart.fetch.politeness import retry_after

#: Seconds that one request may take.
_SECONDS = 20.0
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_ ]{0,39}")
_TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")


class Service:
    """One account at one service. `header` carries its token; `{}` in it stands for the token."""

    def __init__(
        self,
        context: DeckContext,
        base: str,
        *,
        name: str,
        token: str = "",
        header: tuple[str, str] = ("authorization", "Bearer {}"),
        pause: float = 0.0,
    ) -> None:
        if token:
            _check_private(context, base)
        self.base = base.rstrip("/")
        self.name = name
        self._context = context
        self._token = token
        self._headers = {header[0]: header[1].format(token)} if token else {}
        self._pause = pause
        self._seconds = min(_SECONDS, context.settings.fetch_timeout)
        self._free_at = 0.0

    @property
    def headers(self) -> Mapping[str, str]:
        """What proves who asks; for this service's own addresses alone."""
        return self._headers

    async def pace(self) -> None:
        """Wait until `pause` seconds have passed since the last answer."""
        await asyncio.sleep(max(0.0, self._free_at - asyncio.get_running_loop().time()))

    async def read(self, path: str, params: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """Ask for `path` and return its JSON object. Raises `ServiceError` and its kinds."""
        await self.pace()
        address = path if not params else f"{path}?{urlencode(params)}"
        sent = await self._send("GET", address, None)
        if sent.status == 0 or sent.error is not None:
            reason = sent.error.reason if sent.error is not None else "connection"
            raise self.failed(reason, "gave no complete answer")
        if not 200 <= sent.status < 300:
            raise self.failed(f"http_{sent.status}", f"answered with status {sent.status}")
        value = readable(sent)
        if value is None:
            raise self.failed("garbage", "answered with something that is not JSON")
        if not isinstance(value, Mapping):
            raise self.changed(f"answered /{path} with {type(value).__name__}, not an object")
        return value

    async def act(self, method: str, path: str, json: object = None) -> Sent:
        """Send one request that does something: once, at once.

        Raises `ServiceError` where it was surely not done: nothing was sent, or 401, 403, 429.
        """
        return await self._send(method, path, json)

    async def _send(self, method: str, path: str, json: object) -> Sent:
        loop = asyncio.get_running_loop()
        try:
            sent = await self._context.fetcher.send(
                f"{self.base}/{path}",
                method=method,
                json=json,
                headers=self._headers,
                seconds=self._seconds,
            )
        except FetchError as error:
            raise self._unreached(error) from None
        finally:
            self._free_at = loop.time() + self._pause
        self.refuse(sent.status, sent.headers)
        return sent

    def refuse(self, status: int, headers: Mapping[str, str]) -> None:
        """Raise for what asks for a person: 401, 403, 429."""
        if status == 401:
            raise CredentialError(
                f"The service of {self.name!r} refuses the token (HTTP 401).",
                expected="a token that is valid now",
                do="Get a new token from the service and store it; then switch the deck on again.",
                reason="http_401",
            )
        if status in (403, 429):
            raise self.limited(status, retry_after(headers.get("retry-after")))

    def limited(self, status: int | str, seconds: float | None = None) -> RateLimitedError:
        """The service wants fewer requests, or none; no way around it is tried."""
        wait = f" It asks for {seconds:,.0f} s of rest." if seconds else ""
        return RateLimitedError(
            f"The service of {self.name!r} says to stop ({status}).{wait}",
            expected="a service that accepts requests of this account",
            do="Look at the account with the service's own app; wait before the deck is switched "
            "on again, and make its turns rarer.",
            reason=f"http_{status}" if isinstance(status, int) else str(status),
            retry_after=seconds,
        )

    def failed(self, reason: str, words: str) -> ServiceError:
        """The service is not well; the next turn may fare better."""
        return ServiceError(
            self.redacted(f"The service of {self.name!r} {words}."),
            expected="a complete answer in JSON",
            do="Nothing: the next turn asks again. If it goes on, look at the service.",
            reason=reason,
        )

    def changed(self, words: str) -> SchemaChangedError:
        """The service answers in a shape that is not known."""
        return SchemaChangedError(
            self.redacted(f"The service of {self.name!r} {words}."),
            expected="the shapes that this version knows",
            do="Upgrade Tellapart, or leave the deck off until somebody has looked at it.",
            reason="schema_changed",
        )

    def word(self, value: object) -> str:
        """A short word that a service gives as a reason; empty for anything else."""
        usable = isinstance(value, str) and _WORD.fullmatch(value)
        return self.redacted(str(value)).lower() if usable else ""

    def redacted(self, words: str) -> str:
        """`words` without the token, in whatever way it got in."""
        for secret in {self._token, quote(self._token, safe="")} - {""}:
            words = words.replace(secret, "…")
        return words

    def _unreached(self, error: FetchError) -> ServiceError:
        """Nothing was sent: no connection, no such name, or an address that is not allowed."""
        return ServiceError(
            self.redacted(f"The service of {self.name!r} was not asked: {error.what}"),
            expected=error.expected,
            do=error.do,
            reason=error.reason,
        )


def _check_private(context: DeckContext, base: str) -> None:
    """Raise `InputError` where a token would cross the internet in the clear."""
    parts = urlsplit(base)
    own = Guard(context.settings.allow_hosts).is_open(parts.hostname or "", parts.port or 80)
    if parts.scheme != "https" and not own:
        raise InputError(
            "The deck's token would go to its service without encryption (http:).",
            expected="an https: address, or a host of your own in TELLAPART_ALLOW_HOSTS",
            do="Use the service's https: address.",
        )


def readable(sent: Sent) -> Any:
    """The JSON of an answer; None where it holds none."""
    try:
        return sent.json()
    except FetchError:
        return None


def token(secrets: Mapping[str, str], name: str, where: str, *, required: bool) -> str:
    """A secret that can be sent in a header. Raises `CredentialError`, which never quotes it."""
    value = secrets.get(name, "").strip()
    if not value and not required:
        return ""
    if not _TOKEN.fullmatch(value):
        what = "is not one that can be sent" if value else "is missing"
        raise CredentialError(
            f"The {name} of {where!r} {what}.",
            expected="a token as the service gives it: printable characters without blanks",
            do=f"Store it: tellapart deck credential DECK {name}.",
            reason="malformed" if value else "missing",
        )
    return value


def seconds_option(options: Mapping[str, Any], name: str, usual: float, least: float) -> float:
    """A pause in seconds from the options. Raises `InputError` below `least` or above an hour."""
    value = options.get(name)
    if value is None:
        return usual
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not least <= value <= 3600:
        raise InputError(
            f"The option {name!r} is {value!r}.",
            expected=f"seconds from {least:g} to 3600",
            do="Correct the deck's options.",
        )
    return float(value)
