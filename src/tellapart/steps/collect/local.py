"""A data set of one's own: read in place, hashed once, looked at again only where it changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from tellapart.bundle import licenses
from tellapart.catalog import Outcome
from tellapart.doors import Batch, Format, Hit
from tellapart.forgetting import Refusals
from tellapart.recipe import SourceSpec
from tellapart.steps import StepContext
from tellapart.steps.collect.asking import key_of, root_of
from tellapart.steps.collect.candidates import Pair, Plan, changed, new_picture
from tellapart.steps.collect.columns import grouped
from tellapart.steps.collect.scanning import Files, Listed, Scan, is_changed, read_files
from tellapart.store.files import FileStore

_SOURCE = "folder"
_PAIR = Pair(_SOURCE, "", 0, 0, local=True)


def read_data(context: StepContext, find_format: Callable[[Path], Format]) -> tuple[Plan, Scan]:
    """Bring the ledger to what `recipe.data` holds now; return its classes as a plan, and what
    was done.

    Files whose size and time of change are known are not read again; files that are gone become
    `missing`. Raises `InputError` for a data set that cannot be read.
    """
    path = Path(context.recipe.data or "").absolute()
    scan = Scan(context.catalog, _SOURCE)
    labels: set[str] = set()
    scan.take(_rows(context, find_format(path), path, labels))
    scan.finish()
    read_files(context, scan.to_read)
    allowed = frozenset(context.recipe.licenses)
    spec = SourceSpec(name=_SOURCE, options={"path": str(path)})
    queries: dict[str, tuple[str, ...]] = {label: (label,) for label in sorted(labels)}
    ignored = frozenset(context.recipe.ignore_robots)
    local = frozenset((_SOURCE,))
    plan = Plan(queries, (spec,), None, allowed, local=local, ignore_robots=ignored)
    return plan, scan


def _rows(
    context: StepContext, format: Format, path: Path, labels: set[str]
) -> Iterator[Listed | Files]:
    """The list's rows in its order; `labels` gets their classes."""
    refusals = Refusals(context.settings, context.catalog.engine, context.catalog.owner)
    root, allowed = root_of(path), frozenset(context.recipe.licenses)
    found: Iterable[Hit | Batch] = (
        hit
        for hit in format.batches(path)
        # Of plain files nobody knows an address or a creator.
        if isinstance(hit, Batch) or not refusals.picture(url=hit.file_url, creator=hit.creator)
    )
    if context.recipe.split.group_by is not None:
        found = grouped(list(_one_by_one(found)), context.recipe.split.group_by)
    elif licenses.rules_out("", allowed):
        found = _one_by_one(found)
    for hit in found:
        if isinstance(hit, Batch):
            labels.add(hit.label)
            yield _files(hit, root)
            continue
        label, key = hit.label or "", key_of(hit, root)
        if label and hit.problem != "case_clash":
            labels.add(label)
        if not hit.problem and licenses.rules_out(hit.license, allowed):
            hit = replace(hit, problem="license")
        yield _listed(hit, label, key)


def _one_by_one(found: Iterable[Hit | Batch]) -> Iterator[Hit]:
    for hit in found:
        if isinstance(hit, Batch):
            yield from hit.hits()
        else:
            yield hit


def _listed(hit: Hit, label: str, key: str) -> Listed:
    whole = partial(new_picture, hit, label, _PAIR, key)
    path = "" if hit.problem or hit.path is None else str(hit.path)
    return Listed(label, key, path, hit.group or "", whole)


def _files(batch: Batch, root: Path) -> Files:
    first = key_of(batch.hit(0), root)
    below = first[: len(first) - len(batch.names[0])]
    return Files(
        batch.label,
        below,
        batch.folder,
        batch.names,
        lambda place: _listed(batch.hit(place), batch.label, below + batch.names[place]),
    )


def keep_up(context: StepContext, files: FileStore, *, remote_only: bool = False) -> bool:
    """Downloaded files lost or cut are to be fetched again; local ones are looked at again.

    Returns whether anything was not as the ledger said.
    """
    changes: list[Outcome] = []
    to_read: list[tuple[str, str]] = []
    for row in context.catalog.pictures():
        if row.status not in {"ok", "surplus", "missing"}:
            continue
        if row.path:
            if remote_only or not row.sha256:
                continue
            new = is_changed(row)
            if new:
                to_read.append((row.id, row.path))
            elif new is None and row.status != "missing":
                changes.append(changed(row, "missing", "no_such_file"))
        elif row.sha256 and not files.has(row.sha256, row.bytes):
            changes.append(Outcome(id=row.id, status="pending"))
    context.catalog.record(changes)
    read_files(context, to_read)
    return bool(changes or to_read)
