"""On which line each value of a recipe file stands, by its path (`layers[2].dense.units`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

#: Line numbers from 1 by path; the whole file is ''.
Lines = Mapping[str, int]

_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+|\n')


def line_of(path: str, lines: Lines) -> int | None:
    """The line of `path`, or of the nearest value around it; None where nothing is known."""
    while path and path not in lines:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return lines.get(path)


def step(path: str, key: object) -> str:
    """The path of `key` (an index, or a mapping's key) below `path`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else str(key)


def yaml_lines(root: yaml.Node | None) -> dict[str, int]:
    """The lines of a composed YAML document. A key's line is where the key stands."""
    found: dict[str, int] = {}
    waiting: list[tuple[str, Any, int]] = [("", root, 1)] if root is not None else []
    while waiting:
        path, node, line = waiting.pop()
        found.setdefault(path, line)
        if isinstance(node, yaml.MappingNode):
            for index, (key, value) in enumerate(node.value):
                at = key.start_mark.line + 1
                if isinstance(key, yaml.ScalarNode):
                    waiting.append((step(path, key.value), value, at))
                found.setdefault(step(path, index), at)  # the place of a class by its number
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                waiting.append((step(path, index), item, item.start_mark.line + 1))
    return found


@dataclass
class _Open:
    """A mapping or list that is being read."""

    path: str
    keys: dict[str, int] | None
    index: int = 0
    key: str | None = None
    #: Whether the next word is a key.
    wants_key: bool = False


@dataclass
class Scan:
    """What `scan_json` found."""

    lines: dict[str, int] = field(default_factory=dict)
    #: (path, key, line of the first, line of the second) of keys written twice in one mapping.
    twice: list[tuple[str, str, int, int]] = field(default_factory=list)
    depth: int = 0


def scan_json(text: str, decode: Any) -> Scan:
    """The lines of JSON `text`, which must be valid; `decode` turns a quoted word into text."""
    scan, line = Scan(), 1
    opened: list[_Open] = []
    for match in _WORD.finditer(text):
        word = match.group()
        top = opened[-1] if opened else None
        if word == "\n":
            line += 1
        elif word in "{[":
            path = _place(scan, top, line)
            opened.append(_Open(path, {} if word == "{" else None, wants_key=word == "{"))
            scan.depth = max(scan.depth, len(opened))
        elif word in "}]":
            opened.pop()
        elif word == ",":
            assert top is not None
            top.index += 1
            top.wants_key = top.keys is not None
        elif word == ":":
            continue
        elif top is not None and top.wants_key and top.keys is not None:
            key = decode(word)
            if key in top.keys:
                scan.twice.append((top.path, key, top.keys[key], line))
            top.keys[key] = line
            top.key, top.wants_key = key, False
            scan.lines.setdefault(step(top.path, key), line)
            scan.lines.setdefault(step(top.path, top.index), line)
        else:
            _place(scan, top, line)
    return scan


def _place(scan: Scan, top: _Open | None, line: int) -> str:
    """Note the line of the value that begins here; its path."""
    if top is None:
        path = ""
    else:
        path = step(top.path, top.index if top.keys is None else top.key)
    scan.lines.setdefault(path, line)
    return path
