"""A folder of class folders, with or without official splits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tellapart.doors import Batch, Format, Hit
from tellapart.errors import InputError
from tellapart.plugins.formats.places import (
    Labels,
    Places,
    is_picture_name,
    natural,
    split_named,
)

_DIGITS = str.maketrans(dict.fromkeys("0123456789", "0"))


class ImageFolder(Format):
    """`<class>/…` or `train|val|valid|validation|dev|test/<class>/…`; classes are folders.

    Folders inside a class belong to it. Hidden files and files that are not pictures by name
    are passed over. A folder holding nothing but one folder is looked into.
    """

    name = "imagefolder"

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        return path.is_dir()

    def read(self, path: Path) -> Iterator[Hit]:
        """Splits in the order train, validation, test; classes by alphabet; files naturally."""
        for found in self.batches(path):
            if isinstance(found, Batch):
                yield from found.hits()
            else:
                yield found

    def batches(self, path: Path) -> Iterator[Hit | Batch]:
        """The same, the pictures of a folder together unless one of them is to be looked at."""
        root = _inner(path)
        places, labels = Places(root), Labels()
        folders = _folders(root)
        if not folders:
            raise InputError(
                f"{str(path)!r} holds no class folders.",
                expected="one folder a class with its pictures: apple/1.jpg, pear/1.jpg",
                do="Sort the pictures into folders named by class, or give a CSV `path,label`.",
            )
        rank, any_picture = 0, False
        for split, label_name, folder in _classes(root, folders):
            label, problem = labels.check(label_name) if label_name else ("", "outside_splits")
            files = list(_pictures(folder))
            any_picture = any_picture or bool(files)
            if not files and label and not _names(Path(folder)):
                # A class that was meant and forgotten, not a folder of other things.
                files, problem = [_Files(folder, [""], regular=False, plain=False)], "empty_class"
            for part in files:
                if not problem and part.plain and places.are_plain(part.folder, part.names):
                    yield Batch(rank, part.folder, part.names, label, split)
                    rank += len(part.names)
                    continue
                places.recall(part.folder)
                for name in part.names:
                    found, wrong = Path(part.folder, name), ""
                    if not problem:
                        wrong = places.look(found, regular=part.regular)[1]
                    yield Hit(
                        rank=rank, path=found, label=label, split=split, problem=problem or wrong
                    )
                    rank += 1
        for name in sorted(_loose(root), key=natural):
            yield Hit(rank=rank, path=root / name, label="", problem="no_label")
            rank += 1
        if not any_picture:
            raise InputError(
                f"No picture lies in the {len(folders)} folders of {str(path)!r}.",
                expected="JPEG, PNG, WebP, GIF, BMP or TIFF files",
                do="Check the path; other kinds of pictures are to be converted first.",
            )


def _classes(root: Path, folders: list[str]) -> Iterator[tuple[str | None, str, str]]:
    """(split, class, folder) in reading order; an empty class lies beside the split folders."""
    splits = [name for name in folders if split_named(name) and _holds_folders_only(root / name)]
    if not splits:
        for name in folders:
            yield None, name, str(root / name)
        return
    order = ("train", "validation", "test")
    for name in sorted(splits, key=lambda n: (order.index(split_named(n) or ""), n)):
        for label in _folders(root / name):
            yield split_named(name), label, str(root / name / label)
    for name in folders:
        if name not in splits:
            yield None, "", str(root / name)


def _inner(path: Path) -> Path:
    """The folder that holds the classes: archives often wrap it in another one or two."""
    for _ in range(3):
        folders = _folders(path)
        inside = path / folders[0] if len(folders) == 1 else None
        if inside is None or inside.is_symlink() or not _holds_folders_only(inside):
            break
        if _loose(path):
            break
        path = inside
    return path


def _holds_folders_only(path: Path) -> bool:
    return bool(_folders(path)) and not _loose(path)


def _names(path: Path) -> list[str]:
    return [entry.name for entry in os.scandir(path) if not entry.name.startswith(".")]


def _loose(path: Path) -> list[str]:
    """Pictures in the folder itself; a class may be called like one."""
    with os.scandir(path) as entries:
        return [e.name for e in entries if is_picture_name(e.name) and not _is_folder(e)]


def _folders(path: Path) -> list[str]:
    with os.scandir(path) as entries:
        names = [
            e.name for e in entries if not e.name.startswith((".", "__MACOSX")) and _is_folder(e)
        ]
    return sorted(names)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder or leads to one; a link that leads to itself does not."""
    try:
        return entry.is_dir()
    except OSError:
        return False


class _Files(NamedTuple):
    """Pictures of one folder that follow one another."""

    folder: str
    names: list[str]
    #: Whether they are files by their folder's own word, and no links.
    regular: bool
    #: Whether all pictures of the folder are, and no two differ by case alone.
    plain: bool


def _pictures(folder: str) -> Iterator[_Files]:
    """The pictures below a class folder. Linked folders are named, never walked."""
    with os.scandir(folder) as entries:
        found = {entry.name: entry for entry in entries if not entry.name.startswith(".")}
    inner = {name for name, entry in found.items() if entry.is_dir(follow_symlinks=False)}
    pictures = {name for name in found.keys() - inner if is_picture_name(name)}
    regular = {name for name in pictures if found[name].is_file(follow_symlinks=False)}
    linked = {e.name for e in found.values() if e.is_symlink() and _is_folder(e)} - pictures
    plain = len(pictures) == len({name.casefold() for name in pictures}) and pictures == regular
    run: list[str] = []
    for name in _ordered(list(found)):
        if name in regular:
            run.append(name)
        elif name in inner or name in pictures or name in linked:
            if run:
                yield _Files(folder, run, regular=True, plain=plain)
                run = []
            if name in inner:
                yield from _pictures(found[name].path)
            else:
                yield _Files(folder, [name], regular=False, plain=False)
    if run:
        yield _Files(folder, run, regular=True, plain=plain)


def _ordered(names: list[str]) -> list[str]:
    """Names in their natural order; those that differ in digits alone come by alphabet in it."""
    alike = len({name.translate(_DIGITS) for name in names}) == 1
    return sorted(names) if alike else sorted(names, key=natural)
