"""A list of one's own against the ledger, a part at a time: what is new, changed, gone.

Of the ledger only columns are in memory, of the list a few thousand rows: three hundred thousand
pictures take some hundred bytes each.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from tellapart.catalog import (
    Catalog,
    NewPicture,
    Outcome,
    PictureRow,
    columns,
    looking,
    picture_digests,
    picture_id,
)
from tellapart.forgetting import Refusals
from tellapart.steps import Progress, StepContext
from tellapart.steps.collect.candidates import Candidate, changed
from tellapart.steps.collect.filling import read_local
from tellapart.steps.collect.outcome import TOLD

T = TypeVar("T")
#: Rows looked at, added and read at once, and outcomes committed at once.
_AT_ONCE, _BATCH = 4096, 256
#: A greater share of rows than this is read anew with all others rather than by itself.
_MOST_TOUCHED = 0.1


class Listed(NamedTuple):
    """A row of a list: what tells whether the ledger has it as it is, and all of it."""

    label: str
    key: str
    #: Empty: not to be read from here, or of no use.
    path: str
    group: str
    #: All of it, for a row that is new or has changed.
    whole: Callable[[], NewPicture]


class Files(NamedTuple):
    """Rows of a list that are files of one class and one folder, of which nothing else is known."""

    label: str
    #: What their keys begin with; the rest is the name.
    below: str
    folder: str
    names: Sequence[str]
    #: One of them as a row.
    row: Callable[[int], Listed]


class _Waiting:
    """Rows that are looked at together: what tells whether the ledger has them, by columns."""

    def __init__(self) -> None:
        self.digests: list[bytes] = []
        self.paths: list[str] = []
        self.groups: list[str] = []
        #: A row, or files and the place among them.
        self._rows: list[Listed | tuple[Files, int]] = []

    def __len__(self) -> int:
        return len(self.paths)

    def row(self, at: int) -> Listed:
        found = self._rows[at]
        return found if isinstance(found, Listed) else found[0].row(found[1])

    def add(self, row: Listed, digest: bytes) -> None:
        self.digests.append(digest)
        self.paths.append(row.path)
        self.groups.append(row.group)
        self._rows.append(row)

    def extend(self, files: Files, places: range, digests: Sequence[bytes]) -> None:
        """Those of the files at `places`."""
        names = files.names[places.start : places.stop]
        self.digests += digests
        self.paths += [f"{files.folder}{os.sep}{name}" for name in names]
        self.groups += [""] * len(places)
        self._rows += [(files, place) for place in places]


class Scan:
    """Takes the rows of a list one after the other and brings the ledger to them."""

    def __init__(self, catalog: Catalog, source: str) -> None:
        self._catalog = catalog
        self._source = source
        self._known = _Known(catalog)
        #: Rows that the list has, known ones by their place and new ones by their number.
        self._listed = np.zeros(len(self._known.ids), dtype=bool)
        self._fresh: set[int] = set()
        #: Whose rows are new or may be others than they were.
        self._touched: set[str] = set()
        #: Files to read, by id and path.
        self.to_read: list[tuple[str, str]] = []
        #: Whether some rows are URLs still to be fetched.
        self.remote = False

    def take(self, rows: Iterable[Listed | Files]) -> None:
        """Add what is new, and record what has changed; the first row of an id counts."""
        name, owner, source = self._catalog.name, self._catalog.owner, self._source
        waiting = _Waiting()
        for row in rows:
            if isinstance(row, Files):
                for start in range(0, len(row.names), _AT_ONCE):
                    places = range(start, min(start + _AT_ONCE, len(row.names)))
                    names = row.names[places.start : places.stop]
                    digests = picture_digests(name, row.label, source, row.below, names, owner)
                    waiting.extend(row, places, digests)
                    waiting = self._looked(waiting, least=_AT_ONCE)
            else:
                id = picture_id(name, row.label, source, row.key, owner)
                waiting.add(row, bytes.fromhex(id))
                waiting = self._looked(waiting, least=_AT_ONCE)
        self._looked(waiting, least=1)

    def _looked(self, rows: _Waiting, *, least: int) -> _Waiting:
        """Take rows if there are so many; whatever is still to be looked at."""
        if len(rows) < least:
            return rows
        numbers = np.frombuffer(b"".join(rows.digests), ">u8").astype(np.uint64)
        places = self._known.places(numbers)
        asked = np.flatnonzero(~self._unchanged(rows, places)).tolist()
        ids = [columns.name_of(number) for number in numbers[asked].tolist()]
        self._touched.update(ids)
        self._take([rows.row(at) for at in asked], ids, numbers[asked], places[asked].tolist())
        return _Waiting()

    def finish(self) -> None:
        """What the list has no longer is `missing`."""
        known = self._known
        gone = ~self._listed & known.source.are(self._source) & ~known.status.are("missing")
        for places in parts(np.flatnonzero(gone).tolist(), _AT_ONCE):
            names = [known.name(place) for place in places]
            self._touched.update(names)
            old = looking.by_ids(self._catalog, names)
            self._catalog.record(changed(row, "missing", "not_listed") for row in old)

    def now(self) -> columns.Columns:
        """What is to be told of all rows, as the ledger has them after this scan and reading."""
        table = self._known.told
        if len(self._touched) > _MOST_TOUCHED * len(table):
            return columns.read(self._catalog, TOLD)
        lost = np.isin(table.ids, columns.numbers_of(sorted(self._touched)))
        return columns.joined(
            table.at(np.flatnonzero(~lost)), columns.of(self._catalog, self._touched, TOLD)
        )

    def _unchanged(self, rows: _Waiting, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which rows the ledger has just so, their files too; they count as listed."""
        known = self._known
        if not len(known.ids):
            return np.zeros(len(rows), dtype=bool)
        sizes, times = np.full(len(rows), -1), np.full(len(rows), -1)
        for at in np.flatnonzero(places >= 0).tolist():
            if rows.paths[at] and (there := _stat(rows.paths[at])) is not None:
                sizes[at], times[at] = there.st_size, there.st_mtime_ns
        groups = [known.groups.get(group, -1) for group in rows.groups]
        same = (places >= 0) & (sizes >= 0) & known.are_read(places, sizes, times)
        same &= known.group.codes[places] == np.array(groups, dtype=np.int32)
        # Of several rows of one id the first counts.
        _, kinds, count = np.unique(places, return_inverse=True, return_counts=True)
        same &= (count == 1)[kinds.reshape(-1)] & ~self._listed[places]
        self._listed[places[same]] = True
        return same

    def _take(
        self,
        rows: Sequence[Listed],
        ids: Sequence[str],
        numbers: NDArray[np.uint64],
        places: Sequence[int],
    ) -> None:
        known, catalog = self._known, self._catalog
        new: list[NewPicture] = []
        regrouped: dict[str, str] = {}
        looked: list[tuple[str, NewPicture, int]] = []
        for id, number, row, place in zip(ids, numbers.tolist(), rows, places, strict=True):
            if place < 0:
                if number in self._fresh:
                    continue
                self._fresh.add(number)
            elif self._listed[place]:
                continue
            else:
                self._listed[place] = True
                if known.group.at(place) != row.group:
                    regrouped[id] = row.group
            whole = row.whole()
            if place < 0:
                new.append(whole)
            looked.append((id, whole, place))
        catalog.add(new)
        catalog.regroup(regrouped)
        self._look(looked)

    def _look(self, rows: Sequence[tuple[str, NewPicture, int]]) -> None:
        known = self._known
        changes: list[Outcome] = []
        #: Known rows of which all but the status stays: what it becomes.
        turned: dict[str, tuple[str, str]] = {}
        for id, row, place in rows:
            if row.status != "pending":
                was = known.said(place) if place >= 0 else None
                if was is not None and was != (row.status, row.reason):
                    changes.append(Outcome(id=id, status=row.status, reason=row.reason))
            elif not row.path:
                self.remote = True
                if place >= 0 and known.status.at(place) == "missing":
                    turned[id] = ("pending", "")
            elif (there := _stat(row.path)) is None:
                if place < 0:
                    gone = Outcome(id=id, status="missing", reason="no_such_file")
                    changes.append(gone)
                elif known.status.at(place) != "missing":
                    turned[id] = ("missing", "no_such_file")
            elif place < 0 or not known.is_read(place, there):
                self.to_read.append((id, row.path))
        for old in looking.by_ids(self._catalog, list(turned)):
            status, reason = turned[old.id]
            changes.append(changed(old, "pending" if status == "pending" else "missing", reason))
        self._catalog.record(changes)


