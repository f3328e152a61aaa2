"""Evaluate: measure the head on the untouched test pictures, and show what it gets wrong.

Writes to the work folder: `metrics.json` (every figure), `plots/*.png`, `report.html` for whoever
made the project, and `report-public.html` for whoever gets the bundle: the same without the
pictures whose licence does not say that they may be passed on.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart import images
from tellapart.catalog import PictureRow, robots
from tellapart.catalog.catalog import count
from tellapart.learn import backbone, features, measuring, metrics, trained
from tellapart.recipe import canonical
from tellapart.report import ReportData
from tellapart.report.collecting import Collecting
from tellapart.report.ladder import rungs
from tellapart.report.outlook import Outlook
from tellapart.report.page import render
from tellapart.report.plots import write_plots
from tellapart.report.tuning import tuning
from tellapart.steps import Progress, StepContext, fingerprint, rounds
from tellapart.steps.evaluate import faces, figures, outlook, reasons, showing, telling, writing
from tellapart.steps.evaluate.writing import METRICS, PUBLIC_REPORT, REPORT
from tellapart.steps.explaining import Explainer
from tellapart.store.files import FileStore, write_file

STEP = "evaluate"
#: Raise it whenever the same head and pictures would give another report.
VERSION = 6
#: Figures of the summary; `metrics.json` holds all.
_HEADLINE = (*metrics.HEADLINE, "with_doubtful")
#: Verdicts that may take out a picture because the model finds it hard.
_DOUBTFUL = ("mislabelled", "off_topic")

#: All that a report may show of a picture: not where it lies, nor when it was fetched.
_shown = attrgetter(
    *(name for name in PictureRow.__slots__ if name not in ("fetched_at", "path", "mtime_ns"))
)


def run(context: StepContext) -> dict[str, Any]:
    """Evaluate; return the headline figures and notes.

    Raises `NotFoundError` where nothing is trained yet, `DataError` where pictures' files are
    gone, `StorageError` where a file cannot be written.
    """
    model = trained.load(context.work)
    net = backbone.of(context.work, model.facts, context.settings.cache_dir)
    rows = context.catalog.pictures()
    inputs = _inputs(context, model, features.cache_key(net, context.recipe.train.view), rows)
    done = context.catalog.finished(STEP, inputs)
    if done is not None and writing.is_there(context, done):
        return done
    kept = [row for row in rows if row.status == "ok" and row.kept and row.label in model.classes]
    kept.sort(key=lambda row: (row.label, row.sha256, row.id))
    doubtful = [row for row in rows if row.verdict in _DOUBTFUL and row.label in model.classes]
    doubtful.sort(key=lambda row: (row.label, row.sha256, row.id))
    vectors = _features(context, net, [*kept, *doubtful])
    data, public, table = _measured(context, model, net, rows, (kept, doubtful), vectors)
    context.progress(Progress(STEP, len(kept), len(kept), "writing the report"))
    files = {
        METRICS: json.dumps(table, sort_keys=True, indent=1, ensure_ascii=False) + "\n",
        REPORT: render(data),
        PUBLIC_REPORT: render(public),
    }
    for name, text in files.items():
        write_file(context.work / name, text.encode())
    plots, failed = writing.plots(context, partial(write_plots, data))
    result = {
        "metrics": {name: table[name] for name in _HEADLINE if name in table},
        "files": {name: writing.sha256(context.work / name) for name in (*files, *plots)},
        "notes": [*_notes(table), *failed],
    }
    # Plots that could not be drawn are tried again.
    context.catalog.finish(STEP, "" if failed else inputs, result)
    return result


def _inputs(
    context: StepContext, model: trained.Trained, key: str, rows: Sequence[PictureRow]
) -> str:
    shown = [_shown(row) for row in rows if row.status not in ("pending", "surplus")]
    return fingerprint(
        {
            "version": VERSION,
            "model": model.sha256,
            "facts": model.facts,
            "features": key,
            "recipe": canonical(context.recipe),
            "pictures": shown,
            "notes": writing.earlier_notes(context),
            **({"detector": at_hand.sha256} if (at_hand := faces.detector(context)) else {}),
        }
    )


def _features(
    context: StepContext,
    net: backbone.Backbone,
    kept: Sequence[PictureRow],
    view: images.View | None = None,
) -> NDArray[np.float32]:
    """The features of all kept pictures, from the cache as far as it holds them.

    `view`: another one than the recipe's.
    """
    files = FileStore(context.settings.files_dir)
    items = [(row.sha256, measuring.reader(files, row.sha256, row.path)) for row in kept]
    vectors, errors = features.matrix(
        items,
        net,
        view or context.recipe.train.view,
        context.settings,
        lambda done: context.progress(Progress(STEP, done, len(items), "features")),
    )
    features.require_all(errors, context.catalog.name)
    return vectors


def _measured(
    context: StepContext,
    model: trained.Trained,
    net: backbone.Backbone,
    rows: Sequence[PictureRow],
    judged: tuple[Sequence[PictureRow], Sequence[PictureRow]],
    all_vectors: NDArray[np.float32],
) -> tuple[ReportData, ReportData, dict[str, Any]]:
    """The report's data, the same for the public, and all figures for `metrics.json`.

    `judged` are the kept and the doubtful pictures, `all_vectors` their features in that order.
    """
    kept, doubtful = judged
    vectors = all_vectors[: len(kept)]
    places = [place for place, row in enumerate(kept) if row.split == "test"]
    test = [kept[place] for place in places]
    found: dict[str, Any] | None = None
    answers = figures.answer(model, vectors[places], [row.label for row in test])
    if test:
        found = metrics.evaluate(answers.probabilities, answers.y, answers.classes, answers.refused)
        found["with_doubtful"] = figures.with_doubtful(
            found["correct"],
            found["n"],
            figures.answer(model, all_vectors[len(kept) :], [row.label for row in doubtful]),
            figures.test_chances(kept, doubtful, official=_is_official(context)),
        )
        groups, effective = figures.spread([row.group or row.id for row in test])
        found |= {"groups": groups, "effective_n": effective}
    y = np.array([model.classes.index(row.label) for row in kept], dtype=np.int64)
    fair, note = figures.fairness(vectors, y, [row.group or row.id for row in kept])
    more = _outlook(context, model, net, kept, vectors)
    because, remarks = _reasons(context, model, net, kept, vectors)
    context.progress(Progress(STEP, len(kept), len(kept), "faces"))
    seen = faces.told(context, model, kept, lambda view: _features(context, net, kept, view))
    wanted = context.recipe.train.refuse
    standing = rounds.read(context) if context.recipe.in_rounds else None
    collected = Collecting.of(standing.told() if standing else None)
    shots = showing.Shots(context.settings)
    surest = found["confident_errors"] if found else []

    def data(*, only_free: bool) -> ReportData:
        show = partial(shots.of, only_free=only_free)
        return ReportData(
            name=context.recipe.name,
            classes=model.classes,
            counts=count(rows),
            metrics=found,
            reliability=figures.reliability(answers) if found else (),
            refusal=figures.refusal(answers, found, wanted) if found else None,
            grouping=fair,
            grouping_note=note,
            mistakes=showing.mistakes(show, test, answers, surest),
            asides=showing.asides(show, rows),
            licenses=telling.license_rows(kept),
            may_i=telling.may_i(kept, robots.noted(context.catalog)),
            choices=telling.choices(context.recipe),
            training=telling.training(model),
            ladder=rungs(model.facts, private=not only_free),
            outlook=more,
            collecting=collected,
            because=reasons.shown(show, because, remarks),
            tuning=tuning(model.facts, private=not only_free),
            faces=seen,
            notes=[*writing.earlier_notes(context), *_spread_note(found)],
        )

    full = data(only_free=False)
    return full, data(only_free=True), _table(full, test, answers)


def _outlook(
    context: StepContext,
    model: trained.Trained,
    net: backbone.Backbone,
    kept: Sequence[PictureRow],
    vectors: NDArray[np.float32],
) -> Outlook | None:
    tuned = net.tuned or any(part.backbone.tuned for part in net.parts)
    if tuned:  # what it learned from says little of how it would learn from others
        plain = backbone.embedded(context.settings.cache_dir)
        vectors = _features(context, plain, kept)
    context.progress(Progress(STEP, len(kept), len(kept), "learning curve"))
    return outlook.of(context, model, kept, vectors, frozen=tuned)


def _reasons(
    context: StepContext,
    model: trained.Trained,
    net: backbone.Backbone,
    kept: Sequence[PictureRow],
    vectors: NDArray[np.float32],
) -> tuple[list[reasons.Case], list[str]]:
    own, test = (
        [place for place, row in enumerate(kept) if row.split == split]
        for split in ("train", "test")
    )
    if not test:
        return [], []
    context.progress(Progress(STEP, len(kept), len(kept), "reasons"))
    rows = [kept[place] for place in test]
    answers = figures.answer(model, vectors[test], [row.label for row in rows])
    explainer = Explainer(context, model, net, [kept[place] for place in own], vectors[own])
    return reasons.cases(context, explainer, rows, vectors[test], answers)


def _is_official(context: StepContext) -> bool:
    """Whether the split is the data set's own."""
    return bool((context.catalog.finished("split") or {}).get("official"))


