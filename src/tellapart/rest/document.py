"""The interface's document as a page for people: plain HTML, nothing loaded from anywhere."""

from __future__ import annotations

from html import escape
from typing import Any

from tellapart.rest.shapes import Error

#: What every route may answer beside its own.
ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Error, "description": "What was wrong, what was expected, what to do."},
    "5XX": {"model": Error, "description": "What failed, and what to do."},
}
_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code { font: .9em ui-monospace, monospace; overflow-wrap: anywhere; }
h2 { margin-top: 2.5rem; } dt { margin-top: .8rem; } dd { margin: 0 0 0 1rem; }
b { display: inline-block; min-width: 4rem; }
"""


def page(document: dict[str, Any]) -> str:
    """All addresses by their kind, with what they do."""
    groups: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            words = escape(told.get("description") or told.get("summary") or "")
            row = f"<dt><b>{method.upper()}</b> <code>{escape(path)}</code></dt><dd>{words}</dd>"
            groups.setdefault((told.get("tags") or ["other"])[0], []).append(row)
    body = "".join(
        f"<h2>{escape(name.capitalize())}</h2><dl>{''.join(rows)}</dl>"
        for name, rows in groups.items()
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>Tellapart: programming interface</title><style>{_STYLE}</style></head><body>"
        "<main><h1>Programming interface</h1><p>Described in full, with all parameters, in "
        '<a href="/openapi.json">/openapi.json</a>. Log in, or send '
        "<code>Authorization: Bearer ta_…</code> with a token from your account’s page.</p>"
        f"{body}</main></body></html>"
    )
