"""The words of a policy's keys, and the kinds of values that they take."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.fields import FieldInfo

MAX_WORDS = 1000
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})\s*(?:-|–|to)\s*(\d{1,2}):(\d{2})")


def says(default: Any, doc: str, *, expected: str, why: str, **limits: Any) -> Any:
    """A field with its meaning, the words of its error messages and its default's reason."""
    extra: dict[str, Any] = {"expected": expected, "why": why}
    if isinstance(default, type) and issubclass(default, BaseModel):
        limits["default_factory"] = default
    elif default is not ...:
        limits["default"] = default
    return Field(description=doc, json_schema_extra=extra, **limits)


def extra_of(field: FieldInfo | None) -> dict[str, str]:
    """The words of a field: `expected` for errors, `why` for the reason of its default."""
    extra = field.json_schema_extra if field is not None else None
    return {k: str(v) for k, v in extra.items()} if isinstance(extra, dict) else {}


class Part(BaseModel):
    """A frozen group of keys that knows no others; `"5"` is no number and 1 is not true."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


def _listed(value: Any) -> Any:
    """Lists as files have them; one word stands for a list of it."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def _word(value: str) -> str:
    word = " ".join(unicodedata.normalize("NFKC", value).split())
    if not word.strip("*").strip():
        raise ValueError("an empty word would be found everywhere")
    return word


def _hours(value: str) -> str:
    """`7:00 - 9:30` → `07:00-09:30`."""
    found = _CLOCK.fullmatch(value.strip())
    if found is None:
        raise ValueError("not two times of day")
    first, last = (int(h) * 60 + int(m) for h, m in (found.group(1, 2), found.group(3, 4)))
    minutes = (int(found.group(2)), int(found.group(4)))
    if max(minutes) > 59 or first > 24 * 60 or last > 24 * 60 or first % 1440 == last % 1440:
        raise ValueError("not two different times of day")
    return f"{first // 60:02d}:{first % 60:02d}-{last // 60:02d}:{last % 60:02d}"


#: A word or phrase that texts are searched for.
Word = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_word)]
Words = Annotated[tuple[Word, ...], BeforeValidator(_listed), Field(max_length=MAX_WORDS)]
#: From one time of day to another, past midnight too.
Hours = Annotated[
    tuple[Annotated[str, AfterValidator(_hours)], ...],
    BeforeValidator(_listed),
    Field(max_length=20),
]
