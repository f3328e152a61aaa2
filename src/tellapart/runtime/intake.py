"""Files that strangers bring, read as if whoever made them meant harm.

`check_member` looks at the name of a file that comes by itself; `confine` refuses recipes that name
files of this machine. Zips are taken apart by `datasets.unpacking`. What is refused is refused
with every reason at once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

from tellapart.bundle.archive import fold, name_problem
from tellapart.datasets.unpacking import is_archive, part_problems, refused
from tellapart.errors import InputError

_MOST_SHOWN = 20
#: Options of sources that hold a path, however it is written.
_PLACES = frozenset(("file", "folder", "path"))


def check_member(folder: Path, name: str, head: bytes) -> None:
    """Whether a file that begins with `head` may be put into `folder` as `name`.

    Held to what `unpack` holds names to. Raises `InputError`.
    """
    problem = name_problem(name)
    problems = [problem] if problem else []
    problems += part_problems(name)
    parts = name.split("/")
    if is_archive(name, head):
        problems.append(f"{name[:80]!r} is an archive")
    here = folder
    for place, part in enumerate(parts if not problems else ()):
        last = place == len(parts) - 1
        there = {fold(one.name): one for one in here.iterdir()} if here.is_dir() else {}
        same = there.get(fold(part))
        if same is not None and same.name != part:
            problems.append(f"{name!r} and {same.name!r} differ in case or accents alone")
        elif same is not None and same.is_dir() == last:
            problems.append(f"{name!r} would be a file and a folder at once")
        here = here / part
    if problems:
        raise refused(problems, "The file")


# -- recipes ----------------------------------------------------------------------------------


def confine(values: Mapping[str, Any], root: Path | None = None) -> None:
    """Refuse a recipe (as `Recipe.model_dump()` has it) that names a file outside `root`.

    An account's recipe may name data sets, other projects of its own and URLs, and nothing of
    this machine but its own upload; nor may it leave a site's robots.txt aside, for it is the
    server that asks. Raises `InputError`.
    """
    if values.get("ignore_robots"):
        raise InputError(
            "The recipe leaves aside what sites say in their robots.txt (`ignore_robots`).",
            expected="a recipe without it: the sites would hold the server's owner to account",
            do="Leave it out; or run the recipe on a machine of your own.",
        )
    problems = [
        f"{path}: {str(value)!r}" for path, value in _paths(values, "") if not _within(value, root)
    ]
    if problems:
        raise InputError(
            "The recipe names files of the server: " + "; ".join(problems[:_MOST_SHOWN]),
            expected="class words, a data set by its name, project:NAME, or an upload of yours",
            do="Upload the pictures (a zip of class folders, or a CSV) and use that.",
        )


def _paths(value: Any, path: str) -> Iterator[tuple[str, PurePath]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _paths(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple | set | frozenset):
        for place, inner in enumerate(value):
            yield from _paths(inner, f"{path}[{place}]")
    elif isinstance(value, PurePath):
        yield path, value
    elif (
        isinstance(value, str)
        and path.startswith("sources")
        and (value[:1] in ("/", "~") or path.rpartition(".")[2] in _PLACES)
    ):
        yield path, PurePath(value)  # an option of a source; elsewhere a word may begin so


def _within(path: PurePath, root: Path | None) -> bool:
    if root is None:
        return False
    real = os.path.realpath(Path(path).expanduser())
    return Path(real).is_relative_to(os.path.realpath(root))
