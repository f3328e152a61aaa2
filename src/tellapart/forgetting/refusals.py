"""What was forgotten is known again when it comes back, and refused: by keyed digests alone."""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from collections.abc import Iterable
from typing import Literal

import sqlalchemy as sa

from tellapart.catalog.base import chunks, insert, now
from tellapart.settings import Settings
from tellapart.store import database
from tellapart.store.keys import Keys
from tellapart.store.schema_forgetting import forgotten

Kind = Literal["sha256", "url", "creator", "candidate"]
#: The owner of what was forgotten for everybody.
EVERYBODY = "*"
#: Why a picture is turned away, as the reason of a refusal.
REASON = "forgotten"
_PURPOSE = "forgotten"


class Refusals:
    """What one owner must not have again. Read once; `reload` looks again.

    Costs one query where nothing was forgotten, and one HMAC a question else.
    """

    def __init__(self, settings: Settings, engine: sa.Engine, owner: str = "") -> None:
        self._settings = settings
        self._engine = engine
        self._owner = owner
        self._known: frozenset[str] = frozenset()
        self._keys: tuple[bytes, ...] = ()
        self.reload()

    def reload(self) -> None:
        """Look again at what was forgotten, by any process."""
        query = sa.select(forgotten.c.digest).where(forgotten.c.owner.in_((self._owner, EVERYBODY)))
        with database.reading(self._engine) as connection:
            self._known = frozenset(connection.scalars(query))
        # The key is made on its first use: not where nothing was forgotten.
        self._keys = Keys(self._settings).derive(_PURPOSE) if self._known else ()

    def __bool__(self) -> bool:
        """Whether anything was forgotten at all."""
        return bool(self._known)

    def picture(self, *, sha256: str = "", url: str = "", creator: str = "") -> bool:
        """Whether a picture of this content, from this address or of this creator is refused."""
        return self._has("sha256", sha256) or self._has("url", url) or self._has("creator", creator)

    def candidate(self, source: str, ref: str) -> bool:
        """Whether a deck source's candidate is refused: not looked at, nothing kept."""
        return self._has("candidate", named(source, ref))

    def add(self, kind: Kind, values: Iterable[str], *, everybody: bool = False) -> int:
        """Refuse these from now on; return how many are new."""
        wanted = sorted({_plain(kind, value) for value in values} - {""})
        if not wanted:
            return 0
        key = Keys(self._settings).derive(_PURPOSE)[0]
        owner = EVERYBODY if everybody else self._owner
        at = now()
        rows = [
            {"digest": _digest(key, kind, value), "owner": owner, "kind": kind, "at": at}
            for value in wanted
        ]
        new = 0
        with database.writing(self._engine) as connection:
            for part in chunks(rows, 200):
                statement = insert(connection, forgotten).values(list(part))
                done = connection.execute(
                    statement.on_conflict_do_nothing(index_elements=["digest", "owner"])
                )
                new += max(0, done.rowcount)
        self.reload()
        return new

    def _has(self, kind: Kind, value: str) -> bool:
        if not self._known or not value:
            return False
        plain = _plain(kind, value)
        return any(_digest(key, kind, plain) in self._known for key in self._keys)


def named(source: str, ref: str) -> str:
    """A candidate by its source and the source's own name of it."""
    return f"{source}\0{ref}"


def _plain(kind: Kind, value: str) -> str:
    """The form in which two spellings are the same."""
    return same_creator(value) if kind == "creator" else value.strip()


def same_creator(name: str) -> str:
    """The form in which two spellings of a creator's name are the same."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _digest(key: bytes, kind: Kind, value: str) -> str:
    message = f"{kind}\0{value}".encode("utf-8", "surrogatepass")
    return hmac.digest(key, message, hashlib.sha256).hex()
