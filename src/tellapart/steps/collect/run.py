"""All classes at once, within the bounds of the settings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tellapart.catalog import Outcome, PictureRow
from tellapart.doors import Format
from tellapart.forgetting import Refusals
from tellapart.steps import Progress, StepContext
from tellapart.steps.collect.candidates import FILTERS, Candidate, Plan, changed
from tellapart.steps.collect.filling import Filling, Slots
from tellapart.steps.collect.searching import ClassSearch, Report, Sources
from tellapart.steps.collect.writing import Writer
from tellapart.store.files import FileStore

#: Classes worked on at once: enough to search for one while others download.
_CLASSES_AT_ONCE = 4


async def collect_classes(
    context: StepContext, plan: Plan, files: FileStore, find_format: Callable[[Path], Format]
) -> Report:
    """Search and fetch for every class of `plan`; return what the sources failed with."""
    # Imported here: a data set at hand needs no network.
    from tellapart.fetch import Fetcher

    report = Report()
    catalog = context.catalog
    async with Fetcher(context.settings) as fetcher, Writer(catalog, files) as writer:
        refusals = Refusals(context.settings, catalog.engine, catalog.owner)
        sources = Sources(context, plan, fetcher, find_format, refusals)
        await sources.read_lists(catalog, writer)
        rows = await writer.do(catalog.pictures)
        by_label = await _sift(plan, rows, writer)
        searches = await writer.do(catalog.searches)
        known = {(s.label, s.source, s.query): s for s in searches}
        slots, turn = Slots(context.settings), asyncio.Semaphore(_CLASSES_AT_ONCE)
        fillings: dict[str, Filling] = {}

        def tell() -> None:
            _tell(context, plan, fillings)

        for label in plan.labels:
            positions = {(p.source, p.query): p.position for p in plan.pairs(label)}
            fillings[label] = Filling(
                plan.wanted,
                [Candidate.of_row(row, positions) for row in by_label.get(label, [])],
                search=ClassSearch(label, sources, catalog, writer, known, report),
                fetcher=fetcher,
                writer=writer,
                slots=slots,
                tell=tell,
                refusals=refusals,
            )

        async def one(filling: Filling) -> None:
            async with turn:
                await filling.fill()

        tasks = [asyncio.create_task(one(filling)) for filling in fillings.values()]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        tell()
    return report


async def _sift(plan: Plan, rows: list[PictureRow], writer: Writer) -> dict[str, list[PictureRow]]:
    """Rows by class that the recipe's filters let through; the others are put aside."""
    by_label: dict[str, list[PictureRow]] = {}
    changes: list[Outcome] = []
    for row in rows:
        word = plan.filtered(row)
        if not word:
            if row.status in {"refused", "surplus"} and row.reason in FILTERS:
                # The recipe has changed: what its filters kept out may come in now.
                changes.append(changed(row, "pending", ""))
                row = replace(row, status="pending", reason="")
            by_label.setdefault(row.label, []).append(row)
        elif row.status in {"ok", "pending"} or (row.status == "surplus" and row.reason != word):
            changes.append(changed(row, "surplus", word))
    await writer.record(changes)
    return by_label


def _tell(context: StepContext, plan: Plan, fillings: dict[str, Filling]) -> None:
    done = sum(filling.done for filling in fillings.values())
    refused = sum(filling.refused for filling in fillings.values())
    total = None if plan.wanted is None else plan.wanted * len(plan.labels)
    context.progress(Progress("collect", done, total, f"{refused} not usable"))
