"""Headers that browsers are to obey, on every answer that has none of its own."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Scope, Send

from tellapart.runtime.entrance import Access

#: What pages may load and do: everything from here. The pages' library writes small scripts and
#: styles into its page and builds functions from text.
PAGES = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "connect-src 'self' ws: wss:",
        "font-src 'self' data:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
#: What data may do that is looked at by itself, such as a stranger's picture: nothing.
DATA = "default-src 'none'; frame-ancestors 'none'; sandbox"
#: A report: its own styles and pictures; pages of ours may frame it.
REPORT = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "frame-ancestors 'self'; sandbox allow-popups"
)
_HSTS = "max-age=31536000"


def guarded(scope: Scope, send: Send, access: Access) -> Send:
    """`send` that adds them."""
    api = scope["path"].startswith("/api/")

    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            found = MutableHeaders(scope=message)
            found.setdefault("Content-Security-Policy", DATA if api else PAGES)
            found.setdefault("X-Content-Type-Options", "nosniff")
            found.setdefault("Referrer-Policy", "same-origin")
            found.setdefault("Cross-Origin-Opener-Policy", "same-origin")
            found.setdefault("Cross-Origin-Resource-Policy", "same-origin")
            found.setdefault("Permissions-Policy", "camera=(self), microphone=(), geolocation=()")
            if "frame-ancestors 'none'" in found["Content-Security-Policy"]:
                found.setdefault("X-Frame-Options", "DENY")
            if api:
                found.setdefault("Cache-Control", "no-store")
            if access.secure:
                found.setdefault("Strict-Transport-Security", _HSTS)
        await send(message)

    return with_headers
