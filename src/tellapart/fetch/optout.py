"""Headers by which a picture's owner says: not for training.

`X-Robots-Tag: noai, noimageai`, for all or for a named agent (`tellapart: noai`), and the
`tdm-reservation: 1` of the W3C's TDM Reservation Protocol (a reservation in the sense of
article 4 of the EU directive 2019/790).
"""

from __future__ import annotations

from collections.abc import Sequence

from tellapart.fetch.robots import AGENT

_NO = frozenset(("noai", "noimageai"))
#: Directives that have a value of their own behind a colon, so that the word is no agent's name.
_VALUED = frozenset(("max-snippet", "max-image-preview", "max-video-preview", "unavailable_after"))


def opted_out(headers: Sequence[tuple[bytes, bytes]]) -> str | None:
    """Return the header that opts out, as it was sent, or `None`. Names in any case."""
    for name, value in headers:
        lowered = name.lower()
        if lowered == b"x-robots-tag":
            text = value.decode("latin-1")
            if _forbids(text):
                return f"X-Robots-Tag: {text}"
        elif lowered == b"tdm-reservation" and value.strip() == b"1":
            return "tdm-reservation: 1"
    return None


def _forbids(value: str) -> bool:
    for_us = True
    for part in value.lower().split(","):
        word = part.strip()
        agent, colon, directive = word.partition(":")
        if colon and agent.strip() not in _VALUED:
            # From here on the header speaks to this agent, until another is named.
            for_us = agent.strip() in (AGENT, "*")
            word = directive.strip()
        if for_us and word in _NO:
            return True
    return False
