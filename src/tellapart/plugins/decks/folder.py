"""Candidates in folders: one sub-folder each, with its pictures and a `profile.json`."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tellapart.doors import Candidate, DeckContext, DeckPicture
from tellapart.errors import InputError
from tellapart.plugins.decks import facts
from tellapart.plugins.decks.local import MOST_PICTURES, LocalDeck, picture
from tellapart.plugins.formats.places import Places, is_picture_name, natural

_PROFILE, _LARGEST = "profile.json", 1_000_000


class Folder(LocalDeck):
    """Reads `PATH/CANDIDATE/{profile.json, pictures}`, in the order of the names.

    The profile's keys are all optional: `name`, `bio`, `age` or `birth_date`, `distance_km` or
    `distance_mi`, `url`, `person`, `fields`, and `pictures` (names in their order; without it all
    pictures of the folder). Folders that are hidden, and links that lead elsewhere, are left out.
    """

    name = "folder"
    title = "Folders"
    about = "One sub-folder a candidate, with its pictures and a profile.json."

    def __init__(self, context: DeckContext) -> None:
        super().__init__(context)
        self._left: Iterator[Candidate] | None = None

    async def next(self, limit: int) -> list[Candidate]:
        if self._left is None:
            self._left = self._read()
        return [found for _, found in zip(range(limit), self._left, strict=False)]

    def _read(self) -> Iterator[Candidate]:
        places = Places(self.path)
        try:
            entries = list(self.path.iterdir())
        except OSError as error:
            raise InputError(
                f"{str(self.path)!r} cannot be read: {error.strerror}.",
                expected="a folder of candidates that this program may read",
                do="Check the path and its permissions.",
            ) from None
        names = [e.name for e in entries if not e.name.startswith(".") and e.is_dir()]
        for name in sorted(names, key=natural):
            ref = facts.ref(name) or "sha256:" + hashlib.sha256(os.fsencode(name)).hexdigest()
            folder = self.path / name
            # A link may lead to a folder of this one, and nowhere else.
            if self.context.known(ref) or not _inside(folder, self.path):
                continue
            try:
                yield self._candidate(folder, ref, places)
            except OSError:
                yield Candidate(ref=ref, problem="unreadable")

    def _candidate(self, folder: Path, ref: str, places: Places) -> Candidate:
        said, problem = _profile(folder)
        listed = said.get("pictures")
        if isinstance(listed, list):
            beside = Places(folder)
            most = int(self.context.settings.max_download_mb * 1e6)
            pictures = tuple(picture(item, beside, most) for item in listed[:MOST_PICTURES])
        else:
            found = (entry.name for entry in folder.iterdir())
            names = sorted(filter(is_picture_name, found), key=natural)
            checked = (places.check(str(folder / n)) for n in names[:MOST_PICTURES])
            pictures = tuple(DeckPicture(path=None if wrong else p) for p, wrong in checked)
        made = facts.candidate(said, ref, self.context.now())
        return replace(
            made, name=made.name or facts.text(folder.name, 200), pictures=pictures, problem=problem
        )


def _profile(folder: Path) -> tuple[dict[str, object], str]:
    """(what profile.json says, one problem word). No such file: nothing is said, no problem."""
    try:
        with (folder / _PROFILE).open("rb") as file:
            data = file.read(_LARGEST + 1)
        said = json.loads(data.decode("utf-8-sig")) if len(data) <= _LARGEST else None
    except FileNotFoundError:
        return {}, ""
    except (OSError, ValueError, RecursionError):
        said = None
    return (said, "") if isinstance(said, dict) else ({}, "unreadable")


def _inside(folder: Path, root: Path) -> bool:
    try:
        return folder.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):
        return False
