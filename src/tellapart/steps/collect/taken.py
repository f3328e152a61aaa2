"""Take the kept pictures of another project into the ledger; no file is copied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tellapart.catalog import NewPicture, Outcome
from tellapart.steps import Progress, StepContext, fingerprint
from tellapart.steps.collect.outcome import Tally, check_classes, summarize
from tellapart.steps.taken import SOURCE, pairs
from tellapart.store.files import FileStore

STEP = "collect"


def run(context: StepContext) -> dict[str, Any]:
    """Bring the ledger to what the other project holds now; return counts by class, and notes.

    Raises what `taken.pairs` raises, and `DataError` for a class whose pictures are all gone.
    """
    found = pairs(context)
    files = FileStore(context.settings.files_dir)
    known = {row.id: row for row in context.catalog.pictures()}
    context.catalog.add(new for id, (new, _) in found.items() if id not in known)
    changes = []
    for id, (new, _) in found.items():
        reason = _gone(new, files)
        status = "missing" if reason else "ok"
        old = known.get(id)
        before = (old.status, old.reason, old.sha256) if old else ("ok", "", new.sha256)
        if before != (status, reason, new.sha256):
            changes.append(_outcome(id, new, reason))
    changes += [
        Outcome(id=row.id, status="missing", reason="not_listed", sha256=row.sha256)
        for row in known.values()
        if row.id not in found and (row.status, row.reason) != ("missing", "not_listed")
    ]
    context.catalog.record(changes)
    rows = [row for row in context.catalog.pictures() if row.id in found]
    labels = sorted({new.label for new, _ in found.values()})
    tally = Tally.of(rows)
    check_classes(tally, labels, None)
    name = context.recipe.from_project
    result = {**summarize(tally, labels, None, None), "origin": {"project": name}}
    lost = sum(row.status != "ok" for row in rows)
    if lost:
        result["notes"].append(
            f"The files of {lost} pictures of the project {name!r} have gone or have changed: "
            f"`tellapart collect {name}` looks after them."
        )
    mark = fingerprint([SOURCE, name, sorted([row.label, row.sha256, row.status] for row in rows)])
    if context.catalog.step_fingerprint(STEP) != mark:
        context.catalog.finish(STEP, mark, result)
    context.progress(Progress(STEP, len(rows), len(rows)))
    return result


def _gone(new: NewPicture, files: FileStore) -> str:
    """Why the file cannot be used, one word; empty where it is as it was."""
    if not new.path:
        return "" if files.has(new.sha256, new.bytes) else "no_such_file"
    try:
        there = Path(new.path).stat()
    except OSError:
        return "no_such_file"
    same = (there.st_size, there.st_mtime_ns) == (new.bytes, new.mtime_ns)
    return "" if same else "changed"


def _outcome(id: str, new: NewPicture, reason: str) -> Outcome:
    return Outcome(
        id=id,
        status="missing" if reason else "ok",
        reason=reason,
        sha256=new.sha256,
        bytes=new.bytes,
        mtime_ns=new.mtime_ns,
        width=new.width,
        height=new.height,
    )
