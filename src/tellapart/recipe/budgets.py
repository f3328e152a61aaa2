"""How much time a command may take, as people write it: `90s`, `5m`, `1h30m`, or seconds."""

from __future__ import annotations

import re

from pydantic_core import PydanticCustomError

SHORTEST, LONGEST = 1.0, 30 * 86_400.0
_UNITS = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_PART = r"(?:(\d{1,9}(?:\.\d{1,9})?)\s*%s)?"
_FORM = re.compile(r"\s*".join(_PART % unit for unit in _UNITS))
_NUMBER = re.compile(r"\d{1,9}(?:\.\d{1,9})?")


def seconds(value: object) -> float | None:
    """Seconds that `value` means, whether within the limits or not; None where it means none.

    A bare number is seconds; `d`, `h`, `m` and `s` may be joined in this order (`1h30m`).
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if abs(value) <= LONGEST * 2 else None
    if not isinstance(value, str):
        return None
    text = value.strip().lower()
    if _NUMBER.fullmatch(text):
        return float(text)
    match = _FORM.fullmatch(text)
    if match is None or not any(match.groups()):
        return None
    parts = zip(match.groups(), _UNITS.values(), strict=True)
    return sum(float(number) * unit for number, unit in parts if number)


def read(value: object) -> float:
    """As `seconds`, for the schema: what cannot be read or lies beyond the limits is refused."""
    found = seconds(value)
    if found is None or not SHORTEST <= found <= LONGEST:
        raise PydanticCustomError("not_a_time", "no time such as 90s, 5m or 2h")
    return found
