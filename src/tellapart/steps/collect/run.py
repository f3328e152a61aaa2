"""All classes at once, within the bounds of the settings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from tellapart.catalog import Catalog, Outcome, PictureRow, robots
from tellapart.catalog.sources import save, states
from tellapart.doors import Format
from tellapart.errors import TellapartError
from tellapart.forgetting import Refusals
from tellapart.settings import secrets
from tellapart.steps import Progress, StepContext, fingerprint
from tellapart.steps.collect.asking import Sources
from tellapart.steps.collect.candidates import FILTERS, Candidate, Plan, changed
from tellapart.steps.collect.cassette import Player, Recorder, Tape, Unplugged
from tellapart.steps.collect.filling import Filling, Hands
from tellapart.steps.collect.health import Health
from tellapart.steps.collect.hosts import Hosts
from tellapart.steps.collect.searching import ClassSearch, Means, Report
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

    catalog, tape = context.catalog, _tape(context, plan)
    async with (
        Fetcher(
            context.settings,
            network=Unplugged() if tape.plays else None,
            ignore_robots=plan.ignore_robots,
        ) as fetcher,
        Writer(catalog, files) as writer,
        AsyncExitStack() as at_the_end,
    ):
        refusals = Refusals(context.settings, catalog.engine, catalog.owner)
        sources = Sources(context, plan, fetcher, find_format, refusals)
        at_the_end.push_async_callback(sources.aclose)
        health = Health({} if tape.plays else await writer.do(states, catalog.engine))
        report = Report()
        at_the_end.push_async_callback(_keep, health, writer, catalog, report)
        await writer.do(robots.note, catalog, plan.ignore_robots)
        await sources.read_lists(catalog, writer)
        by_label = await _sift(plan, await writer.do(catalog.pictures), writer)
        known = {(s.label, s.source, s.query): s for s in await writer.do(catalog.searches)}
        means = Means(sources, catalog, writer, known, report, health, tape)
        fillings: dict[str, Filling] = {}
        hosts = Hosts(context.settings)
        hands = Hands(
            fetcher, writer, hosts, refusals, tape, lambda: _tell(context, plan, fillings)
        )
        for label in plan.labels:
            wanted = plan.wanted_of(label)
            if plan.ration is not None and not wanted:
                continue  # nothing more of it in this round
            pairs = {(pair.source, pair.query): pair for pair in plan.pairs(label)}
            rows = [Candidate.of_row(row, pairs) for row in by_label.get(label, [])]
            fillings[label] = Filling(label, wanted, rows, ClassSearch(label, means), hands)
        await _fill(fillings, report)
        report.notes += [
            f"The robots.txt of {host} was left aside, as you asked by name (noted in the project)."
            for host in sorted(plan.ignore_robots)
        ]
        hands.tell()
        late = [
            f"The host {host} held up the others: its pictures came last."
            for host in sorted(hosts.put_back)
        ]
        everything = await writer.do(catalog.pictures) if tape.keeps or tape.plays else []
        report.notes += tape.end(fingerprint(plan.asked()), everything, late)
    return report


async def _fill(fillings: Mapping[str, Filling], report: Report) -> None:
    """Fill all classes, some at once; note those of which there is no more to be had."""
    turn = asyncio.Semaphore(_CLASSES_AT_ONCE)

    async def one(filling: Filling) -> None:
        async with turn:
            await filling.fill()
        if filling.is_exhausted and filling.label not in report.errors:
            report.exhausted.add(filling.label)

    tasks = [asyncio.create_task(one(filling)) for filling in fillings.values()]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _tape(context: StepContext, plan: Plan) -> Tape:
    """What the settings say: keep the run, play one that was kept, or neither."""
    settings, round = context.settings, plan.ration.round if plan.ration else 0
    if settings.owner:
        return Tape()  # one folder for all accounts would hand each what others had found
    if settings.replay is not None:
        return Player(settings.replay, round)
    if settings.record is not None:
        of = fingerprint([context.catalog.name, plan.answers()])
        return Recorder(settings.record, round, secrets(settings), of)
    return Tape()


async def _keep(health: Health, writer: Writer, catalog: Catalog, report: Report) -> None:
    """Store how the sources were; what cannot be stored must not break the run."""
    try:
        await writer.do(save, catalog.engine, health.changed())
    except TellapartError as error:
        report.notes.append(f"How the sources were is not known to the next run: {error.what}")


async def _sift(plan: Plan, rows: list[PictureRow], writer: Writer) -> dict[str, list[PictureRow]]:
    """Rows by class that the recipe's filters let through; the others are put aside."""
    by_label: dict[str, list[PictureRow]] = {}
    changes: list[Outcome] = []
    for row in rows:
        word = plan.filtered(row)
        if not word:
            filters = row.status in {"refused", "surplus"} and row.reason in FILTERS
            if filters or (row.status == "refused" and plan.opens(row)):
                # The recipe has changed: what its filters kept out may come in now.
                changes.append(changed(row, "pending", ""))
                row = replace(row, status="pending", reason="")
            by_label.setdefault(row.label, []).append(row)
        elif row.status in {"ok", "pending"} or (row.status == "surplus" and row.reason != word):
            changes.append(changed(row, "surplus", word))
    await writer.record(changes)
    return by_label


def _tell(context: StepContext, plan: Plan, fillings: Mapping[str, Filling]) -> None:
    done = sum(filling.done for filling in fillings.values())
    refused = sum(filling.refused for filling in fillings.values())
    wanted = [plan.wanted_of(label) for label in fillings]
    total = None if None in wanted else sum(number or 0 for number in wanted)
    context.progress(Progress("collect", done, total, f"{refused} not usable"))
