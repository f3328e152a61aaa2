"""Lists that somebody uploaded lead nowhere but into what that account uploaded."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from tellapart.doors import Format, Hit
from tellapart.settings import Settings


def held_to(settings: Settings, find_format: Callable[[Path], Format]) -> Callable[[Path], Format]:
    """`find_format`, whose rows are `outside` where a list of the owner's uploads leaves them.

    A list of one's own machine may name pictures anywhere on it; a stranger's may not.
    """
    root = os.path.realpath(settings.owner_dir / "uploads")

    def find(path: Path) -> Format:
        found = find_format(path)
        return _Held(found, root) if _is_within(path, root) else found

    return find


class _Held(Format):
    name = "held"

    def __init__(self, inner: Format, root: str) -> None:
        self._inner = inner
        self._root = root

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        return False

    def read(self, path: Path) -> Iterator[Hit]:
        for hit in self._inner.read(path):
            if hit.path is None or _is_within(hit.path, self._root):
                yield hit
            else:
                yield replace(hit, path=None, problem="outside")


def _is_within(path: Path, root: str) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(root)
