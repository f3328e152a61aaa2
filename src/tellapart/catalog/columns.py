"""The ledger by columns: hundreds of thousands of pictures in a few bytes each.

A `PictureRow` takes some 1.5 KB; a place in these columns as many bytes as it needs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from tellapart.catalog.base import Base, chunks
from tellapart.catalog.rows import Status
from tellapart.store import schema

_p, _v, _o, _s = schema.pictures, schema.verdicts, schema.overrules, schema.splits
#: Rows written at once, and read: few, so that they are gone before anyone looks for garbage.
AT_ONCE, _READ = 10_000, 1000
#: Rows of strangers for one of a project that are rather read along than told apart.
_STRANGERS = 2
_NO_SHA = "0" * 64

#: How a column is kept: ids and contents as numbers and bytes, words by their number among the
#: different ones, numbers (-1: not known), paths as they are, short names as bytes.
_IDS, _SHAS, _WORDS, _NUMBERS, _TEXTS, _NAMES = range(6)
_KINDS: tuple[Any, ...] = (np.uint64, "S32", np.int32, np.int64, np.object_, "S1")
_COLUMNS: dict[str, int] = {
    "id": _IDS,
    "sha256": _SHAS,
    "path": _TEXTS,
    **dict.fromkeys(("label", "source", "status", "reason", "page_url"), _WORDS),
    **dict.fromkeys(("split_hint", "group_hint", "query", "license"), _WORDS),
    **dict.fromkeys(("position", "rank", "bytes", "mtime_ns"), _NUMBERS),
}
#: Columns that other tables have, or that follow from them.
_JUDGED = {"verdict", "kept", "overruled"}
_DEALT = {"split": (_s.c.split, _WORDS), "group": (_s.c.group_id, _NAMES)}


@dataclass(frozen=True)
class Words:
    """A column of words: for each place the number of its word among the different `names`."""

    codes: NDArray[np.int32]
    names: list[str]

    def at(self, place: int) -> str:
        return self.names[int(self.codes[place])]

    def are(self, word: str) -> NDArray[np.bool_]:
        """Whether each place holds `word`."""
        code = self.names.index(word) if word in self.names else -1
        return np.asarray(self.codes == code)

    def each(self) -> Iterator[str]:
        """The words, place by place."""
        return map(self.names.__getitem__, self.codes.tolist())


@dataclass(frozen=True)
class Columns:
    """Columns of the same pictures; which of them are there, the one who read them knows."""

    _found: Mapping[str, Any]
    size: int

    def __len__(self) -> int:
        return self.size

    @property
    def ids(self) -> NDArray[np.uint64]:
        """Ids as numbers: `name_of` writes them as the ledger does."""
        ids: NDArray[np.uint64] = self._found["id"]
        return ids

    @property
    def shas(self) -> NDArray[np.bytes_]:
        """SHA-256 as 32 bytes; NUL bytes where it is not known."""
        shas: NDArray[np.bytes_] = self._found["sha256"]
        return shas

    @property
    def paths(self) -> list[str]:
        paths: list[str] = self._found["path"]
        return paths

    def words(self, name: str) -> Words:
        found: Words = self._found[name]
        return found

    def numbers(self, name: str) -> NDArray[np.int64]:
        """Numbers, or truths as 1 and 0; -1 where nothing is known."""
        found: NDArray[np.int64] = self._found[name]
        return found

    @property
    def groups(self) -> NDArray[np.bytes_]:
        """Names of the groups of a split, in UTF-8; empty where there is none."""
        groups: NDArray[np.bytes_] = self._found["group"]
        return groups

    def only(self, names: Iterable[str]) -> Columns:
        """Some of the columns."""
        return Columns({name: self._found[name] for name in names}, self.size)

    def at(self, places: NDArray[np.int64]) -> Columns:
        """The pictures at `places`, in that order."""
        found: dict[str, Any] = {}
        for name, values in self._found.items():
            if isinstance(values, Words):
                found[name] = Words(values.codes[places], values.names)
            elif isinstance(values, list):
                found[name] = [values[place] for place in places.tolist()]
            else:
                found[name] = values[places]
        return Columns(found, len(places))


def name_of(id: int) -> str:
    """A picture's id as the ledger has it."""
    return f"{id:016x}"


