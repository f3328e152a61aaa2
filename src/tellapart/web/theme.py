"""What every page's head holds: our sheet and script, the theme before the first paint."""

from __future__ import annotations

import hashlib
from functools import cache
from html import escape
from pathlib import Path

ASSETS = Path(__file__).parent / "assets"
#: Where the folder of assets is served.
ROUTE = "/assets"

#: Our sign: two groups of dots, told apart.
MARK = (
    '<svg viewBox="0 0 24 24" fill="none" aria-hidden="true">'
    '<circle cx="6.2" cy="7" r="3.2" fill="currentColor"/>'
    '<circle cx="6.2" cy="17" r="3.2" fill="currentColor"/>'
    '<circle cx="17.8" cy="7" r="2.4" stroke="currentColor" stroke-width="1.6"/>'
    '<circle cx="17.8" cy="17" r="2.4" stroke="currentColor" stroke-width="1.6"/>'
    '<path d="M12 2.5v19" stroke="currentColor" stroke-width="1.6" stroke-linecap="round"/></svg>'
)
FAVICON = MARK.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" color="#0e7c86" ')


@cache
def address(name: str) -> str:
    """The address of an asset, with its content's hash: it may be kept for ever."""
    digest = hashlib.sha256((ASSETS / name).read_bytes()).hexdigest()[:12]
    return f"{ROUTE}/{name}?v={digest}"


def head(*, csrf: str = "", offline: str = "", assets: tuple[str, ...] = ()) -> str:
    """The head's HTML: the base sheet and script, then a page's own `assets` (.css, .js)."""
    lines = [
        f'<meta name="csrf" content="{escape(csrf)}">',
        f'<meta name="offline" content="{escape(offline)}">',
        '<meta name="theme-color" content="#fbfbf9" media="(prefers-color-scheme: light)">',
        '<meta name="theme-color" content="#14181b" media="(prefers-color-scheme: dark)">',
    ]
    for name in ("app.css", "app.js", *assets):
        if name.endswith(".css"):
            lines.append(f'<link rel="stylesheet" href="{address(name)}">')
        else:
            lines.append(f'<script src="{address(name)}"></script>')
    return "\n".join(lines)
