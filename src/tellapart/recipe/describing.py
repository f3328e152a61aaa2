"""The recipe's JSON Schema, for editors and for people."""

from __future__ import annotations

from typing import Any

from tellapart.recipe import budgets
from tellapart.recipe.layers import KINDS, PAIRS
from tellapart.recipe.schema import MAX_CLASSES, Recipe, written_keys

_WORD = {"type": ["string", "number"]}
_NONE = {"type": "null"}
#: Options that are a word or a mapping; which ones, only `check` tells.
_WORDED = frozenset(
    f"{part}_{what}"
    for part in ("kernel", "bias", "activity")
    for what in ("initializer", "regularizer", "constraint")
) | {"activation", "function", "padding"}


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
    for key in set(properties) - set(written_keys()):
        del properties[key]
    _allow(properties["data"], [{"type": "string"}, {"type": "null"}])
    one: dict[str, Any] = {"type": "string"}
    listed = [one, {"type": "array", "items": one}, _NONE]
    asked = parts["ClassOptions"]["properties"]
    for field in (properties["without"], *(asked[key] for key in set(asked) - {"translations"})):
        _allow(field, listed)
    languages = {"type": "object", "additionalProperties": {"anyOf": listed[:2]}}
    _allow(asked["translations"], [languages, _NONE])
    parts.pop("SourceSpec", None)
    parts.pop("Layer", None)
    _allow(
        properties["layers"],
        [{"type": "array", "items": {"anyOf": [_layer(kind, parts) for kind in KINDS]}}],
    )
    text: dict[str, Any] = {"type": "string"}  # in any case, and by other libraries' names
    for key in ("optimizer", "loss"):
        _allow(parts["Train"]["properties"][key], [text])
    _allow(parts["Train"]["properties"]["metrics"], [text, {"type": "array", "items": text}])
    number = {"type": "number", "minimum": budgets.SHORTEST, "maximum": budgets.LONGEST}
    _allow(properties["budget"], [text, number])
    words = {"enum": ["auto", "none"]}
    _allow(
        parts["Train"]["properties"]["augmentation"],
        [{"$ref": "#/$defs/Augmentation"}, words, _NONE],
    )
    return found


def _layer(kind: str, parts: dict[str, Any]) -> dict[str, Any]:
    """The forms of one kind of layer; its options become one of the `parts`."""
    model = KINDS[kind]
    inner = model.model_json_schema(mode="validation")
    for field in inner["properties"].values():
        for word in ("expected", "why", "title"):
            field.pop(word, None)
    if "with_" in inner["properties"]:
        inner["properties"]["with"] = inner["properties"].pop("with_")
        inner["required"] = ["with"]
    for key in PAIRS & set(inner["properties"]):
        side = {"type": "integer", "minimum": 1, "maximum": 4096}
        pair = {"type": "array", "items": side, "minItems": 2, "maxItems": 2}
        _allow(inner["properties"][key], [side, pair, {"type": "null"}])
    for key in _WORDED & set(inner["properties"]):
        _allow(inner["properties"][key], [{"type": "string"}, {"type": "object"}, {"type": "null"}])
    parts[model.__name__] = inner
    reference = {"$ref": f"#/$defs/{model.__name__}"}
    named = {
        "type": "object",
        "properties": {kind: reference if inner.get("required") else {"anyOf": [reference, _NONE]}},
        "required": [kind],
        "additionalProperties": False,
    }
    return named if inner.get("required") else {"anyOf": [{"const": kind}, named]}


def _allow(field: dict[str, Any], forms: list[dict[str, Any]]) -> None:
    for key in (
        "type",
        "items",
        "additionalProperties",
        "anyOf",
        "enum",
        "format",
        "minItems",
        "maxItems",
        "prefixItems",
    ):
        field.pop(key, None)
    field["anyOf"] = forms