def _table(
    data: ReportData, test: Sequence[PictureRow], answers: figures.Answers
) -> dict[str, Any]:
    """Everything measured, as JSON: the figures on the test split, and what belongs to them."""
    found = dict(data.metrics or {"n": 0})
    found["confident_errors"] = [
        {
            "picture": test[place].id,
            "sha256": test[place].sha256,
            "class": test[place].label,
            "answer": answers.classes[int(answers.probabilities[place].argmax())],
            "probability": round(float(answers.probabilities[place].max()), 6),
            "refused": bool(answers.refused[place]),
        }
        for place in found.get("confident_errors", ())
    ]
    counts = {key: value for key, value in data.counts.items() if key != "statuses"}
    counts["classes"] = {
        label: {key: value for key, value in row.items() if key != "statuses"}
        for label, row in counts["classes"].items()
    }
    return {
        **found,
        "reliability": [list(point) for point in data.reliability],
        "refusal": None if data.refusal is None else asdict(data.refusal),
        "grouping": None if data.grouping is None else asdict(data.grouping),
        "grouping_note": data.grouping_note,
        "faces": None if data.faces is None else asdict(data.faces),
        "outlook": None if data.outlook is None else _plain(data.outlook),
        "classes": list(data.classes),
        "pictures": counts,
        "licenses": {code: n for code, _, n, _ in data.licenses},
        "notes": list(data.notes),
    }


def _plain(found: Outlook) -> dict[str, Any]:
    """Without the drawn line, which the figures tell too."""
    return {key: value for key, value in asdict(found).items() if key != "line"}


def _notes(found: dict[str, Any]) -> list[str]:
    if not found["n"]:
        return ["The test split is empty: nothing could be measured."]
    notes = [found["warning"]] if found["warning"] else []
    if found["absent_classes"]:
        names = ", ".join(map(repr, found["absent_classes"]))
        notes.append(f"The test split has no picture of {names}: nothing says how well it is told.")
    return notes + _spread_note(found)


def _spread_note(found: dict[str, Any] | None) -> list[str]:
    """A warning where the test's pictures are worth less than half their number."""
    if not found or not found["n"] or 2 * found["effective_n"] >= found["n"]:
        return []
    note = (
        f"The {found['n']} test pictures lie in {found['groups']} groups of alike pictures: the "
        "95 % interval takes them for unrelated, and is too narrow."
    )
    return [note]
