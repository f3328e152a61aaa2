"""What the older program read and wrote, from a project: `labels.csv`, the catalog `pics`."""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tellapart import registry
from tellapart.catalog import PictureRow
from tellapart.catalog.ruling import ruled
from tellapart.errors import InputError, NotFoundError, StorageError
from tellapart.learn.faces import Face
from tellapart.learn.labelling import NOT_SEEN, SEEN, UNREADABLE
from tellapart.steps import StepContext
from tellapart.steps.people import Faces
from tellapart.store.files import FileStore

#: Files that are a catalog; any other name is a list.
CATALOGS = frozenset((".sqlite", ".sqlite3", ".db", ".db3"))
#: An estimated age below which somebody is a baby to the older program.
_BABY = 3.0
_SCHEMA = (
    "CREATE TABLE pics (path TEXT PRIMARY KEY, label INTEGER DEFAULT -2, "
    "invalid INTEGER DEFAULT 0, ages TEXT, num_people INTEGER, male_present INTEGER, "
    "baby_present INTEGER)"
)


@dataclass(frozen=True)
class Written:
    """A list or a catalog that was written, and how many rows of each class or code it has."""

    file: Path
    rows: dict[str, int]


def write(
    context: StepContext,
    target: Path,
    *,
    bars: bool = False,
    attributes: bool = False,
) -> Written:
    """Write `path,label` with absolute paths, or the catalog `pics` where `target` is named so.

    Pictures without a class or set aside are not in the list. `bars`: bars for quotes, and those
    that the rules disqualify first. `attributes`: estimated ages and sexes go into the catalog.
    Raises `StorageError`, and `InputError` where there is such a catalog already.
    """
    rows = context.catalog.pictures()
    try:
        if target.suffix.lower() in CATALOGS:
            return _catalog(context, rows, target, attributes)
        return _list(context, rows, target, bars)
    except (OSError, sqlite3.Error) as error:
        raise StorageError(
            f"{str(target)!r} cannot be written ({error}).",
            expected="a folder that can be written to, with room",
            do="Choose another file.",
        ) from error


def _list(context: StepContext, rows: Sequence[PictureRow], target: Path, bars: bool) -> Written:
    files = FileStore(context.settings.files_dir)
    rules = context.recipe.rules
    first = rules.disqualified if rules is not None else None
    known = [
        (row.label, row.path or str(files.path(row.sha256).absolute()))
        for row in rows
        if row.status == "ok" and row.label and row.kept is not False
    ]
    known.sort(key=lambda one: (one[0] != first, one))
    partial = target.with_name(f".{target.name}.partial")
    quote = "|" if bars else '"'
    try:
        with partial.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            out = csv.writer(file, quotechar=quote, lineterminator="\n")
            out.writerow(("path", "label"))
            out.writerows((path, label) for label, path in known)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return Written(target, _counted(label for label, _ in known))


def _catalog(
    context: StepContext,
    rows: Sequence[PictureRow],
    target: Path,
    attributes: bool,
) -> Written:
    if target.exists():
        raise InputError(
            f"There is a file {str(target)!r} already.",
            expected="the name of a new file",
            do="Choose another name, or move that one away.",
        )
    said = ruled(context.catalog)
    files = FileStore(context.settings.files_dir)
    noted, faces = _noted(context), _looked(context, rows)
    written = []
    for row in rows:
        code = said[row.id].code if row.id in said else NOT_SEEN
        unreadable = row.verdict == "unreadable" or (row.status == "refused" and row.id not in said)
        if row.status in {"missing", "pending", "failed"} or not (row.path or row.sha256):
            continue
        path = row.path or str(files.path(row.sha256).absolute())
        if unreadable:
            seen: tuple[object, ...] = (None, None, None, None)
        elif path in noted:
            seen = _again(noted[path], attributes)
        else:
            seen = _seen(faces.get(row.sha256), attributes)
        written.append((path, UNREADABLE if unreadable else code, int(unreadable), *seen))
    partial = target.with_name(f".{target.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(partial)) as file, file:
            file.execute(_SCHEMA)
            file.executemany("INSERT OR IGNORE INTO pics VALUES (?,?,?,?,?,?,?)", written)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return Written(target, _counted(str(row[1]) for row in written))


def _noted(context: StepContext) -> dict[str, Mapping[str, str]]:
    """What the project's own older catalog says, by path; {} where its data is none."""
    data = context.recipe.data
    kind = registry.load("format", "pics")
    if data is None or not kind.recognizes(data):
        return {}
    return {str(hit.path): hit.columns for hit in kind().read(data) if hit.path is not None}


def _looked(context: StepContext, rows: Sequence[PictureRow]) -> dict[str, list[Face]]:
    """The faces that were seen before, by SHA-256; nobody looks now."""
    try:
        seen = Faces(context.settings, context.catalog.engine)
    except (NotFoundError, InputError):
        return {}
    return seen.stored(dict.fromkeys(row.sha256 for row in rows if row.sha256))


def _again(noted: Mapping[str, str], attributes: bool) -> tuple[object, ...]:
    """The older catalog's own words, of its columns in their order."""
    people = noted.get("num_people") or None
    if not attributes:
        return None, people, None, None
    kept = (noted.get(name) or None for name in ("male_present", "baby_present"))
    return noted.get("ages") or None, people, *kept


def _seen(found: Sequence[Face] | None, attributes: bool) -> tuple[object, ...]:
    """Ages, people, males, babies, as the older catalog's columns."""
    if found is None:
        return None, None, None, None
    if not attributes or not all(face.age and face.sex for face in found):
        return None, len(found), None, None
    ages = [face.age.years for face in found if face.age]
    males = [face.sex.sex == "male" for face in found if face.sex]
    text = ",".join(f"{age:.0f}" for age in ages)
    return text, len(found), int(any(males)), int(any(age < _BABY for age in ages))


def _counted(words: Iterator[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


#: Codes as words, for people.
CODES = {
    NOT_SEEN: "not looked at",
    SEEN: "not disqualified",
    -3: "age",
    -4: "male",
    -5: "no face",
    UNREADABLE: "unreadable",
    -7: "number of people",
    -8: "no face, turned",
}
