"""Signed, expiring texts: links in mails, downloads without a log-in.

`read` believes only what `sign` made for the same purpose under the server's key. The text is
readable by whoever has it: it holds ids, never secrets.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from tellapart.errors import RequestError
from tellapart.settings import Settings
from tellapart.store.keys import Keys

#: Characters of a signed text that are looked at: it must fit into a URL.
LONGEST = 2048


class Signer:
    """Signs with the server's key; needs no database."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.time) -> None:
        self._keys = Keys(settings)
        self._clock = clock

    def sign(self, purpose: str, data: Mapping[str, Any], expires: float) -> str:
        """`data` (JSON-able) as a text for URLs, valid for `expires` seconds."""
        until = int(self._clock() + expires)
        payload = json.dumps([until, dict(data)], separators=(",", ":"), sort_keys=True)
        text = _encode(payload.encode())
        if len(text) > LONGEST - 44:
            raise ValueError(f"{len(text)} characters are too long for a signed text")
        return f"{text}.{self._seal(purpose, text)[0]}"

    def read(self, purpose: str, text: str) -> dict[str, Any]:
        """What was signed. Raises `RequestError`: forged (403) or expired (410)."""
        payload, _, seal = text[: LONGEST + 1].partition(".")
        # Compared as it was written: another spelling of the same bytes is not believed either.
        given = seal.encode("utf-8", "replace")
        if len(text) > LONGEST or not any(
            hmac.compare_digest(given, own.encode()) for own in self._seal(purpose, payload)
        ):
            raise RequestError(
                "This link was not made by this server, or a part of it is missing.",
                expected="a link as it was sent, whole",
                do="Copy the whole link; or ask for a new one.",
                status=403,
            )
        until, data = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        if self._clock() >= until:
            raise RequestError(
                "This link has expired.",
                expected="a link that is used in time",
                do="Ask for a new one.",
                status=410,
            )
        return dict(data)

    def _seal(self, purpose: str, text: str) -> list[str]:
        keys = self._keys.derive(f"link {purpose}")
        sealed = text.encode("utf-8", "replace")
        return [_encode(hmac.digest(key, sealed, hashlib.sha256)) for key in keys]


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")
