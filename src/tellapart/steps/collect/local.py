"""A data set of one's own: read in place, hashed once, looked at again only where it changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tellapart.catalog import NewPicture, Outcome, PictureRow
from tellapart.doors import Format
from tellapart.forgetting import Refusals
from tellapart.recipe import SourceSpec
from tellapart.steps import Progress, StepContext
from tellapart.steps.collect.candidates import Candidate, Pair, Plan, changed, new_picture
from tellapart.steps.collect.columns import grouped
from tellapart.steps.collect.filling import read_local
from tellapart.steps.collect.searching import key_of, root_of
from tellapart.store.files import FileStore

_SOURCE = "folder"
_PAIR = Pair(_SOURCE, "", 0, 0, local=True)
_BATCH = 256


def read_data(context: StepContext, find_format: Callable[[Path], Format]) -> tuple[Plan, bool]:
    """Bring the ledger to what `recipe.data` holds now; return its classes as a plan, and
    whether some rows are URLs still to be fetched.

    Files whose size and time of change are known are not read again; files that are gone become
    `missing`. Raises `InputError` for a data set that cannot be read.
    """
    path = Path(context.recipe.data or "").absolute()
    refusals = Refusals(context.settings, context.catalog.engine, context.catalog.owner)
    hits = [
        hit
        for hit in find_format(path).read(path)
        if not refusals.picture(url=hit.file_url, creator=hit.creator)
    ]
    labels = {hit.label for hit in hits if hit.label and hit.problem != "case_clash"}
    listed: dict[str, NewPicture] = {}
    root = root_of(path)
    for hit in grouped(hits, context.recipe.split.group_by):
        row = new_picture(hit, hit.label or "", _PAIR, key_of(hit, root))
        listed.setdefault(context.catalog.id_of(row), row)
    known = {row.id: row for row in context.catalog.pictures()}
    context.catalog.add(row for id, row in listed.items() if id not in known)
    context.catalog.regroup(
        {
            id: row.group_hint
            for id, row in listed.items()
            if id in known and known[id].group_hint != row.group_hint
        }
    )
    changes: list[Outcome] = []
    to_read: list[Candidate] = []
    remote = False
    for id, new in listed.items():
        old = known.get(id)
        if new.status != "pending":
            if old is not None and (old.status, old.reason) != (new.status, new.reason):
                changes.append(Outcome(id=id, status=new.status, reason=new.reason))
        elif new.path:
            _look(id, new, old, changes, to_read)
        else:
            remote = True
            if old is not None and old.status == "missing":
                changes.append(changed(old, "pending", ""))
    changes += [
        changed(old, "missing", "not_listed")
        for old in known.values()
        if old.id not in listed and old.source == _SOURCE and old.status != "missing"
    ]
    context.catalog.record(changes)
    _read(context, to_read)
    spec = SourceSpec(name=_SOURCE, options={"path": str(path)})
    queries: dict[str, tuple[str, ...]] = {label: (label,) for label in sorted(labels)}
    return Plan(queries, (spec,), None, local=frozenset((_SOURCE,))), remote


def keep_up(context: StepContext, files: FileStore, *, remote_only: bool = False) -> bool:
    """Downloaded files lost or cut are to be fetched again; local ones are looked at again.

    Returns whether anything was not as the ledger said.
    """
    changes: list[Outcome] = []
    to_read: list[Candidate] = []
    for row in context.catalog.pictures():
        if row.status not in {"ok", "surplus", "missing"}:
            continue
        if row.path:
            if not remote_only and row.sha256:
                _look(row.id, row, row, changes, to_read)
        elif row.sha256 and not files.has(row.sha256, row.bytes):
            changes.append(Outcome(id=row.id, status="pending"))
    context.catalog.record(changes)
    _read(context, to_read)
    return bool(changes or to_read)


def _look(
    id: str,
    new: NewPicture | PictureRow,
    old: PictureRow | None,
    changes: list[Outcome],
    to_read: list[Candidate],
) -> None:
    """Decide by size and time of change whether a file has to be read."""
    candidate = _candidate(id, new.path) if old is None else Candidate.of_row(old, {})
    try:
        there = os.stat(new.path)  # noqa: PTH116 - ten thousand of them
    except OSError:
        if old is None or old.status != "missing":
            gone = changed(old, "missing", "no_such_file") if old else None
            changes.append(gone or Outcome(id=id, status="missing", reason="no_such_file"))
        return
    same = old is not None and (old.bytes, old.mtime_ns) == (there.st_size, there.st_mtime_ns)
    if old is None or not same or not old.sha256:
        to_read.append(candidate)
    elif old.status in {"missing", "pending"}:
        # Known bytes that had gone: the header says again whether they are a picture.
        to_read.append(candidate)


def _read(context: StepContext, rows: list[Candidate]) -> None:
    """Hash files in threads; what is done is committed every few hundred files."""
    if not rows:
        return
    done = 0
    batch: list[Outcome] = []
    context.progress(Progress("collect", 0, len(rows), "reading files"))
    refusals = Refusals(context.settings, context.catalog.engine, context.catalog.owner)
    forgotten: list[str] = []
    pool = ThreadPoolExecutor(context.settings.worker_threads, "tellapart-read")
    try:
        for outcome in pool.map(read_local, rows):
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


def _candidate(id: str, path: str) -> Candidate:
    return Candidate(id, (0, 0, id), "", path, "pending", "", "", None, None, None, None)