def sha_of(sha: bytes) -> str:
    """A SHA-256 as the ledger has it."""
    return sha.ljust(32, b"\0").hex()


def read(
    catalog: Base, names: Sequence[str], *, status: Status | None = None, kept: bool | None = None
) -> Columns:
    """Columns `names` of the project's pictures, all or those that match, in any order.

    Tables beside the pictures are read by themselves: their rows lie in another order, and
    looking up each picture's would take longer than everything else.
    """
    own = [name for name in dict.fromkeys(("id", *names)) if name in _COLUMNS]
    with catalog._reading() as connection:
        found, size = _own(connection, catalog, own, status)
        if _JUDGED & set(names) or kept is not None:
            found.update(_judged(connection, catalog, found["id"]))
        if dealt := [name for name in _DEALT if name in names]:
            found.update(_dealt(connection, catalog, found["id"], dealt))
    table = Columns(found, size)
    return table if kept is None else table.at(np.flatnonzero(table.numbers("kept") == int(kept)))


def of(catalog: Base, ids: Iterable[str], names: Sequence[str]) -> Columns:
    """The pictures' own columns `names` of those of `ids` that the project has, in any order."""
    own = list(dict.fromkeys(("id", *names)))
    query = sa.select(*(_p.c[name] for name in own)).where(_p.c.project_id == catalog.project_id)
    gathered = _Gathered(own)
    with catalog._reading() as connection:
        for part in chunks(sorted(ids)):
            for rows in _rows(connection, query.where(_p.c.id.in_(part))):
                gathered.add(rows)
    return gathered.columns()


def joined(one: Columns, other: Columns) -> Columns:
    """The pictures of both, which have the same columns."""
    found: dict[str, Any] = {}
    for name, values in one._found.items():
        more = other._found[name]
        if isinstance(values, Words):
            number = {word: code for code, word in enumerate(values.names)}
            code = [number.setdefault(word, len(number)) for word in more.names]
            codes = np.array(code, dtype=np.int32)[more.codes]
            found[name] = Words(np.concatenate([values.codes, codes]), list(number))
        else:
            found[name] = values + more if isinstance(values, list) else np.append(values, more)
    return Columns(found, one.size + other.size)


def paths(catalog: Base, ids: NDArray[np.uint64]) -> list[str]:
    """The paths of the pictures `ids`, in their order; empty for one that is not there."""
    names = [name_of(id) for id in ids.tolist()]
    found: dict[str, str] = {}
    with catalog._reading() as connection:
        for part in chunks(names):
            query = sa.select(_p.c.id, _p.c.path).where(_p.c.project_id == catalog.project_id)
            found.update(tuple(row) for row in connection.execute(query.where(_p.c.id.in_(part))))
    return [found.get(name, "") for name in names]


def count(catalog: Base, *, status: Status | None = None) -> int:
    """How many pictures the project has, in all or of one status."""
    query = sa.select(sa.func.count()).where(_p.c.project_id == catalog.project_id)
    if status is not None:
        query = query.where(_p.c.status == status)
    with catalog._reading() as connection:
        return int(connection.scalar(query) or 0)


def _rows(connection: sa.Connection, query: sa.Select[Any]) -> Iterator[Sequence[Any]]:
    """What the database gives, a part at a time; truths may be 1 and 0, and JSON a text."""
    if connection.dialect.name != "sqlite":
        # Else a server would send everything at once.
        yield from connection.execute(query, execution_options={"yield_per": _READ}).partitions()
        return
    # A file's rows as its driver gives them: as SQLAlchemy's they take half as long again.
    cursor = connection.execute(query).cursor
    assert cursor is not None  # a query gives rows
    try:
        while rows := cursor.fetchmany(_READ):
            yield rows
    except sqlite3.Error as error:
        raise sa.exc.DBAPIError(str(query), None, error) from error


