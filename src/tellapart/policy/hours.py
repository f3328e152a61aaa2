"""Quiet hours: times of day by the clock of one time zone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo


def quiet(hours: Sequence[str], zone: str, now: datetime) -> str | None:
    """The span of `hours` (`23:00-07:00`) that `now` lies in, its end not counted; None: none."""
    if not hours:
        return None
    if now.tzinfo is None:
        now = now.replace(tzinfo=UTC)
    local = now.astimezone(zone_of(zone))
    minute = local.hour * 60 + local.minute
    for span in hours:
        first, last = (_minutes(word) for word in span.split("-"))
        inside = first <= minute < last if first < last else minute >= first or minute < last
        if inside:
            return span
    return None


def zone_of(name: str) -> tzinfo:
    """The time zone called `name`; UTC needs no list of zones. Raises what `ZoneInfo` raises."""
    return UTC if name == "UTC" else ZoneInfo(name)


def _minutes(word: str) -> int:
    hour, minute = word.split(":")
    return int(hour) * 60 + int(minute)