class _Known:
    """What the ledger has, by columns in the order of ids."""

    def __init__(self, catalog: Catalog) -> None:
        table = columns.read(catalog, (*TOLD, "group_hint", "bytes", "mtime_ns"))
        table = table.at(np.argsort(table.ids))
        self.told = table.only(("id", *TOLD))
        self.ids = table.ids
        self.status, self.reason, self.source, self.group = map(
            table.words, ("status", "reason", "source", "group_hint")
        )
        self._size = table.numbers("bytes")
        self._time = table.numbers("mtime_ns")
        self.groups = {name: code for code, name in enumerate(self.group.names)}
        waiting = self.status.are("missing") | self.status.are("pending")
        self._read = (table.shas != b"") & ~waiting

    def places(self, wanted: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Where the ledger has the pictures of these numbers; -1: nowhere."""
        if not len(self.ids):
            return np.full(len(wanted), -1)
        at = np.minimum(np.searchsorted(self.ids, wanted), len(self.ids) - 1)
        return np.where(self.ids[at] == wanted, at, -1)

    def name(self, place: int) -> str:
        return columns.name_of(int(self.ids[place]))

    def said(self, place: int) -> tuple[str, str]:
        return self.status.at(place), self.reason.at(place)

    def are_read(
        self, places: NDArray[np.int64], sizes: NDArray[np.int64], times: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Whether files of these sizes and times of change are the ones that were read; of one
        that had gone, its header says."""
        same = (self._size[places] == sizes) & (self._time[places] == times)
        return np.asarray(self._read[places] & same)

    def is_read(self, place: int, there: os.stat_result) -> bool:
        """The same of one file."""
        one = np.array([place])
        return bool(self.are_read(one, *np.array([[there.st_size], [there.st_mtime_ns]]))[0])


def is_changed(row: PictureRow) -> bool | None:
    """Whether a picture's file is to be read again; None: it is not there."""
    there = _stat(row.path)
    if there is None:
        return None
    same = (row.bytes, row.mtime_ns) == (there.st_size, there.st_mtime_ns)
    # Known bytes that had gone: the header says again whether they are a picture.
    return not same or not row.sha256 or row.status in {"missing", "pending"}


def read_files(context: StepContext, rows: Sequence[tuple[str, str]]) -> None:
    """Hash files (id, path) in threads; what is done is committed every few hundred files."""
    if not rows:
        return
    done = 0
    batch: list[Outcome] = []
    context.progress(Progress("collect", 0, len(rows), "reading files"))
    refusals = Refusals(context.settings, context.catalog.engine, context.catalog.owner)
    forgotten: list[str] = []
    pool = ThreadPoolExecutor(context.settings.worker_threads, "tellapart-read")
    try:
        for part in parts(rows, _AT_ONCE):
            for outcome in pool.map(read_local, (Candidate.of_file(*file) for file in part)):
                if refusals.picture(sha256=outcome.sha256):
                    forgotten.append(outcome.id)
                else:
                    batch.append(outcome)
                done += 1
                if len(batch) == _BATCH:
                    context.catalog.record(batch)
                    batch = []
                    context.progress(Progress("collect", done, len(rows), "reading files"))
    finally:
        pool.shutdown(cancel_futures=True)
        context.catalog.record(batch)
        context.catalog.remove(forgotten)
    context.progress(Progress("collect", done, len(rows), "reading files"))


def parts(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items, `size` at a time."""
    waiting = iter(items)
    while part := list(islice(waiting, size)):
        yield part


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116 - three hundred thousand of them
    except OSError:
        return None
