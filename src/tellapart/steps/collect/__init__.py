"""collect: find pictures of each class and bring them in, or read a labelled data set in place.

Every picture offered gets a row in the ledger before it is fetched, and every outcome is
committed before its request counts as done. A run that is killed repeats at most the requests
that were in flight. Which pictures are taken depends on (source, query, rank) alone, never on
the order of arrival.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from tellapart import registry
from tellapart.doors import Format
from tellapart.errors import InputError
from tellapart.steps import StepContext, fingerprint
from tellapart.steps.collect.candidates import Plan
from tellapart.steps.collect.holding import held_to
from tellapart.steps.collect.local import keep_up, read_data
from tellapart.steps.collect.outcome import Tally, check_classes, outcomes, summarize
from tellapart.steps.collect.run import collect_classes
from tellapart.steps.collect.scanning import Scan
from tellapart.steps.collect.unpacked import Opened, Packed, Unpack, is_archive
from tellapart.steps.ration import Ration
from tellapart.steps.sweeping import sweeping
from tellapart.store.files import FileStore

T = TypeVar("T")


def run(context: StepContext) -> dict[str, Any]:
    """Bring the ledger to what the recipe asks for; return counts by class, and notes.

    Raises `FetchError` where no source answered for a class, `DataError` where a class has no
    usable picture, `InputError` for a data set or option that cannot be read, `StorageError`
    for a full disk. Whatever was fetched until then stays.
    """
    if context.recipe.data_kind == "arrays":
        from tellapart.steps.collect import arrays

        return arrays.run(context)
    if context.recipe.data_kind == "table":
        from tellapart.steps.collect import tables

        return tables.run(context)
    if context.recipe.from_project is not None:
        from tellapart.steps.collect import taken

        return taken.run(context)
    files = FileStore(context.settings.files_dir)
    if context.recipe.data is not None:
        return _from_data(context, files)
    # One that was left over counts no longer once nobody asks for rounds.
    ration = Ration.read(context.work) if context.recipe.in_rounds else None
    plan = Plan.of_recipe(context.recipe, ration)
    mark = fingerprint(plan.asked())
    known = context.catalog.finished("collect", mark)
    lost = keep_up(context, files)
    if known is not None and not lost and not plan.has_local:
        return known
    report = _await(lambda: collect_classes(context, plan, files, _finder(context)))
    tally = Tally.of(context.catalog.pictures())
    check_classes(tally, plan.labels, report)
    wanted = context.recipe.most_per_class if ration is None else ration.wanted
    result = summarize(tally, plan.labels, wanted, report)
    # A class that is short for a passing reason is tried again by the same command.
    if not result["unfinished"]:
        context.catalog.finish("collect", mark, result)
    return result


def _finder(context: StepContext) -> Callable[[Path], Format]:
    unpack = Unpack.of(context)
    return held_to(context.settings, lambda path: find_format(path, unpack), unpack.into)


def find_format(path: Path, unpack: Unpack | None = None) -> Format:
    """The format that reads `path`; `unpack` takes archives apart for it. Raises `InputError`
    where none does."""
    for name in registry.names("format"):
        kind = registry.load("format", name)
        if kind.recognizes(path):
            return Opened(kind(), unpack) if unpack and kind.archives else kind()
    if is_archive(path):
        return Opened(Packed(find_format), unpack) if unpack else Packed(find_format)
    there = "is no labelled folder or list" if path.exists() else "does not exist"
    raise InputError(
        f"{str(path)!r} {there}.",
        expected="a folder with one sub-folder a class, a folder with metadata.csv, a CSV "
        "`path,label`, or another data set that docs/formats.md names, zipped or not",
        do="Check the path for mistakes.",
    )


def _from_data(context: StepContext, files: FileStore) -> dict[str, Any]:
    with sweeping():
        plan, scan, notes = _read(context)
    report = None
    if scan is not None and scan.remote:
        keep_up(context, files, remote_only=True)
        report = _await(lambda: collect_classes(context, plan, files, _finder(context)))
        scan = None
    with sweeping():
        tally, mark = outcomes(context.catalog, scan)
    check_classes(tally, plan.labels, report)
    result = summarize(tally, plan.labels, None, report)
    result["notes"] += notes
    if context.catalog.step_fingerprint("collect") != mark:
        context.catalog.finish("collect", mark, result)
    return result


def _read(context: StepContext) -> tuple[Plan, Scan | None, list[str]]:
    """The data's classes as a plan, the scan if nothing else has changed the ledger, and notes."""
    rules = context.recipe.rules
    if rules is None:
        return (*read_data(context, _finder(context)), [])
    from tellapart.steps.collect.ruled import Listed, apply

    listed = Listed(_finder(context))
    plan, _ = read_data(context, lambda path: listed)
    labels, notes = apply(context, rules, listed.noted)
    return replace(plan, queries={label: (label,) for label in labels}), None, notes


def _await(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end, also where a notebook has an event loop running already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work())
    results: Sequence[T] = ()
    failure: BaseException | None = None
    loops: list[asyncio.AbstractEventLoop] = []
    # An interrupted `Thread.join` takes the thread for ended, so that an event is waited for.
    over, stopped = threading.Event(), threading.Event()

    def aside() -> None:
        nonlocal results, failure
        try:
            with asyncio.Runner() as runner:
                loops.append(runner.get_loop())
                if not stopped.is_set():
                    results = (runner.run(work()),)
        except BaseException as error:  # handed to the caller's thread below
            failure = error
        finally:
            over.set()

    worker = threading.Thread(target=aside, name="tellapart-collect")
    try:
        worker.start()
        over.wait()
    except BaseException:  # Ctrl-C in the caller's thread, even while this one begins, ends it
        stopped.set()
        for loop in loops:
            with contextlib.suppress(RuntimeError):  # it has ended meanwhile
                loop.call_soon_threadsafe(_cancel_all, loop)
        if worker.is_alive():
            over.wait()
        raise
    if failure is not None:
        raise failure
    return results[0]


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()
