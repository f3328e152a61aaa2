"""The schema describes every key and agrees with what is checked."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from tellapart.recipe import KINDS, Curate, Recipe, Rules, Split, Train, check, schema
from tellapart.recipe.schema import ClassOptions, Compile, SourceSpec, extra_of, written_keys

PARTS: list[type[BaseModel]] = [
    *(Recipe, Rules, Curate, Split, Train, Compile, ClassOptions, SourceSpec),
    *KINDS.values(),
]


@pytest.mark.parametrize("part", PARTS)
def test_every_key_is_documented(part: type[BaseModel]) -> None:
    for key, field in part.model_fields.items():
        assert len(field.description or "") > 15, key
        assert extra_of(field)["expected"], key
        assert extra_of(field)["why"], key


def test_the_schema_lists_every_key_with_its_meaning() -> None:
    found = schema()
    assert set(found["properties"]) == set(written_keys())
    assert set(Recipe.model_fields) - set(written_keys()) == {"dataset", "from_project"}
    for part in (found, *found["$defs"].values()):
        assert part["additionalProperties"] is False
        for key, field in part["properties"].items():
            assert "description" in field, key
            assert "expected" not in field and "why" not in field


def test_numbers_have_the_limits_that_are_checked() -> None:
    from tellapart.errors import RecipeError

    parts = schema()["$defs"]
    tried = 0
    for owner, key in (("Curate", "curate"), ("Split", "split"), ("Train", "train")):
        for field, rules in parts[owner]["properties"].items():
            for rule in (rules, *rules.get("anyOf", ())):
                for limit, beyond in (("maximum", 1), ("minimum", -1)):
                    if limit in rule:
                        data: dict[str, Any] = {
                            "classes": ["a", "b"],
                            key: {field: rule[limit] + beyond},
                        }
                        with pytest.raises(RecipeError) as caught:
                            check(data)
                        paths = [p["path"] for p in caught.value.problems]
                        assert f"{key}.{field}" in paths
                        tried += 1
    assert tried >= 15


def test_defaults_in_the_schema_are_the_defaults() -> None:
    recipe = check({"classes": ["a", "b"]}).model_dump(mode="json")
    for key, field in schema()["properties"].items():
        if "default" in field and key not in {"classes"}:
            assert field["default"] == recipe[key], key
