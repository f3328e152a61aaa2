"""A recipe as text in this program's own spelling: YAML as people write it, or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import yaml

from tellapart.errors import VerificationError

if TYPE_CHECKING:
    from tellapart import Recipe

#: Longer lines are broken.
_WIDTH = 100


class _Flow(dict[str, Any]):
    """A mapping written on one line."""


class _Line(list[Any]):
    """A list written on one line."""


class _Dumper(yaml.SafeDumper):
    """Safe YAML, indented lists, no aliases."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(
    _Flow,
    lambda dumper, value: dumper.represent_mapping(
        "tag:yaml.org,2002:map", value.items(), flow_style=True
    ),
)
_Dumper.add_representer(
    _Line,
    lambda dumper, value: dumper.represent_sequence("tag:yaml.org,2002:seq", value, True),
)


def as_yaml(values: Mapping[str, Any]) -> str:
    """`values` as YAML: a layer a line, short lists on one line, keys in the given order."""
    plain = {key: _shaped(value, key) for key, value in values.items()}
    return yaml.dump(
        plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH, indent=2
    )


def as_json(values: Mapping[str, Any]) -> str:
    """`values` as indented JSON."""
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def prove(text: str, form: str, recipe: Recipe) -> None:
    """Read `text` back. Raises `VerificationError` where it is not `recipe`, value by value."""
    from tellapart.recipe import canonical, check, parse, resolve

    back = check(parse(text, form=form))
    if canonical(resolve(back)[0]) != canonical(resolve(recipe)[0]) or back.name != recipe.name:
        raise VerificationError(
            f"The recipe {recipe.name!r} does not read back as it was written.",
            expected="the same values after writing and reading",
            do="This is a fault of ours: report it with the file. The old spelling still runs.",
        )


def _shaped(value: Any, key: str) -> Any:
    if isinstance(value, Mapping):
        return {inner: _shaped(each, inner) for inner, each in value.items()}
    if isinstance(value, list | tuple):
        if key == "layers":
            return [_one_line(each) for each in value]
        flat = not any(isinstance(each, Mapping | list | tuple) for each in value)
        return _Line(value) if flat and key != "notes" else [_shaped(each, "") for each in value]
    return value


def _one_line(layer: Any) -> Any:
    if not isinstance(layer, Mapping):
        return layer
    return {kind: _Flow(options or {}) for kind, options in layer.items()}
