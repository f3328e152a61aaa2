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
from tellapart.recipe.positions import scan_json, step, yaml_lines
from tellapart.recipe.problems import quote
from tellapart.recipe.schema import Recipe

MAX_BYTES = 1_000_000
_MAX_DEPTH = 40
_MAX_TWICE = 100
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
    data, lines = load(path)
    return check(data, base=path.absolute().parent, sources=sources, lines=lines)


def load(path: Path) -> tuple[Any, dict[str, int]]:
    """The plain data in the file `path`, not yet checked, and the line of every value.

    Raises `NotFoundError` for a missing file, `RecipeError` for text that is refused.
    """
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
    return parse_lines(text, form="json" if path.suffix.lower() == ".json" else "yaml")


def parse(text: str, *, form: str = "yaml") -> Any:
    """The plain data in `text` (`form`: `yaml` or `json`), not yet checked.

    Raises `RecipeError` for text that is not of this form or that is refused (see above).
    """
    return parse_lines(text, form=form)[0]


def parse_lines(text: str, *, form: str = "yaml") -> tuple[Any, dict[str, int]]:
    """As `parse`, with the line of every value by its path, for `check`."""
    if len(text) > MAX_BYTES:
        raise _unreadable(f"The recipe is larger than {MAX_BYTES // 10**6} MB.")
    try:
        return _parse_json(text) if form == "json" else _parse_yaml(text)
    except yaml.YAMLError as error:
        raise _unreadable(*_explain(error, text)) from None
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        # PyYAML lets some broken scalars escape as plain Python errors.
        raise _unreadable(f"The recipe is not valid {form.upper()}: {error}.") from None


def _parse_json(text: str) -> tuple[Any, dict[str, int]]:
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise _unreadable(*_explain_json(error, text)) from None
    scan = scan_json(text, json.loads)
    if scan.depth > _MAX_DEPTH:
        raise _unreadable(f"The recipe is not valid JSON: nested deeper than {_MAX_DEPTH}.")
    if scan.twice:
        raise RecipeError(
            f"The recipe is not valid JSON: {_twice(scan.twice)}.",
            expected="every key once",
            do="Keep one of the two.",
            problems=[
                {
                    "path": step(path, key),
                    "what": f"the key {quote(key)} is written twice, in lines {first} and {second}",
                    "expected": "every key once",
                    "do": "Keep one of the two.",
                    "line": str(second),
                }
                for path, key, first, second in scan.twice[:_MAX_TWICE]
            ],
        )
    return data, scan.lines


def _twice(found: list[tuple[str, str, int, int]]) -> str:
    _, key, first, second = found[0]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"the key {quote(key)} is written twice, in lines {first} and {second}{more}"


def _explain_json(error: json.JSONDecodeError, text: str) -> tuple[str, str]:
    """What is wrong with broken JSON and where; the usual slips are guessed."""
    where = f"in line {error.lineno}, column {error.colno}"
    before, rest = text[: error.pos].rstrip(), text[error.pos :].lstrip()
    # From Python 3.13 on, the parser points at the comma before the bracket itself.
    trailing = before.endswith(",") and rest[:1] in {"}", "]"}
    trailing = trailing or (rest[:1] == "," and rest[1:].lstrip()[:1] in {"}", "]"})
    if not text.strip():
        do = "Write a mapping in braces, or give another file."
    elif trailing:
        do = "Remove the comma before the closing bracket."
    elif rest.startswith("'"):
        do = "Write words in double quotes."
    elif rest.startswith(("//", "#", "/*")):
        do = "Remove the comment; JSON has none (YAML does)."
    elif rest.startswith(("True", "False", "None")):
        do = "Write true, false or null in lower case."
    elif not rest:
        do = "Close what is open: brackets, braces and quotes."
    elif error.msg.startswith("Expecting ',' delimiter"):
        do = "Put a comma after the value before it, or close its bracket."
    elif error.msg.startswith("Expecting property name"):
        do = "Write the key in double quotes."
    elif "control character" in error.msg or "Unterminated" in error.msg:
        do = "Close the word with a double quote on its own line."
    else:
        do = "Correct that place; `tellapart recipe check FILE` shows what is left."
    return f"The recipe is not valid JSON {where}: {error.msg}.", do


def _parse_yaml(text: str) -> tuple[Any, dict[str, int]]:
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
            return None, {}
        _keep_words(node)
        return loader.construct_document(node), yaml_lines(node)
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
