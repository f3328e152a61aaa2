"""Figures of very many pictures, by columns: measured a part at a time, kept beside the project."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart import images
from tellapart.catalog import columns
from tellapart.doors import Analyzer
from tellapart.learn import backbone, deciding, measuring
from tellapart.learn.arrays import load, save
from tellapart.steps import Progress, StepContext
from tellapart.steps.plainly import FIGURES_FILE, analyzers, figure_facts
from tellapart.store.files import FileStore

#: Pictures planned, measured and asked for at once.
_AT_ONCE = 4096
_KINDS: dict[str, Any] = {
    "width": np.int64,
    "height": np.int64,
    "entropy": np.float64,
    "blur": np.float64,
    "phash": np.uint64,
}


@dataclass
class Figures:
    """What is known of every content of a project."""

    measured: deciding.Measured
    #: By SHA-256 of what cannot be decoded: `reason` and `what`.
    broken: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def passing(self) -> bool:
        """Whether a picture is unreadable for a reason that may be gone the next time."""
        return any(facts.get("reason") == "missing" for facts in self.broken.values())


def gather(context: StepContext, table: columns.Columns) -> Figures:
    """Measure what is not measured yet of the pictures in `table`, which has contents."""
    shas, first = np.unique(table.shas, return_index=True)
    tools = tuple(kind() for kind in analyzers())
    facts = figure_facts()
    known = _kept(context.work / FIGURES_FILE, facts, shas)
    there = _among(shas, known.measured.shas)
    there |= _among(shas, np.sort(columns.shas(known.broken)))
    lacking = np.flatnonzero(~there)
    if not len(lacking):
        return known
    found = _Found(tools)
    plans: list[tuple[int, tuple[Analyzer, ...]]] = []
    for start in range(0, len(lacking), _AT_ONCE):
        plans += _stored(context, found, shas, lacking[start : start + _AT_ONCE])

    def files(places: Sequence[int]) -> Iterator[tuple[str, str]]:
        paths = columns.paths(context.catalog, table.ids[first[places]])
        return zip(map(columns.sha_of, shas[places].tolist()), paths, strict=True)

    _survey(context, found, plans, files)
    joined = found.joined(known)
    _keep(context.work / FIGURES_FILE, facts, joined)
    return joined


class _Found:
    """Figures as they come, from the catalog or from a survey."""

    def __init__(self, tools: Sequence[Analyzer]) -> None:
        self.tools = tools
        self.broken: dict[str, dict[str, str]] = {}
        self._shas: list[str] = []
        self._values: dict[str, list[Any]] = {name: [] for name in _KINDS}

    def add(self, sha: str, figures: Mapping[str, Any]) -> None:
        """The merged figures of all analyzers."""
        self._shas.append(sha)
        for name, values in self._values.items():
            values.append(int(figures[name], 16) if name == "phash" else figures[name])

    def joined(self, known: Figures) -> Figures:
        """These and what was known before."""
        shas = np.concatenate([known.measured.shas, columns.shas(self._shas)])
        order = np.argsort(shas)
        arrays = {
            name: np.concatenate(
                [getattr(known.measured, name), np.array(self._values[name], dtype=kind)]
            )[order]
            for name, kind in _KINDS.items()
        }
        measured = deciding.Measured(shas=shas[order], **arrays)
        return Figures(measured, {**known.broken, **self.broken})


def _stored(
    context: StepContext, found: _Found, shas: NDArray[np.bytes_], part: NDArray[np.int64]
) -> list[tuple[int, tuple[Analyzer, ...]]]:
    """Take what the catalog has of contents; return the places of others and what they lack."""
    names = {columns.sha_of(shas[place]): place for place in part.tolist()}
    catalog = context.catalog
    known = [catalog.measurements(names, one.name, one.version) for one in found.tools]
    lacking: dict[str, tuple[Analyzer, ...]] = {}
    for sha in names:
        pairs = list(zip(found.tools, known, strict=True))
        absent = tuple(one for one, figures in pairs if sha not in figures)
        if absent:
            lacking[sha] = absent
        else:
            found.add(sha, {k: v for _, figures in pairs for k, v in figures[sha].items()})
    broken = catalog.measurements(lacking, measuring.BROKEN, measuring.BROKEN_VERSION)
    found.broken.update(broken)
    return [(names[sha], tools) for sha, tools in lacking.items() if sha not in broken]


def _survey(
    context: StepContext,
    found: _Found,
    plans: Sequence[tuple[int, tuple[Analyzer, ...]]],
    files_at: Callable[[Sequence[int]], Iterable[tuple[str, str]]],
) -> None:
    """Measure what is planned, a part at a time; `files_at` gives contents and paths of places."""
    if not plans:
        return
    total, done = len(plans), 0
    files = FileStore(context.settings.files_dir)
    partial: dict[str, dict[str, Any]] = {}

    def store(name: str, version: int, figures: Mapping[str, Mapping[str, Any]]) -> None:
        context.catalog.save_measurements(name, version, figures)
        for sha, values in figures.items():
            partial.setdefault(sha, {}).update(values)

    for start in range(0, total, _AT_ONCE):
        before = done
        survey = measuring.Survey(
            save=store,
            hint=images.hint(backbone.SIZE, context.recipe.train.view),
            on_done=lambda fresh, before=before: context.progress(  # type: ignore[misc]
                Progress("curate", before + fresh, total, "measuring")
            ),
        )
        planned = plans[start : start + _AT_ONCE]
        found_at = files_at([place for place, _ in planned])
        part = [
            measuring.Plan(sha, measuring.reader(files, sha, path), tools, False)
            for (_, tools), (sha, path) in zip(planned, found_at, strict=True)
        ]
        survey.run_light(part, context.settings.worker_threads)
        _take(context, found, part, survey, partial)
        partial.clear()
        done += len(part)


def _take(
    context: StepContext,
    found: _Found,
    part: Sequence[measuring.Plan],
    survey: measuring.Survey,
    fresh: Mapping[str, Mapping[str, Any]],
) -> None:
    figures = {sha: dict(values) for sha, values in fresh.items()}
    for one in found.tools:
        # What an analyzer has said before is read for all together.
        others = [plan.sha256 for plan in part if one not in plan.analyzers]
        for sha, values in context.catalog.measurements(others, one.name, one.version).items():
            figures.setdefault(sha, {}).update(values)
    for plan in part:
        error = survey.errors.get(plan.sha256)
        if error is not None:
            found.broken[plan.sha256] = {"reason": error.reason, "what": error.what}
        else:
            found.add(plan.sha256, figures[plan.sha256])


def _kept(path: Path, facts: str, shas: NDArray[np.bytes_]) -> Figures:
    """What is kept of the contents `shas`; of what could not be read in passing, nothing."""
    kept = load(path, facts)
    names = [one.name for one in fields(deciding.Measured)]
    if kept is None or not {*names, "broken"} <= kept.keys():
        empty = {name: np.empty(0, kind) for name, kind in _KINDS.items()}
        return Figures(deciding.Measured(shas=np.empty(0, "S32"), **empty))
    inside = _among(kept["shas"], shas)
    measured = deciding.Measured(**{name: kept[name][inside] for name in names})
    wanted = set(map(columns.sha_of, shas[~_among(shas, measured.shas)].tolist()))
    broken: dict[str, dict[str, str]] = json.loads(str(kept["broken"]))
    return Figures(measured, {sha: facts for sha, facts in broken.items() if sha in wanted})


def _keep(path: Path, facts: str, figures: Figures) -> None:
    arrays = {one.name: getattr(figures.measured, one.name) for one in fields(deciding.Measured)}
    lasting = {k: v for k, v in figures.broken.items() if v.get("reason") != "missing"}
    save(path, facts, {**arrays, "broken": np.array(json.dumps(lasting))})


def _among(shas: NDArray[np.bytes_], known: NDArray[np.bytes_]) -> NDArray[np.bool_]:
    """Which of `shas` are `known`, which are sorted."""
    if not len(known):
        return np.zeros(len(shas), dtype=bool)
    at = np.minimum(np.searchsorted(known, shas), len(known) - 1)
    return np.asarray(known[at] == shas)
