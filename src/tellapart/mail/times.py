"""Times as texts and as seconds."""

from __future__ import annotations

from datetime import UTC, datetime


def stamp(at: float) -> str:
    """Seconds since 1970 as `2026-01-31T09:30:00Z`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(text: str) -> float:
    """`2026-01-31T09:30:00Z` as seconds since 1970."""
    return datetime.fromisoformat(text).timestamp()
