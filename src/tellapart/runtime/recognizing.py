"""What an upload is, told from its bytes, and what in it can be used."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from tellapart.datasets import unpacking
from tellapart.doors import Hit
from tellapart.errors import InputError
from tellapart.fetch.sniff import PICTURES, media_type
from tellapart.recipe import check, parse_lines
from tellapart.steps.collect import find_format

Kind = Literal["folder", "list", "table", "recipe", "picture"]
#: Before an upload's id where a recipe names it under `data`.
SCHEME = "upload:"
#: Where the data lies in an upload's folder: a folder, or a file with that name and its ending.
DATA = "data"
#: Largest picture that comes by itself, largest recipe.
MOST_PICTURE, MOST_RECIPE = 64 * 10**6, 10**6
_LISTS = frozenset((".csv", ".tsv", ".txt", ".jsonl"))
_RECIPES = frozenset((".yaml", ".yml", ".json"))
_BY_TYPE = {
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv",
    "application/json": ".json",
    "application/yaml": ".yaml",
    "text/yaml": ".yaml",
    "application/x-yaml": ".yaml",
    "application/x-ndjson": ".jsonl",
}


@dataclass(frozen=True)
class Upload:
    """What somebody brought."""

    id: str
    kind: Kind
    #: Of the file, as it was called there.
    name: str
    created: str
    files: int = 0
    bytes: int = 0
    #: What a recipe calls it under `data`; None: a recipe or a picture is none.
    data: str | None = None
    #: Pictures (or URLs) that can be used, by class.
    classes: dict[str, int] = field(default_factory=dict)
    #: What cannot be used, by a word for the reason.
    problems: dict[str, int] = field(default_factory=dict)
    #: Hidden files and the like in an archive.
    passed_over: int = 0
    #: Of a recipe: what it says.
    recipe: dict[str, Any] | None = None
    #: Whether files may still be added.
    open: bool = False
    #: Where the data lies within the upload's folder.
    place: str = DATA

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, for whoever uploaded it."""
        return {key: value for key, value in asdict(self).items() if key != "place"}


def recognized(
    folder: Path, upload: Upload, file: Path, head: bytes, kind: str, room: int | None
) -> Upload:
    """What the file is that has come for `upload`, moved or unpacked into its `folder`.

    `head`: its first bytes; `kind`: its media type as declared; `room`: bytes it may unpack to.
    Raises `InputError`, `RecipeError`.
    """
    if head.startswith(b"PK"):
        limits = unpacking.Limits() if room is None else unpacking.Limits(total=room)
        found = unpacking.unpack(file, folder / DATA, limits)
        upload = replace(
            upload, files=found.files, bytes=found.bytes, passed_over=found.passed_over
        )
        return looked_through(folder, upload)
    if media_type(head) in PICTURES:
        return _picture(folder, upload, file)
    suffix = _suffix(upload.name, kind, head)
    if suffix in _RECIPES:
        return _recipe(folder, upload, file, suffix)
    place = DATA + suffix
    file.rename(folder / place)
    upload = replace(upload, place=place)
    if suffix == ".jsonl" and _is_stream(folder / place):
        return replace(upload, kind="list", data=SCHEME + upload.id)
    if suffix == ".parquet":
        return replace(upload, kind="table", data=SCHEME + upload.id)
    return _list(folder, upload)


def _picture(folder: Path, upload: Upload, file: Path) -> Upload:
    if upload.bytes > MOST_PICTURE:
        raise InputError(
            f"The picture {upload.name!r} has {upload.bytes:,} bytes.",
            expected=f"at most {MOST_PICTURE:,}",
            do="Make it smaller.",
        )
    file.rename(folder / "picture")
    return replace(upload, kind="picture", place="picture")


def _recipe(folder: Path, upload: Upload, file: Path, suffix: str) -> Upload:
    if upload.bytes > MOST_RECIPE:
        raise _unknown(upload.name)
    text = _text(file, upload.name)
    data, lines = parse_lines(text, form="json" if suffix == ".json" else "yaml")
    check(data, base=folder, lines=lines)
    place = f"recipe{suffix}"
    file.rename(folder / place)
    return replace(upload, kind="recipe", recipe=dict(data), place=place)