def _own(
    connection: sa.Connection, catalog: Base, names: Sequence[str], status: Status | None
) -> tuple[dict[str, Any], int]:
    """What the pictures' own table has of them, and how many they are."""
    query = sa.select(*(_p.c[name] for name in names)).where(_p.c.project_id == catalog.project_id)
    if status is not None:
        query = query.where(_p.c.status == status)
    gathered = _Gathered(names)
    for rows in _rows(connection, query):
        gathered.add(rows)
    table = gathered.columns()
    return dict(table._found), table.size


class _Gathered:
    """Rows of the pictures' own table on their way into columns."""

    def __init__(self, names: Sequence[str]) -> None:
        self._parts: dict[str, list[Any]] = {name: [] for name in names}
        self._words: dict[str, dict[str, int]] = {name: {} for name in names}
        self._size = 0

    def add(self, rows: Sequence[Any]) -> None:
        self._size += len(rows)
        for (name, parts), values in zip(self._parts.items(), zip(*rows, strict=True), strict=True):
            parts.append(_packed(_COLUMNS[name], values, self._words[name]))

    def columns(self) -> Columns:
        found = {
            name: _joined(_COLUMNS[name], parts, self._words[name])
            for name, parts in self._parts.items()
        }
        return Columns(found, self._size)


def _judged(connection: sa.Connection, catalog: Base, ids: NDArray[np.uint64]) -> dict[str, Any]:
    """The verdicts on pictures, and what people say of them: as `ledger.KEPT` and `VERDICT`."""
    places, count = Places(ids), len(ids)
    judged, said = np.ones(count, dtype=np.int64), np.full(count, -1, dtype=np.int64)
    words, codes = {"": 0}, np.zeros(count, dtype=np.int32)
    sizes = [sa.select(sa.func.count()).select_from(one).scalar_subquery() for one in (_p, _v)]
    pictures, verdicts = connection.execute(sa.select(*sizes)).one()
    without = sa.select(_p.c.id).outerjoin(_v, _v.c.picture_id == _p.c.id)
    without = without.where(_p.c.project_id == catalog.project_id, _v.c.picture_id.is_(None))
    # Where each has its verdict, nobody looks for those without.
    for names in _rows(connection, without) if pictures > verdicts else ():
        at = places.of([name for (name,) in names])
        judged[at[at >= 0]] = -1
    aside = _v.c.kept.is_(sa.false()) | (_v.c.reason != "")
    for rows in beside(connection, catalog, _v, (_v.c.kept, _v.c.reason), count, aside):
        for (_, kept, reason), place in here(rows, places):
            judged[place] = kept
            codes[place] = words.setdefault(reason, len(words))
    for rows in beside(connection, catalog, _o, (_o.c.kept,), count):
        for (_, kept), place in here(rows, places):
            said[place] = kept
    broken = codes == words.setdefault("unreadable", len(words))
    by_hand = ~broken & (said >= 0) & (said != judged) & ~((judged == -1) & (said == 1))
    codes[by_hand] = words.setdefault("by_hand", len(words))
    return {
        "kept": np.where(broken | (said == -1), judged, said),
        "verdict": Words(codes, list(words)),
        "overruled": said,
    }


def _dealt(
    connection: sa.Connection, catalog: Base, ids: NDArray[np.uint64], names: Sequence[str]
) -> dict[str, Any]:
    """Splits and groups; empty words for pictures that have none."""
    places = Places(ids)
    words: dict[str, dict[str, int]] = {name: {"": 0} for name in names}
    parts: dict[str, list[Any]] = {name: [] for name in names}
    at: list[NDArray[np.int64]] = []
    for rows in beside(connection, catalog, _s, [_DEALT[name][0] for name in names], len(ids)):
        mine, *values = zip(*rows, strict=True)
        at.append(places.of(mine))
        for name, column in zip(names, values, strict=True):
            parts[name].append(_packed(_DEALT[name][1], column, words[name]))
    where = np.concatenate([np.empty(0, np.int64), *at])
    found: dict[str, Any] = {}
    for name in names:
        joined = _joined(_DEALT[name][1], parts[name], words[name])
        stored = joined.codes if isinstance(joined, Words) else joined
        placed = np.zeros(len(ids), dtype=stored.dtype)
        placed[where[where >= 0]] = stored[where >= 0]
        found[name] = Words(placed, joined.names) if isinstance(joined, Words) else placed
    return found


