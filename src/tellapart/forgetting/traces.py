"""What is to be forgotten, and all that names it: found before anything is removed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

from tellapart.store import schema

Kind = Literal["picture", "creator", "candidate", "user", "again"]
#: Texts shorter than this stand in too many places to be looked for.
LEAST = 8


@dataclass(frozen=True)
class Asked:
    """What somebody wants forgotten. `deck`: of a candidate that is named as its service does."""

    kind: Kind
    value: str
    deck: str = ""


@dataclass
class Traces:
    """Everything that names what is to be forgotten."""

    #: Whose; None: of everybody in the house.
    owner: str | None
    kind: Kind
    #: Ids of pictures, SHA-256 of contents, addresses, creators' names.
    ids: set[str] = field(default_factory=set)
    shas: set[str] = field(default_factory=set)
    urls: set[str] = field(default_factory=set)
    creators: set[str] = field(default_factory=set)
    #: Files that were referenced in place.
    paths: set[str] = field(default_factory=set)
    #: Candidates by id; sources and their own names of them; words that only they have.
    candidates: set[str] = field(default_factory=set)
    refs: set[tuple[str, str]] = field(default_factory=set)
    words: set[str] = field(default_factory=set)
    #: Rows of `deck_pictures` by id.
    deck_pictures: set[int] = field(default_factory=set)
    #: Projects by id as (owner, name); decks by id as (owner, name).
    projects: dict[int, tuple[str, str]] = field(default_factory=dict)
    decks: dict[str, tuple[str, str]] = field(default_factory=dict)
    #: Decks whose heads learned from it.
    taught: set[str] = field(default_factory=set)
    #: Runs that had it.
    runs: set[str] = field(default_factory=set)
    #: Contents and addresses that others hold too: what is kept by them alone stays.
    shared: set[str] = field(default_factory=set)
    #: Texts of candidates: looked for at the end, and nowhere overwritten.
    said: set[str] = field(default_factory=set)

    @property
    def own_shas(self) -> set[str]:
        """Contents that nobody else holds."""
        return self.shas - self.shared

    def needles(self) -> set[str]:
        """Texts by which it would be known wherever they stand."""
        texts = {*self.shas, *self.urls, *self.ids, *self.candidates, *self.words}
        texts |= {ref for _, ref in self.refs}
        texts |= {path for path in self.paths if self.kind != "user"}
        return {text for text in texts - self.shared if len(text) >= LEAST}

    @property
    def scope(self) -> str | None:
        """Whose rows may be looked at; None: everybody's."""
        return None if self.kind == "user" else self.owner

    def owners(self) -> sa.ColumnElement[bool]:
        """Restricts projects to those that count."""
        return sa.true() if self.owner is None else schema.projects.c.owner == self.owner


def paths_in(folder: Path, paths: Iterable[str]) -> list[Path]:
    """Those of the paths that lie in the folder."""
    root = folder.absolute()
    return sorted(path for path in map(Path, paths) if path.is_relative_to(root))
