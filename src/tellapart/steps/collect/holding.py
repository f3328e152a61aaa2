"""Lists that somebody uploaded lead nowhere but into what that account uploaded."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from tellapart.doors import Format, Hit
from tellapart.settings import Settings


def held_to(
    settings: Settings, find_format: Callable[[Path], Format], unpacked: Path
) -> Callable[[Path], Format]:
    """`find_format`, whose rows are `outside` where a list of the owner's uploads leaves them.

    A list of one's own machine may name pictures anywhere on it; a stranger's may not, but for
    what lay in an archive of theirs and is in `unpacked` now.
    """
    root = os.path.realpath(settings.owner_dir / "uploads")

    def find(path: Path) -> Format:
        found = find_format(path)
        if not _is_within(path, root):
            return found
        return _Held(found, (root, os.path.realpath(unpacked)))

    return find


class _Held(Format):
    name = "held"

    def __init__(self, inner: Format, roots: tuple[str, ...]) -> None:
        self._inner = inner
        self._roots = roots

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        return False

    def read(self, path: Path) -> Iterator[Hit]:
        for hit in self._inner.read(path):
            at = hit.path
            if at is None or any(_is_within(at, root) for root in self._roots):
                yield hit
            else:
                yield replace(hit, path=None, problem="outside")


def _is_within(path: Path, root: str) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(root)