def here(rows: Sequence[Any], places: Places) -> Iterator[tuple[Any, int]]:
    """Those rows of which the picture is here, with its place."""
    at = places.of([row[0] for row in rows]).tolist()
    return ((row, place) for row, place in zip(rows, at, strict=True) if place >= 0)


def beside(
    connection: sa.Connection,
    catalog: Base,
    table: sa.Table,
    values: Sequence[sa.Column[Any]],
    number: int,
    *wanted: sa.ColumnElement[bool],
) -> Iterator[Sequence[Any]]:
    """Rows of a table beside the pictures, as picture and `values`, a part at a time; truths may
    be 1 and 0, and JSON is read.

    Where most of its rows are the project's (of `number` pictures) all are read, as they lie, and
    strangers' come along; else only the project's.
    """
    query = sa.select(table.c.picture_id, *values).where(*wanted)
    count = connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
    if count > _STRANGERS * max(number, AT_ONCE):
        query = query.join(_p, _p.c.id == table.c.picture_id)
        query = query.where(_p.c.project_id == catalog.project_id)
    if any(isinstance(value.type, sa.JSON) for value in values):
        yield from connection.execute(query, execution_options={"yield_per": _READ}).partitions()
    else:
        yield from _rows(connection, query)


class Places:
    """Where pictures stand, by their ids."""

    def __init__(self, ids: NDArray[np.uint64]) -> None:
        self._order = np.argsort(ids)
        self._ids = ids[self._order]

    def of(self, names: Sequence[str]) -> NDArray[np.int64]:
        """The places of the pictures named; -1 for those that are not here."""
        wanted = numbers_of(names)
        if not len(self._ids):
            return np.full(len(wanted), -1, dtype=np.int64)
        at = np.minimum(np.searchsorted(self._ids, wanted), len(self._ids) - 1)
        return np.where(self._ids[at] == wanted, self._order[at], -1)


def _packed(kind: int, values: tuple[Any, ...], words: dict[str, int]) -> Any:
    if kind == _IDS:
        return numbers_of(values)
    if kind == _SHAS:
        return shas(values)
    if kind == _NAMES:
        return np.array([name.encode() for name in values], dtype=np.bytes_)
    if kind == _WORDS:
        if values.count(values[0]) == len(values):
            return np.full(len(values), words.setdefault(values[0], len(words)), dtype=np.int32)
        return np.array([words.setdefault(word, len(words)) for word in values], dtype=np.int32)
    if kind == _NUMBERS:
        return np.array([-1 if one is None else one for one in values], dtype=np.int64)
    return values


def _joined(kind: int, parts: list[Any], words: dict[str, int]) -> Any:
    if kind == _TEXTS:
        return [text for part in parts for text in part]
    kinds: dict[int, Any] = {
        _IDS: np.uint64,
        _SHAS: "S32",
        _WORDS: np.int32,
        _NUMBERS: np.int64,
        _NAMES: "S1",
    }
    joined = np.concatenate([np.empty(0, dtype=kinds.get(kind, np.int64)), *parts])
    return Words(joined, list(words)) if kind == _WORDS else joined


def numbers_of(names: Sequence[str]) -> NDArray[np.uint64]:
    """Ids as numbers."""
    return np.frombuffer(bytes.fromhex("".join(names)), ">u8").astype(np.uint64)


def texts(shas: NDArray[np.bytes_]) -> list[str]:
    """SHA-256 as the ledger has them, all together; zeros where one is not known."""
    digits = np.ascontiguousarray(shas).tobytes().hex()
    return [digits[start : start + 64] for start in range(0, len(digits), 64)]


def shas(texts: Iterable[str]) -> NDArray[np.bytes_]:
    """SHA-256 in hex digits as 32 bytes each; NUL bytes for an empty text."""
    return np.frombuffer(bytes.fromhex("".join(text or _NO_SHA for text in texts)), "S32")
