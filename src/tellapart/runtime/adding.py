"""Single pictures, brought into a class of a project that there is."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tellapart.errors import InputError
from tellapart.fetch.sniff import HEAD, PICTURES, media_type
from tellapart.recipe import check, guess
from tellapart.runtime.desk import Desk, PictureFilter
from tellapart.runtime.recognizing import MOST_PICTURE

#: Bytes of the disk that uploads leave free.
_RESERVE = 256 * 2**20
_SUFFIX = {"image/jpeg": ".jpg", "image/tiff": ".tif", "image/jp2": ".jp2"}


@dataclass
class Added:
    """What became of the pictures."""

    added: int = 0
    #: Whose bytes were there already.
    known: int = 0
    #: Each with its `name` and `error`.
    refused: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


class Recent:
    """Bytes that came within the last minute: the disk is measured no more often than that."""

    def __init__(self, seconds: float = 60.0) -> None:
        self._seconds = seconds
        self._came: dict[str, deque[tuple[int, int]]] = {}

    def add(self, owner: str, size: int) -> None:
        """Count `size` bytes more."""
        second, came = int(time.monotonic()), self._came.setdefault(owner, deque())
        if came and came[-1][0] == second:
            size += came.pop()[1]
        came.append((second, size))

    def of(self, owner: str) -> int:
        """What came lately."""
        since, came = time.monotonic() - self._seconds, self._came.get(owner, deque())
        while came and came[0][0] < since:
            came.popleft()
        if not came:
            self._came.pop(owner, None)
        return sum(size for _, size in came)


def room(desk: Desk) -> int:
    """Bytes that the account may still bring: by its quota and by what the disk has left."""
    folder = desk.uploads
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    free = shutil.disk_usage(folder).free - _RESERVE
    limit = desk.account.quota.disk_mb
    if limit is not None:
        free = min(free, int((limit - desk.usage().disk_mb) * 1e6))
    return max(0, free)


def add_pictures(desk: Desk, project: str, label: str, files: Sequence[tuple[Path, str]]) -> Added:
    """Move picture files (path, name as given) into the class `label` of `project`.

    They stand before those that are searched for; the next run learns from them. Raises
    `NotFoundError`, and `InputError` for an unknown class or a project that takes none.
    """
    folder = _folder(desk, project, label)
    made = Added()
    for path, name in files:
        with path.open("rb") as stream:
            kind = media_type(stream.read(HEAD))
            stream.seek(0)
            sha = hashlib.file_digest(stream, "sha256").hexdigest()
        if kind not in PICTURES or path.stat().st_size > MOST_PICTURE:
            made.refused.append({"name": name, **_no_picture(name, kind).to_dict()})
            continue
        target = folder / f"{sha}{_SUFFIX.get(kind, '.' + kind.removeprefix('image/'))}"
        if target.exists():
            made.known += 1
            continue
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.replace(path, target)  # noqa: PTH105
        made.added += 1
    return made


def _folder(desk: Desk, project: str, label: str) -> Path:
    """Where pictures of a class go; the recipe is changed so that they are found there."""
    view = desk.project(project)
    classes = view.classes or sorted(desk.open(project).counts()["classes"])
    if label not in classes:
        near = guess(label, classes)
        raise InputError(
            f"The project {project!r} has no class {label!r}.",
            expected=f"one of {', '.join(classes[:20])}",
            do=f"Did you mean {near!r}?" if near else "Name one of these classes.",
        )
    recipe = check(view.recipe)
    if recipe.data_kind != "pictures" or recipe.from_project or recipe.dataset:
        raise _takes_none(project, "its data are no pictures of its own")
    if recipe.data is None:
        own = desk.uploads / f"own_{view.name}"
        _search_there(desk, project, own, [one.model_dump() for one in recipe.sources])
        return own / label
    shown = desk.pictures(project, PictureFilter(label=label, status=None), limit=1).items
    folder = Path(shown[0].path).parent if shown and shown[0].path else None
    if folder is None or not folder.is_relative_to(desk.uploads) or folder.name != label:
        raise _takes_none(project, "they are read from a list, or from a folder of one's own")
    return folder


def _search_there(desk: Desk, project: str, own: Path, sources: list[Any]) -> None:
    mine = {"folder": {"path": str(own)}}
    if mine not in sources:
        own.mkdir(mode=0o700, parents=True, exist_ok=True)
        desk.update_project(project, {"sources": [mine, *sources]})


def _no_picture(name: str, kind: str) -> InputError:
    return InputError(
        f"The file {name!r:.200} is no picture ({kind}), or too large.",
        expected=f"JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF of at most {MOST_PICTURE:,} bytes",
        do="Leave it out, or convert it first.",
    )


def _takes_none(project: str, why: str) -> InputError:
    return InputError(
        f"The project {project!r} takes no single pictures: {why}.",
        expected="a project of class words, or of an uploaded folder",
        do="Upload all its pictures anew as a zip of class folders.",
    )
