"""Addresses that mail may be sent to: one plain address, safe in a header."""

from __future__ import annotations

import re

from tellapart.errors import InputError

_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
)


def checked(address: str) -> str:
    """One address, its domain in lower case and as DNS spells it.

    No names, comments, lists, quotes or line ends: what is returned can be put into a header and
    into an SMTP command as it is. Raises `InputError`.
    """
    local, _, domain = address.strip().rpartition("@")
    try:
        domain = domain.encode("idna").decode("ascii").lower() if domain else ""
    except UnicodeError:
        domain = ""
    if (
        len(local) > 64
        or len(domain) > 253
        or not _LOCAL.fullmatch(local)
        or not _DOMAIN.fullmatch(domain)
    ):
        raise InputError(
            f"{address[:100]!r} is no e-mail address that mail can be sent to.",
            expected="one address such as you@example.org",
            do="Correct the address.",
        )
    return f"{local}@{domain}"
