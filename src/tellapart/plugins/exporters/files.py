"""Copy files out of a bundle: checked against its sums, all of them or none."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import mkdtemp

from tellapart.bundle.archive import Archive, refuse
from tellapart.bundle.manifest import read_sums
from tellapart.bundle.predictor import SUMS
from tellapart.errors import StorageError


def copy_out(archive: Archive, names: Mapping[str, str], folder: Path) -> None:
    """Write the members `names` (name in the bundle to name below `folder`).

    They are written beside their places first: where the disk is full or a member is damaged,
    nothing new is there. Raises `StorageError`, `VerificationError`.
    """
    sums, problems = read_sums(archive.read(SUMS))
    if problems:
        raise refuse(archive.path, problems)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        aside = Path(mkdtemp(dir=folder, prefix=".part-"))
        try:
            for name, place in names.items():
                _write(archive, name, aside / place, sums.get(name, ""))
            for place in names.values():
                (folder / place).parent.mkdir(parents=True, exist_ok=True)
                (aside / place).replace(folder / place)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise StorageError(
            f"Nothing can be written to {str(folder)!r}: {error.strerror or error}.",
            expected="enough room, and a folder that can be written to",
            do="Free some space or choose another folder.",
        ) from error


def _write(archive: Archive, name: str, place: Path, expected: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with place.open("wb") as stream:
        for chunk in archive.chunks(name):
            digest.update(chunk)
            stream.write(chunk)
    if digest.hexdigest() != expected:
        raise refuse(archive.path, [f"the content of {name!r} is not what SHA256SUMS says"])