def _list(folder: Path, upload: Upload) -> Upload:
    """A list of pictures, or else a table: of one that no format can read nothing is opened."""
    path = folder / upload.place
    try:
        hits = find_format(path)
        next(iter(hits.read(path)), None)
    except InputError:
        _text(path, upload.name)
        return replace(upload, kind="table", data=SCHEME + upload.id)
    return replace(_counted(folder, upload, path), kind="list")


def _is_stream(path: Path) -> bool:
    """Whether a list holds candidates of a deck, whose pictures stand in a list of their own."""
    with path.open("rb") as stream:
        first = stream.readline(MOST_RECIPE)
    try:
        row = json.loads(first)
    except (ValueError, RecursionError):
        return False
    return isinstance(row, dict) and isinstance(row.get("pictures"), list)


def looked_through(folder: Path, upload: Upload) -> Upload:
    """A folder: its classes, or those of the one list that it holds."""
    data = folder / DATA
    lists = [one for one in _top(data) if one.suffix.lower() in _LISTS]
    if len(lists) == 1 and not lists[0].name.lower().startswith("metadata."):
        try:
            place = lists[0].relative_to(folder).as_posix()
            return _counted(folder, replace(upload, place=place), lists[0])
        except unpacking.RefusedArchiveError:
            raise
        except InputError:
            pass  # a list of something else; the folders are the classes
    return _counted(folder, upload, data)


def _counted(folder: Path, upload: Upload, path: Path) -> Upload:
    """With what the format that will read it finds: of places outside it knows none."""
    classes: Counter[str] = Counter()
    problems: Counter[str] = Counter()
    outside = []
    for hit in _hits(path, upload.name):
        if hit.problem in ("outside", "link_outside") or (
            hit.path is not None and not _inside(hit.path, folder)
        ):
            outside.append(f"row {hit.rank + 1}: it leads out of the upload")
        elif hit.problem:
            problems[hit.problem] += 1
        else:
            classes[hit.label or ""] += 1
    if outside:
        raise unpacking.refused(outside, "The list")
    if not classes:
        said = ", ".join(f"{word}: {number}" for word, number in sorted(problems.items()))
        raise InputError(
            f"The upload {upload.name!r} holds no picture that can be used ({said}).",
            expected="a zip of class folders with pictures, or a list `url,label`",
            do="Look at the names of folders and files.",
        )
    return replace(
        upload,
        classes=dict(sorted(classes.items())),
        problems=dict(sorted(problems.items())),
        data=SCHEME + upload.id,
    )


def _hits(path: Path, name: str) -> Iterator[Hit]:
    """The rows of a data set; its errors name the upload, not where it lies."""
    try:
        yield from find_format(path).read(path)
    except InputError as error:
        what = error.what.replace(str(path), name).replace(path.name, name)
        raise InputError(what, expected=error.expected, do=error.do) from None


def _suffix(name: str, kind: str, head: bytes) -> str:
    suffix = Path(name).suffix.lower()
    if head.startswith(b"PAR1"):
        return ".parquet"
    if suffix in _LISTS | _RECIPES:
        return suffix
    if kind in _BY_TYPE:
        return _BY_TYPE[kind]
    start = head.lstrip()
    if start.startswith(b"{"):
        return ".json"
    first = start.split(b"\n", 1)[0]
    if b"," in first and b"\0" not in head:
        return ".csv"
    if re.match(rb"[A-Za-z_]+\s*:", first):
        return ".yaml"
    raise _unknown(name)


def _text(path: Path, name: str) -> str:
    """The start of a text (a recipe is no longer). Raises `InputError` where it is none."""
    with path.open("rb") as stream:
        raw = stream.read(MOST_RECIPE + 4)
    try:
        return raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start >= len(raw) - 4 and len(raw) > MOST_RECIPE:  # cut amid a letter
            return raw[: error.start].decode("utf-8-sig")
        raise _unknown(name) from None


def _top(folder: Path) -> list[Path]:
    """The files on top, or in the one folder that stands there alone."""
    for _ in range(3):
        inner = [one for one in folder.iterdir() if not one.name.startswith(".")]
        if len(inner) != 1 or not inner[0].is_dir():
            break
        folder = inner[0]
    return sorted(one for one in folder.iterdir() if one.is_file())


def _inside(path: Path, root: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))


def _unknown(name: str) -> InputError:
    return InputError(
        f"The file {name!r} is nothing that can be used.",
        expected="a zip of class folders, a picture, a CSV (path or url, label), or a recipe",
        do="Upload one of these; other archives are to be packed anew as zip.",
    )
