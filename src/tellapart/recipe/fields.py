"""The words of a key: its meaning, what it admits, its default and the reason for it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError


def says(default: Any, doc: str, *, expected: str, why: str = "the default", **limits: Any) -> Any:
    """A field with its description, the words of its error messages and its default's reason."""
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


def _no_truth(value: Any) -> Any:
    """Python takes True for 1; a recipe that says so is a mistake."""
    if isinstance(value, bool):
        raise PydanticCustomError("not_a_number", "true and false are not numbers")
    return value


Whole = Annotated[int, BeforeValidator(_no_truth)]
Number = Annotated[float, BeforeValidator(_no_truth)]
#: One size of a shape.
Size = Annotated[Whole, Field(ge=1, le=65_536)]


class Part(BaseModel):
    """A frozen group of keys that knows no others."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
