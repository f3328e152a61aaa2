"""A folder of class folders, with or without official splits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from tellapart.doors import Format, Hit
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
                files, problem = [(Path(folder), False)], "empty_class"
            for file, regular in files:
                found, wrong = (file, "") if problem else places.look(file, regular=regular)
                yield Hit(rank=rank, path=found, label=label, split=split, problem=problem or wrong)
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
        return [e.name for e in entries if is_picture_name(e.name) and not e.is_dir()]


def _folders(path: Path) -> list[str]:
    with os.scandir(path) as entries:
        names = [e.name for e in entries if not e.name.startswith((".", "__MACOSX")) and e.is_dir()]
    return sorted(names)


def _pictures(folder: str) -> Iterator[tuple[Path, bool]]:
    """Paths of the pictures below a class folder, and whether each is a file by its folder's own
    word. Linked folders are named, never walked."""
    with os.scandir(folder) as entries:
        found = {entry.name: entry for entry in entries if not entry.name.startswith(".")}
    # Their paths all at once: one by one they would take longer than anything else here.
    paths = {path.name: path for path in Path(folder).iterdir()}
    for name in _ordered(list(found)):
        entry = found[name]
        if entry.is_dir(follow_symlinks=False):
            yield from _pictures(entry.path)
        elif is_picture_name(name) or (entry.is_symlink() and entry.is_dir()):
            yield paths.get(name) or Path(entry.path), entry.is_file(follow_symlinks=False)


def _ordered(names: list[str]) -> list[str]:
    """Names in their natural order; those that differ in digits alone come by alphabet in it."""
    alike = len({name.translate(_DIGITS) for name in names}) == 1
    return sorted(names) if alike else sorted(names, key=natural)
