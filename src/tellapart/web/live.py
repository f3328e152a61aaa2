"""What open pages are told: the house's health, and a run's events as they come."""

from __future__ import annotations

from tellapart.runtime.desk.shapes import Health
from tellapart.web.visit import Visit

#: Seconds for which one look at the house serves all pages.
_FRESH = 10.0
_seen: dict[str, tuple[float, Health]] = {}


def health(visit: Visit) -> list[str]:
    """Warnings for the banner, at most ten seconds old."""
    return []
