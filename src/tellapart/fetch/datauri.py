"""`data:` URIs (RFC 2397): a picture in the address itself."""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import unquote_to_bytes

from tellapart.fetch.reasons import problem, shorten

_BLANKS = re.compile(rb"[\t\n\f\r ]+")


def is_data(url: str) -> bool:
    return url.lstrip()[:5].lower() == "data:"


def decode(uri: str, max_bytes: int) -> bytes:
    """Return the bytes of a `data:` URI, base64 or percent-encoded, at most `max_bytes` of them.

    Missing base64 padding is forgiven, as browsers do. Raises `FetchError` (`bad_url`,
    `too_large`).
    """
    head, comma, body = uri.lstrip().partition(",")
    if not comma:
        raise problem("bad_url", f"The data: URI {shorten(uri)!r} has no comma.")
    # Three characters a byte at worst: refuse before decoding what cannot fit in any case.
    if len(body) > 4 * max_bytes + 1024:
        raise _too_large(uri, max_bytes)
    try:
        data = unquote_to_bytes(body)
    except UnicodeError as error:
        raise problem("bad_url", f"The data: URI {shorten(uri)!r} is broken: {error}.") from None
    if head.rstrip().lower().endswith(";base64"):
        plain = _BLANKS.sub(b"", data).rstrip(b"=")
        try:
            data = base64.b64decode(plain + b"=" * (-len(plain) % 4), validate=True)
        except binascii.Error as error:
            raise problem(
                "bad_url", f"The data: URI {shorten(uri)!r} is not valid base64: {error}."
            ) from None
    if len(data) > max_bytes:
        raise _too_large(uri, max_bytes)
    return data


def _too_large(uri: str, max_bytes: int) -> Exception:
    return problem(
        "too_large", f"The data: URI {shorten(uri)!r} holds more than {max_bytes:,} bytes."
    )
