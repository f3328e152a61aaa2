"""What the formats share: names of splits and pictures, safe paths, clashes of case."""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from pathlib import Path

from tellapart.datasets.samples import SUFFIXES

#: Every spelling of a split that is in use, and what it means here.
SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}

_DIGITS = re.compile(r"(\d+)")
_MAX_LABEL = 200


def is_picture_name(name: str) -> bool:
    """Whether a file's name says that it is a picture. Hidden files are not."""
    dot = name.rfind(".")
    return dot > 0 and name[dot:].lower() in SUFFIXES and not name.startswith(".")


def split_named(name: str) -> str | None:
    """`train`, `validation` or `test` for any spelling of it, else None."""
    return SPLITS.get(name.strip().lower())


def natural(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """A sort key that puts `img2` before `img10`; equal names by their very letters."""
    parts = [
        # The length bound keeps int() off absurd runs of digits.
        (0, int(part), "") if part.isdecimal() and len(part) < 30 else (1, 0, part)
        for part in _DIGITS.split(name.casefold())
        if part
    ]
    return parts, name


class Labels:
    """Cleans labels and finds those that differ by case alone: such classes are a mistake
    on one machine and one folder on another."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def check(self, raw: object) -> tuple[str, str]:
        """(label, problem): the label in normal form, one problem word or an empty string."""
        if isinstance(raw, list) and len(raw) > 1:
            return "", "several_labels"
        if isinstance(raw, (dict, list, float)) or raw is None:
            return "", "no_label" if raw is None else "bad_label"
        label = " ".join(unicodedata.normalize("NFC", str(raw)).split())
        if not label:
            return "", "no_label"
        if len(label) > _MAX_LABEL or any(unicodedata.category(c)[0] == "C" for c in label):
            return "", "bad_label"
        first = self._seen.setdefault(label.casefold(), label)
        return label, "" if first == label else "case_clash"


class Places:
    """Turns names written in a data set into paths that lie inside its folder.

    Problem words: `outside` (an absolute path where none may be, or `..` out of the folder),
    `link_outside` (a link that leads out of it), `no_such_file`, `not_a_file` (a folder, a
    pipe, a device), `not_a_picture` (by name), `case_clash`, `bad_path`.
    """

    def __init__(self, root: Path, *, absolute: bool = False) -> None:
        self.root = Path(os.path.normpath(root.absolute()))
        self._real_root = os.path.realpath(root)
        self._absolute = absolute
        self._folders: dict[str, str] = {}
        self._seen: dict[str, str] = {}
        #: Plain names by folder, folders by their names in small letters.
        self._plain: dict[str, dict[str, list[str]]] = {}

    def find(self, name: str) -> tuple[Path | None, str]:
        """(path, problem) of the picture `name`, relative to the folder or absolute."""
        name = name.strip()
        if not name or "\0" in name:
            return None, "bad_path"
        if "\\" in name and not os.path.lexists(self.root / name):
            name = name.replace("\\", "/")  # lists written on Windows
        outright = os.path.isabs(name)  # noqa: PTH117
        if outright and not self._absolute:
            return None, "outside"
        path = os.path.normpath(os.path.join(self.root, name))  # noqa: PTH118
        inside = _within(path, str(self.root))
        if not inside and not outright:
            return None, "outside"
        # An absolute path into the folder is held to the folder's rules as well.
        return self.check(path, confined=inside)

    def check(self, path: str, *, confined: bool = True) -> tuple[Path | None, str]:
        """(path, problem) of a picture file at a normalised absolute path."""
        return self.look(Path(path), confined=confined)

    def look(
        self, path: Path, *, confined: bool = True, regular: bool = False
    ) -> tuple[Path | None, str]:
        """The same; `regular`: it is known to be a file, no link, and a picture by its name."""
        text = str(path)
        try:
            problem = self._problem(text, confined, regular)
        except (OSError, ValueError):
            problem = "bad_path"
        if not problem:
            first = self._seen.setdefault(text.casefold(), text)
            problem = "" if first == text else "case_clash"
        return path, problem

    def are_plain(self, folder: str, names: list[str]) -> bool:
        """Whether nothing is to be said of `names` in `folder`: known to be files, no links, and
        pictures by name, no two of which differ by case alone. Else each is to be looked at."""
        try:
            problem = self._problem(f"{folder}{os.sep}", True, True)
        except (OSError, ValueError):
            return False
        known = self._plain.setdefault(folder.casefold(), {})
        if problem or known.keys() - {folder}:
            return False
        known.setdefault(folder, []).extend(names)
        return True

    def recall(self, folder: str) -> None:
        """Before files of `folder` are looked at: plain names count as seen where its name and
        theirs differ by case alone."""
        known = self._plain.setdefault(folder.casefold(), {})
        known.setdefault(folder, [])
        for other, names in known.items():
            for name in names:
                text = f"{other}{os.sep}{name}"
                self._seen.setdefault(text.casefold(), text)
            names.clear()

    def _problem(self, path: str, confined: bool, regular: bool) -> str:
        folder, _, name = path.rpartition(os.sep)
        real = self._folders.get(folder)
        if real is None:
            real = self._folders[folder] = os.path.realpath(folder or os.sep)
        if confined and not _within(real, self._real_root):
            return "link_outside"
        if regular:
            return ""
        try:
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode):
                if confined and not _within(os.path.realpath(path), self._real_root):
                    return "link_outside"
                mode = os.stat(path).st_mode  # noqa: PTH116
        except (FileNotFoundError, NotADirectoryError):
            return "no_such_file"
        if not stat.S_ISREG(mode):
            return "not_a_file"
        # Named here, not opened: whether it is a picture is found out when it is read.
        suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122
        return "" if suffix in SUFFIXES or not suffix else "not_a_picture"


def _within(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)
