"""Recipe files: YAML or JSON text to plain data, whatever the text holds.

The loader is the safe one, narrowed further: no aliases (a few lines of them can unfold to
gigabytes), no key twice, limited size and depth, and `yes`, `no`, `on`, `off` and dates stay the
words that they are. Class names are taken as written: `1.10` is not 1.1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import yaml

from tellapart.errors import InputError, NotFoundError, RecipeError
from tellapart.recipe.checking import check
from tellapart.recipe.schema import Recipe

MAX_BYTES = 1_000_000
_MAX_DEPTH = 40
_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Safe):  # type: ignore[misc]
    """Safe YAML as people mean it: true and false are the only truth values, no dates."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} is written twice", key.start_mark
                    )
                seen.add(key.value)
        result: dict[Any, Any] = super().construct_mapping(node, deep)
        return result


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag not in {"tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp"}
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


def read(path: str | Path, *, sources: Collection[str] | None = None) -> Recipe:
    """Read and check the recipe in `path` (`.json`: JSON, else YAML).

    Relative paths in it count from its folder. `sources` are the known source names (None: not
    checked). Raises `NotFoundError` for a missing file, `RecipeError` with all problems.
    """
    path = Path(path)
    return check(_load(path), base=path.absolute().parent, sources=sources)


def _load(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise NotFoundError(
            f"There is no recipe {str(path)!r}.",
            expected="the path of a YAML or JSON file",
            do="Correct the path; `tellapart recipe schema` shows what a recipe may say.",
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(
            f"The recipe {str(path)!r} cannot be read: {error}.",
            expected="a readable YAML or JSON file",
            do="Give the path of the recipe file itself.",
        ) from None
    if len(raw) > MAX_BYTES:
        raise _unreadable(f"The recipe {str(path)!r} is larger than {MAX_BYTES // 10**6} MB.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(f"The recipe {str(path)!r} is not UTF-8 text: {error}.") from None
    return parse(text, form="json" if path.suffix.lower() == ".json" else "yaml")


def parse(text: str, *, form: str = "yaml") -> Any:
    """The plain data in `text` (`form`: `yaml` or `json`), not yet checked.

    Raises `RecipeError` for text that is not of this form or that is refused (see above).
    """
    if len(text) > MAX_BYTES:
        raise _unreadable(f"The recipe is larger than {MAX_BYTES // 10**6} MB.")
    try:
        return _parse_json(text) if form == "json" else _parse_yaml(text)
    except yaml.YAMLError as error:
        raise _unreadable(*_explain(error, text)) from None
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        # PyYAML lets some broken scalars escape as plain Python errors.
        raise _unreadable(f"The recipe is not valid {form.upper()}: {error}.") from None


def _parse_json(text: str) -> Any:
    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, value in items:
            if key in result:
                raise ValueError(f"the key {key!r} is written twice")
            result[key] = value
        return result

    return json.loads(text, object_pairs_hook=pairs)


def _parse_yaml(text: str) -> Any:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            raise _refused(f"the alias *{event.anchor} is not allowed", event)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MAX_DEPTH:
            raise _refused(f"nested deeper than {_MAX_DEPTH}", event)
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _keep_words(node)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _refused(problem: str, event: yaml.Event) -> yaml.YAMLError:
    mark: Any = event.start_mark
    return yaml.constructor.ConstructorError(None, None, problem, mark)


def _keep_words(root: yaml.Node) -> None:
    """Take the class names as written, where they look like numbers or truth values too."""
    if not isinstance(root, yaml.MappingNode):
        return
    for key, value in root.value:
        if not isinstance(key, yaml.ScalarNode) or key.value != "classes":
            continue
        names: list[yaml.Node] = []
        if isinstance(value, yaml.SequenceNode):
            names = value.value
        elif isinstance(value, yaml.MappingNode):
            names = [name for name, _ in value.value]
        for name in names:
            if isinstance(name, yaml.ScalarNode) and name.tag.startswith("tag:yaml.org,2002:"):
                name.tag = "tag:yaml.org,2002:str"


def _explain(error: yaml.YAMLError, text: str) -> tuple[str, str]:
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    where, tab = "", False
    if mark := getattr(error, "problem_mark", None):
        where = f" in line {mark.line + 1}, column {mark.column + 1}"
        line = "".join(text.splitlines()[mark.line : mark.line + 1])
        tab = "token" in problem and "\t" in line[: mark.column + 1]
    what = f"The recipe is not valid YAML{where}: {problem}."
    if tab:
        return what, "Indent with spaces; YAML does not allow tabs."
    if "alias" in problem:
        return what, "Write the value out where it is used."
    if "twice" in problem:
        return what, "Keep one of the two."
    return what, "Correct that place; `tellapart recipe check FILE` shows what is left."


def _unreadable(what: str, do: str = "Correct the file and try again.") -> RecipeError:
    return RecipeError(
        what, expected="a YAML or JSON mapping such as `classes: [apple, pear]`", do=do
    )
