"""No table and no folder is overlooked: one place empties it, or it holds nothing to forget."""

from __future__ import annotations

import importlib
import re
import sqlite3
from collections import Counter
from contextlib import closing
from fnmatch import fnmatch
from operator import attrgetter
from pathlib import Path

import tellapart
from tellapart.forgetting.places import (
    ENGINE_NOTHING,
    HOLDS_NOTHING,
    NOTHING_THERE,
    PLACES,
)
from tellapart.store import database  # noqa: F401 - registers every table
from tellapart.store.metadata import metadata
from tests.forgetting.conftest import House

SOURCES = Path(tellapart.__file__).parent
FOLDERS = [*NOTHING_THERE, *(folder for place in PLACES for folder in place.folders)]
#: Where the home's parts are named in our sources: `settings.home / "runs"` and the like.
_NAMED = re.compile(
    r'\b(home|owner_dir|projects_dir|cache_dir|cache)(?:\.absolute\(\))? / "([a-z][\w.-]*)"'
)
#: The same by a constant: `settings.cache_dir / FOLDER`.
_BY_CONSTANT = re.compile(r"\b(home|owner_dir|cache_dir) / ((?:\w+\.)?[A-Z_]{3,})\b")
_ROOTS = {"home": "", "owner_dir": "", "cache_dir": "cache/", "cache": "cache/"}


def declared(name: str) -> bool:
    """Whether a path below the home lies in one of the folders that somebody knows."""
    parts = Path(name).parts
    return any(
        fnmatch("/".join(parts[: len(Path(known).parts)]), known)
        and len(parts) >= len(Path(known).parts)
        for known in FOLDERS
    )


def test_every_table_has_its_place() -> None:
    known = Counter(table for place in PLACES for table in place.tables)
    known.update(list(HOLDS_NOTHING))
    tables = set(metadata.tables)
    assert tables - set(known) == set(), "say in forgetting/places.py what these hold"
    assert set(known) - tables == set()
    assert [name for name, number in known.items() if number > 1] == []


def test_every_table_of_the_engine_has_its_place(full: House) -> None:
    with closing(sqlite3.connect(full.settings.home / "runs.sqlite")) as base:
        there = {
            row[0] for row in base.execute("SELECT name FROM sqlite_master WHERE type='table'")
        }
    known = {table for place in PLACES for table in place.engine} | set(ENGINE_NOTHING)
    assert there - set(known) == set(), "say in forgetting/places.py what these hold"


def test_every_file_of_a_home_in_use_has_its_place(full: House) -> None:
    home = full.settings.home
    files = [path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()]
    assert len(files) > 50
    assert [name for name in files if not declared(name)] == []


def test_every_folder_that_the_sources_name_has_its_place() -> None:
    named: dict[str, str] = {}
    for path in sorted(SOURCES.rglob("*.py")):
        if "exporters" in path.parts:  # they write elsewhere
            continue
        for root, name in _NAMED.findall(path.read_text(encoding="utf-8")):
            if root in _ROOTS:
                named[f"{_ROOTS[root]}{name}"] = str(path.relative_to(SOURCES))
        for root, constant in _BY_CONSTANT.findall(path.read_text(encoding="utf-8")):
            named[f"{_ROOTS[root]}{_value(path, constant)}"] = str(path.relative_to(SOURCES))
    assert {"runs", "outbox", "cache/members", "cache/thumbs", "cache/backbones"} <= set(named)
    whole = {"accounts", "cache", "projects", "files"}
    lacking = {n: at for n, at in named.items() if n not in whole and not declared(n)}
    assert lacking == {}, "say in forgetting/places.py what lies there"


def _value(path: Path, constant: str) -> str:
    """What a constant is in that file, or in the module that it imports it from on use."""
    name = path.relative_to(SOURCES.parent).with_suffix("").as_posix().replace("/", ".")
    module = importlib.import_module(name.removesuffix(".__init__"))
    if not hasattr(module, constant.split(".")[0]):
        found = re.search(rf"from ([\w.]+) import .*\b{constant}\b", path.read_text("utf-8"))
        assert found, (path, constant)
        module = importlib.import_module(found[1])
    return str(attrgetter(constant)(module))


def test_a_place_says_what_it_is() -> None:
    assert len({place.name for place in PLACES}) == len(PLACES)
    assert all(place.forget.__doc__ for place in PLACES)
    assert all(len(why) > 5 for why in (*HOLDS_NOTHING.values(), *NOTHING_THERE.values()))
