"""Veto rules: one condition each on what is known of a candidate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tellapart.policy.facts import Facts
from tellapart.policy.schema import Policy, Veto
from tellapart.policy.wording import find

OWN = ("name", "bio", "age", "distance_km", "pictures")
_MAX_VALUES = 1000


def vetoed(policy: Policy, facts: Facts) -> Veto | None:
    """The first veto rule that holds; None: none does."""
    return next((veto for veto in policy.veto if holds(veto, facts)), None)


def holds(veto: Veto, facts: Facts) -> bool:
    """Whether the condition holds for any of the field's values."""
    kind, wanted = veto.condition
    values = [value for value in _values(facts, veto.field) if not _empty(value)]
    if kind == "missing":
        return (not values) is bool(wanted)
    return any(_TESTS[kind](value, wanted) for value in values)


def told(veto: Veto) -> str:
    """The rule in words, such as `price is above 1500`."""
    kind, wanted = veto.condition
    if kind == "missing":
        return f"{veto.field} is {'missing' if wanted else 'there'}"
    if kind in ("above", "below"):
        return f"{veto.field} is {kind} {wanted:.15g}"
    words = " or ".join(repr(word) if isinstance(word, str) else _plain(word) for word in wanted)
    return f"{veto.field} {'is' if kind == 'equals' else 'has'} {words}"


def _values(facts: Facts, path: str) -> Iterator[Any]:
    """All values at `path`; lists on the way are gone through."""
    if path in OWN and path not in facts.fields:
        yield getattr(facts, path)
        return
    if path in facts.fields:  # a name with dots in it
        found: list[Any] = [facts.fields[path]]
    else:
        found = [facts.fields]
        for step in path.split("."):
            found = [
                item[step] for item in _flat(found) if isinstance(item, Mapping) and step in item
            ]
    yield from _flat(found)


def _flat(values: list[Any]) -> list[Any]:
    """The items of lists in `values` beside the other values; not without end."""
    result: list[Any] = []
    for value in values:
        result.extend(value if isinstance(value, list | tuple) else [value])
    return result[:_MAX_VALUES]


def _empty(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _number(value: object) -> float | None:
    """A number, also one written as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _above(value: object, limit: float) -> bool:
    number = _number(value)
    return number is not None and number > limit


def _below(value: object, limit: float) -> bool:
    number = _number(value)
    return number is not None and number < limit


def _equals(value: object, wanted: tuple[object, ...]) -> bool:
    return any(_plain(value) == _plain(word) for word in wanted)


def _contains(value: object, words: tuple[str, ...]) -> bool:
    return isinstance(value, str) and find(words, value) is not None


def _plain(value: object) -> str:
    """Values as they are compared: without case, 5 as 5.0, true as the word."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:.15g}"
    return " ".join(str(value).casefold().split())


_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "above": _above,
    "below": _below,
    "equals": _equals,
    "contains": _contains,
}
