"""The page at `/docs`: how to ask the server, and a form to try it, all from this server."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from pathlib import Path

from tellapart.serving.request import Response

_PAGE = Path(__file__).parent / "page.html"


@functools.cache
def response() -> Response:
    """The page, with a policy that lets it load nothing and speak with this server alone."""
    data = _PAGE.read_bytes()
    allowed = {
        tag: " ".join(map(_hash, re.findall(rb"<%b>(.*?)</%b>" % (tag, tag), data, re.DOTALL)))
        for tag in (b"script", b"style")
    }
    policy = (
        f"default-src 'none'; script-src {allowed[b'script']}; style-src {allowed[b'style']}; "
        "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    headers = (
        (b"content-security-policy", policy.encode("ascii")),
        (b"referrer-policy", b"no-referrer"),
        (b"cache-control", b"no-cache"),
    )
    return Response(200, data, b"text/html; charset=utf-8", headers)


def _hash(text: bytes) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text).digest()).decode('ascii')}'"
