"""The recipe's JSON Schema, for editors and for people."""

from __future__ import annotations

from typing import Any

from tellapart.recipe.schema import MAX_CLASSES, Recipe

_WORD = {"type": ["string", "number"]}


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a recipe as people write it, each key described.

    Raises nothing. It admits what `check` admits in form; what several keys say together (such
    as shares that add up to 1) only `check` tells.
    """
    found = Recipe.model_json_schema()
    found["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    found["title"] = "Tellapart recipe"
    found["required"] = []
    parts = found["$defs"]
    for owner in (found, *parts.values()):
        for field in owner.get("properties", {}).values():
            field.pop("expected", None)
            field.pop("why", None)
            field.pop("title", None)
    properties = found["properties"]
    options = {"anyOf": [{"$ref": "#/$defs/ClassOptions"}, {"type": "null"}]}
    _allow(
        properties["classes"],
        [
            {"type": "array", "items": _WORD, "maxItems": MAX_CLASSES},
            {"type": "object", "additionalProperties": options, "maxProperties": MAX_CLASSES},
        ],
    )
    source = {"type": "object", "minProperties": 1, "maxProperties": 1}
    _allow(
        properties["sources"],
        [{"type": "array", "minItems": 1, "items": {"anyOf": [{"type": "string"}, source]}}],
    )
    properties["sources"]["default"] = ["openverse", "commons"]
    properties["data"].pop("format", None)
    parts.pop("SourceSpec", None)
    return found


def _allow(field: dict[str, Any], forms: list[dict[str, Any]]) -> None:
    for key in ("type", "items", "additionalProperties", "anyOf"):
        field.pop(key, None)
    field["anyOf"] = forms
