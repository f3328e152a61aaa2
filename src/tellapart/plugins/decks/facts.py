"""What a stranger's JSON says about a candidate, cleaned: nothing absurd is believed."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from tellapart.doors import Candidate

ADULT = 18
#: Nobody is older; what says so is a mistake.
OLDEST = 120
#: Dates that programs write where they know none.
_NO_DATES = frozenset((date(1, 1, 1), date(1900, 1, 1), date(1970, 1, 1)))
#: The clock of the last place on earth where a day begins: nobody is a year older too early.
_LAST_PLACE = timedelta(hours=12)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?![\d-])")
_KM_A_MILE = 1.609344
_MOST_FIELDS, _MOST_ITEMS = 100, 100


def text(value: object, most: int = 5000) -> str:
    """`value` where it is text, without control characters and lone surrogates; else empty."""
    if not isinstance(value, str):
        return ""
    kept = (c for c in value[: 2 * most] if c == "\n" or unicodedata.category(c) not in _BAD)
    return "".join(kept).strip()[:most]


_BAD = ("Cc", "Cs")


def ref(value: object) -> str:
    """A candidate's own id: 1 to 200 printable characters; empty where there is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    usable = isinstance(value, str) and value.isprintable() and value == value.strip()
    return value if usable and 1 <= len(value) <= 200 else ""  # type: ignore[return-value, arg-type]


def number(value: object) -> float | None:
    """A finite number, from 0 up."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) and found >= 0 else None


def count(value: object) -> int | None:
    """A whole number from 0 up, as services tell what is left."""
    found = number(value)
    return int(found) if found is not None and found == int(found) and found < 10**9 else None


def first(new: int | None, old: int | None) -> int | None:
    """What was said last: `new`, else what was known before."""
    return old if new is None else new


def distance_km(said: Mapping[str, Any]) -> float | None:
    """From `distance_km`, else from `distance_mi`."""
    km, miles = number(said.get("distance_km")), number(said.get("distance_mi"))
    if km is None and miles is not None:
        km = miles * _KM_A_MILE
    return None if km is None or km > 50_000 else round(km, 2)


def birth_date(value: object) -> date | None:
    """A whole date at the start of an ISO 8601 text; None for a part of one and for a filler."""
    if not isinstance(value, str) or not _DATE.match(value):
        return None
    try:
        born = date.fromisoformat(value[:10])
    except ValueError:
        return None
    return None if born in _NO_DATES else born


def full_years(born: date, now: datetime) -> int | None:
    """Birthdays since `born`; None for a birth in the future or too long ago.

    A child of 29 February has its birthday on 1 March in other years.
    """
    today = (now - _LAST_PLACE).date()
    years = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    return years if 0 <= years <= OLDEST else None


def age(declared: object, born: date | None, now: datetime, *, given: bool = False) -> int | None:
    """The declared age in full years, from a number, a date of birth or both.

    None where nothing is declared, where it is absurd, and where the two differ by more than a
    year; else the lower of them. `given`: a date of birth was written, readable or not.
    """
    number_says = _years(declared)
    date_says = None if born is None else full_years(born, now)
    if declared is not None and number_says is None:
        return None
    if given and date_says is None:
        return None
    if number_says is None or date_says is None:
        return date_says if number_says is None else number_says
    return min(number_says, date_says) if abs(number_says - date_says) <= 1 else None


def _years(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 3:
        value = int(value)
    found = number(value)
    return int(found) if found is not None and found <= OLDEST else None


def fields(value: object) -> dict[str, Any]:
    """Flat facts by lower-case name: text, numbers, yes or no, lists of text."""
    if not isinstance(value, Mapping):
        return {}
    found: dict[str, Any] = {}
    for key, cell in list(value.items())[:_MOST_FIELDS]:
        name = text(key, 64).lower().replace(" ", "_").replace("-", "_")
        clean = _cell(cell)
        if name and clean is not None:
            found[name] = clean
    return found


def _cell(value: object) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return text(value, 2000)
    if isinstance(value, int):
        return value if abs(value) < 2**53 else None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [text(item, 500) for item in value[:_MOST_ITEMS] if isinstance(item, str)]
    return None


def candidate(said: Mapping[str, Any], name: str, now: datetime) -> Candidate:
    """The candidate `name` in the words of `folder`, `jsonl` and `http`; without its pictures."""
    written = said.get("birth_date")
    declared = age(said.get("age"), birth_date(written), now, given=written is not None)
    return Candidate(
        ref=name,
        name=text(said.get("name"), 200),
        bio=text(said.get("bio")),
        age=declared,
        distance_km=distance_km(said),
        fields=fields(said.get("fields")),
        url=web_address(said.get("url")),
        person=True if said.get("person") is True else None,
    )


def web_address(value: object) -> str:
    """An address that a page may link to: http: and https: only."""
    address = text(value, 2000)
    return address if address.lower().startswith(("http://", "https://")) else ""


def passed_over(found: Candidate, known: Callable[[str], bool]) -> bool:
    """Whether a candidate need not be offered again.

    A person who was an adult and is none now is: what was kept of them must go.
    """
    minor = found.person is True and (found.age is None or found.age < ADULT)
    return known(found.ref) and not minor


def once(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Each ref once, where it came first. Two that differ are merged with care: the later one's
    facts, the lower age, and a person where one of them is."""
    found: dict[str, Candidate] = {}
    for new in candidates:
        old = found.get(new.ref)
        if old is not None and old != new:
            ages = [a for a in (old.age, new.age) if a is not None]
            careful = min(ages) if len(ages) == 2 else None
            new = replace(
                new,
                age=careful,
                person=old.person or new.person,
                problem=old.problem or new.problem,
            )
        found[new.ref] = new
    return list(found.values())
