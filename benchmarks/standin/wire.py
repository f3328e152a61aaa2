"""HTTP as the stand-in service reads and writes it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


async def read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    parts = urlsplit(target)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    return Asked(method, parts.path, query, headers, body)


def written(status: int, value: Any, headers: Mapping[str, str] | None = None) -> bytes:
    is_bytes = isinstance(value, bytes)
    body = value if is_bytes else json.dumps(value).encode()
    kind = (
        "image/jpeg" if body[:2] == b"\xff\xd8" else "text/html" if is_bytes else "application/json"
    )
    lines = [f"HTTP/1.1 {status} Answer", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if status == 429:
        lines.append("Retry-After: 600")
    if status == 302:
        lines.append("Location: /like/somebody-else")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def understood(asked: Asked) -> tuple[str, str, str, str]:
    """(where, ref, action, key) of a request."""
    parts = [unquote(part) for part in asked.path.strip("/").split("/")]
    if parts[0] == "pictures":
        return "picture", "", "", ""
    if parts[:2] == ["deck", "v1"]:
        if parts[2:] == ["actions"] and asked.method == "POST":
            said = json.loads(asked.body)
            return "act", str(said["candidate"]), str(said["action"]), str(said["key"])
        if parts[2:3] == ["actions"]:
            return "has", "", "", parts[-1]
        return {"candidates": "next", "results": "results"}.get(parts[2], "other"), "", "", ""
    if asked.path == "/v2/recs/core":
        return "next", "", "", ""
    if asked.path == "/v2/matches":
        return "results", "", "", ""
    if parts[0] in ("like", "pass") and len(parts) == 2:
        return "act", parts[1], parts[0], ""
    if parts[0] == "like" and parts[2:] == ["super"]:
        return "act", parts[1], "super_like", ""
    return "other", "", "", ""
