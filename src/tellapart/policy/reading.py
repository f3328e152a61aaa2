"""Policy files: YAML or JSON text to a policy, whatever the text holds.

The loader is the safe one, narrowed: no aliases (a few lines of them can unfold to gigabytes), no
key twice, limited size and depth; `yes`, `no`, `on`, `off` and dates stay the words that they are.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from tellapart.errors import InputError, NotFoundError, PolicyError
from tellapart.policy.checking import check, quote
from tellapart.policy.schema import Policy

MAX_BYTES = 1_000_000
_MAX_DEPTH = 20
_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Safe):  # type: ignore[misc]
    """Safe YAML as people mean it: true and false are the only truth values."""


# A key `on:` must stay a word; `23:00` must not become a number of minutes.
_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag not in {f"tag:yaml.org,2002:{kind}" for kind in ("bool", "timestamp", "int")}
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789")
)


def read(path: str | Path, *, people: bool = True) -> Policy:
    """The policy in the file `path` (`.json`: JSON, else YAML).

    Raises `NotFoundError` for a missing file, `PolicyError` with all problems.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        text = raw.decode("utf-8-sig")
    except FileNotFoundError:
        raise NotFoundError(
            f"There is no policy {str(path)!r}.",
            expected="the path of a YAML or JSON file",
            do="Correct the path; docs/policy.md shows what a policy may say.",
        ) from None
    except UnicodeDecodeError as error:
        raise _unreadable(f"The policy {str(path)!r} is not UTF-8 text: {error}.") from None
    except (OSError, ValueError) as error:
        raise InputError(
            f"The policy {str(path)!r} cannot be read: {error}.",
            expected="a readable YAML or JSON file",
            do="Give the path of the policy file itself.",
        ) from None
    return parse(text, people=people, form="json" if path.suffix.lower() == ".json" else "yaml")


def parse(text: str, *, people: bool = True, form: str = "yaml") -> Policy:
    """The policy that `text` (`form`: `yaml` or `json`) says; an empty text is the default.

    Raises `PolicyError` with all problems, or for text that is not of this form.
    """
    if len(text) > MAX_BYTES:
        raise _unreadable(f"The policy is larger than {MAX_BYTES // 10**6} MB.")
    try:
        data, lines = _json(text) if form == "json" else _yaml(text)
    except yaml.YAMLError as error:
        mark: Any = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise _unreadable(f"The policy is not valid YAML{where}: {problem}.") from None
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise _unreadable(f"The policy is not valid {form.upper()}: {error}.") from None
    return check(data, people=people, lines=lines)


def _json(text: str) -> tuple[Any, dict[str, int] | None]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        for key, _ in pairs:
            if [k for k, _ in pairs].count(key) > 1:
                raise ValueError(f"the key {quote(key)} is written twice")
        return dict(pairs)

    data = json.loads(text, object_pairs_hook=once) if text.strip() else None
    try:  # JSON is almost always YAML too, whose nodes know their lines
        return data, _lines(_node(text.replace("\t", " ")))
    except yaml.YAMLError:
        return data, None


def _yaml(text: str) -> tuple[Any, dict[str, int]]:
    node = _node(text)
    if node is None:
        return None, {}
    loader = _Loader("")
    try:
        return loader.construct_document(node), _lines(node)
    finally:
        loader.dispose()


def _node(text: str) -> yaml.Node | None:
    """The one document of `text`, without aliases and not too deep."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            raise _refused(f"the alias *{event.anchor} is not allowed", event)
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise _refused(f"nested deeper than {_MAX_DEPTH}", event)
    node: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    return node


def _refused(problem: str, at: yaml.Event | yaml.Node) -> yaml.YAMLError:
    mark: Any = at.start_mark
    return yaml.constructor.ConstructorError(None, None, problem, mark)


def _lines(root: yaml.Node | None) -> dict[str, int]:
    """The line of every value by its path (`veto[1].above`); no key may stand there twice."""
    found: dict[str, int] = {}
    waiting: list[tuple[str, Any, int]] = [("", root, 1)] if root is not None else []
    while waiting:
        path, node, line = waiting.pop()
        found[path] = line
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    continue
                if key.value in seen:
                    raise _refused(f"the key {key.value!r} is written twice", key)
                seen.add(key.value)
                step = f"{path}.{key.value}" if path else key.value
                waiting.append((step, value, key.start_mark.line + 1))
        elif isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                waiting.append((f"{path}[{number}]", item, item.start_mark.line + 1))
    return found


def _unreadable(what: str) -> PolicyError:
    return PolicyError(
        what,
        expected="a YAML or JSON mapping such as `model: {threshold: 0.4}`",
        do="Correct that place and try again.",
    )
