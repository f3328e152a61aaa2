"""Evaluate a network or a table model from the answers that training left; needs no torch.

Writes to the work folder what the evaluation of a head writes: `metrics.json`, `plots/`,
`report.html` for whoever made the project, and `report-public.html` for whoever gets the bundle:
the same without samples that may not be passed on, and without how long anything took.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np

from tellapart.bundle import licenses
from tellapart.catalog import PictureRow, robots
from tellapart.datasets import FACTS
from tellapart.errors import DataError
from tellapart.learn import metrics, outcome
from tellapart.learn.outcome import Outcome
from tellapart.recipe import canonical
from tellapart.recipe.network import Network
from tellapart.report import Shot
from tellapart.report.learned import LearnedData
from tellapart.report.learned_page import render
from tellapart.report.learned_plots import write_plots
from tellapart.report.people import Faces
from tellapart.steps import Progress, StepContext, fingerprint
from tellapart.steps.evaluate import (
    comparing,
    examples,
    faces,
    figures,
    looking,
    showing,
    telling,
    writing,
)
from tellapart.steps.evaluate.writing import METRICS, PUBLIC_REPORT, REPORT
from tellapart.steps.samples import Samples, gather
from tellapart.store.files import write_file

STEP = "evaluate"
#: Raise it whenever the same outcome and samples would give another report.
VERSION = 4
_HEADLINE = (*metrics.HEADLINE, "finished", "epochs")
#: Licences of data sets by name whose samples a report may show, besides what `licenses` knows.
_FREE = ("mit",)
_shown = attrgetter("id", "status", "kept", "verdict", "license", "license_version", "creator")


def run(context: StepContext) -> dict[str, Any]:
    """Evaluate; return the headline figures and notes.

    Raises `NotFoundError` where nothing is trained yet, `DataError` where the project's samples
    are no longer those that the model was trained on, `StorageError` where a file cannot be
    written.
    """
    found = outcome.load(context.work)
    samples = gather(context)
    _require_same(context, found, samples)
    rows = context.catalog.pictures() if context.recipe.data_kind == "pictures" else []
    inputs = _inputs(context, found, samples, rows)
    done = context.catalog.finished(STEP, inputs)
    if done is not None and writing.is_there(context, done):
        return done
    context.progress(Progress(STEP, 0, len(samples.ids), "measuring"))
    data = _data(context, found, samples, rows)
    public = _public(context, data, samples, rows, found)
    table = _table(data, found, samples)
    context.progress(Progress(STEP, len(samples.ids), len(samples.ids), "writing the report"))
    files = {
        METRICS: json.dumps(table, sort_keys=True, indent=1, ensure_ascii=False) + "\n",
        REPORT: render(data),
        PUBLIC_REPORT: render(public),
    }
    for name, text in files.items():
        write_file(context.work / name, text.encode())
    # They go into the bundle.
    plots, failed = writing.plots(context, partial(write_plots, public))
    result = {
        "metrics": {name: table[name] for name in _HEADLINE if name in table},
        "files": {name: writing.sha256(context.work / name) for name in (*files, *plots)},
        "notes": [*_result_notes(table), *failed],
    }
    # Plots that could not be drawn are tried again.
    context.catalog.finish(STEP, "" if failed else inputs, result)
    return result


def _require_same(context: StepContext, found: Outcome, samples: Samples) -> None:
    if found.ids == samples.ids and found.classes == samples.classes:
        return
    raise DataError(
        f"The model of {context.recipe.name!r} was trained on other samples "
        f"({len(found.ids)} of {len(found.classes)} classes) than the project holds now "
        f"({len(samples.ids)} of {len(samples.classes)} classes).",
        expected="answers for these very samples",
        do=f"Run `tellapart train {context.recipe.name}` again.",
    )


def _inputs(
    context: StepContext, found: Outcome, samples: Samples, rows: Sequence[PictureRow]
) -> str:
    return fingerprint(
        {
            "version": VERSION,
            "outcome": found.sha256,
            "looks": writing.sha256(context.work / outcome.LOOKS),
            "samples": samples.fingerprint,
            "recipe": canonical(context.recipe),
            "pictures": [_shown(row) for row in rows if row.status not in ("pending", "surplus")],
            "set_aside": _set_aside(context, rows),
            "notes": writing.earlier_notes(context),
            **({"detector": eyes.sha256} if rows and (eyes := faces.detector(context)) else {}),
        }
    )


def _data(
    context: StepContext, found: Outcome, samples: Samples, rows: Sequence[PictureRow]
) -> LearnedData:
    """All that the full report shows."""
    facts, test = found.facts, samples.rows_of("test")
    measured: dict[str, Any] | None = None
    answers = _answers(found, samples)
    if len(test):
        measured = metrics.evaluate(answers.probabilities, answers.y, answers.classes)
        if measured["warning"]:
            measured["warning"] = measured["warning"].replace("pictures", f"{samples.kind}s")
        groups, effective = figures.spread([str(g) for g in samples.groups[test].tolist()])
        measured |= {"groups": groups, "effective_n": effective}
    surest = [int(test[place]) for place in (measured or {}).get("confident_errors", ())]
    network = Network.from_dict(facts["network"]) if facts.get("network") else None
    fits = comparing.fits(samples, found.probabilities)
    told = comparing.notes(fits, facts, f"{samples.kind}s")
    pictures = samples.kind == "picture"
    shots = _Shots(context, rows, only_free=False) if rows else None
    looks = looking.read(context.work, network, samples, found.probabilities) if network else None
    return LearnedData(
        name=context.recipe.name,
        title=context.recipe.title,
        kind=found.kind,
        samples=samples.kind,
        classes=found.classes,
        counts=_counts(samples),
        finished=found.finished,
        metrics=measured,
        reliability=figures.reliability(answers) if measured else (),
        fits=fits,
        network=network,
        history=comparing.history(facts),
        best_epoch=facts.get("best_epoch"),
        epochs_asked=facts.get("epochs_asked"),
        looks=looks,
        candidates=comparing.candidates(facts),
        verdict=comparing.verdict(facts),
        features=examples.features(samples, facts),
        mistakes=examples.mistakes(
            samples, found.probabilities, surest, shots.by_id if shots else None
        )
        if pictures
        else (),
        wrong_rows=() if pictures else examples.wrong_rows(samples, found.probabilities, surest),
        asides=() if shots is None else showing.asides(shots.row, rows),
        set_aside=_set_aside(context, rows),
        origin=_origin(context, rows),
        training=telling.learned(facts, private=True),
        faces=_faces(context, rows),
        may_i=telling.may_i(_kept(rows), robots.noted(context.catalog)),
        choices=telling.choices(context.recipe),
        notes=_once([*writing.earlier_notes(context), *told]),
    )


def _public(
    context: StepContext,
    data: LearnedData,
    samples: Samples,
    rows: Sequence[PictureRow],
    found: Outcome,
) -> LearnedData:
    """The same for whoever gets the bundle."""
    training = telling.learned(found.facts, private=False)
    if context.recipe.dataset is None:
        # Notes of the steps before may quote cells of columns left out, and files' names.
        fits = data.fits
        data = replace(data, notes=comparing.notes(fits, found.facts, f"{samples.kind}s"))
    if samples.kind == "row":
        hidden = len(data.wrong_rows)
        return replace(data, wrong_rows=(), withheld=hidden, training=training)
    if rows:  # each picture has a licence of its own
        shots = _Shots(context, rows, only_free=True)
        shown = [replace(one, shot=shots.by_id(one.shot.id)) for one in data.mistakes]
        data = replace(data, asides=showing.asides(shots.row, rows))
        free = False
    else:
        free = _may_pass_on(context.recipe.dataset or "")
        shown = list(data.mistakes) if free else []
    looks = data.looks
    if looks is not None and not free:
        # Activations show the picture as well as the picture does.
        looks = replace(looks, picture=None, caption="", answers=(), layers=())
    kept = [one for one in shown if one.shot.uri]
    hidden = len(data.mistakes) - len(kept)
    return replace(data, mistakes=kept, withheld=hidden, looks=looks, training=training)


def _answers(found: Outcome, samples: Samples) -> figures.Answers:
    test = samples.rows_of("test")
    return figures.Answers(
        probabilities=found.probabilities[test].astype(np.float64),
        y=samples.y[test],
        classes=found.classes,
        familiar=np.ones(len(test)),
        threshold=0.0,
    )


def _counts(samples: Samples) -> dict[str, dict[str, int]]:
    return {
        label: {split: n for split, n in row.items() if n}
        for label, row in samples.counts().items()
    }


class _Shots:
    """Pictures of the ledger as the report shows them; each may have a licence of its own."""

    def __init__(
        self, context: StepContext, rows: Sequence[PictureRow], *, only_free: bool
    ) -> None:
        self.row = partial(showing.Shots(context.settings).of, only_free=only_free)
        self._rows = {row.id: row for row in rows}

    def by_id(self, id: str) -> Shot:
        """The picture with the id that it has among the samples too."""
        return self.row(self._rows[id])


def _set_aside(context: StepContext, rows: Sequence[PictureRow]) -> dict[str, int]:
    """How many samples were set aside before, by reason; most frequent first."""
    if context.recipe.data_kind == "table":
        found = Counter(row.reason for row in context.catalog.rows(kept=False))
    else:
        found = Counter(row.verdict for row in rows if row.status == "ok" and row.kept is False)
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _origin(context: StepContext, rows: Sequence[PictureRow]) -> list[tuple[str, str]]:
    facts = FACTS.get(context.recipe.dataset or "")
    if facts is not None:
        return [("Data set", facts.name), ("What it is", facts.about), ("License", facts.license)]
    shown = telling.license_rows(_kept(rows))
    return [(f"{name}, {n} pictures", asks) for _, name, n, asks in shown]


def _kept(rows: Sequence[PictureRow]) -> list[PictureRow]:
    return [row for row in rows if row.status == "ok" and row.kept]


def _faces(context: StepContext, rows: Sequence[PictureRow]) -> Faces | None:
    counted = faces.looked(context, _kept(rows))
    return None if counted is None else Faces(*counted)


def _may_pass_on(dataset: str) -> bool:
    facts = FACTS.get(dataset)
    if facts is None:
        return False
    license = licenses.read(facts.license)
    passed = license.may_pass_on and not license.noderivatives
    return passed or facts.license.lower() in _FREE


def _table(data: LearnedData, found: Outcome, samples: Samples) -> dict[str, Any]:
    """Everything measured, as JSON."""
    measured: dict[str, Any] = dict(data.metrics or {"n": 0})
    test = samples.rows_of("test")
    measured["confident_errors"] = [
        {
            samples.kind: samples.ids[place],
            "class": samples.classes[int(samples.y[place])],
            "answer": found.classes[int(found.probabilities[place].argmax())],
            "probability": round(float(found.probabilities[place].max()), 6),
        }
        for place in (int(test[k]) for k in measured.get("confident_errors", ()))
    ]
    return {
        **measured,
        "kind": data.kind,
        "finished": data.finished,
        "epochs": data.epochs,
        "best_epoch": data.best_epoch,
        "reliability": [list(point) for point in data.reliability],
        "splits": {fit.split: _without(asdict(fit), "split") for fit in data.fits},
        "history": [asdict(epoch) for epoch in data.history],
        "candidates": [asdict(one) for one in data.candidates],
        "verdict": data.verdict,
        "columns": [asdict(one) for one in data.features],
        "classes": list(data.classes),
        "samples": {name: dict(row) for name, row in data.counts.items()},
        "set_aside": dict(data.set_aside or {}),
        **({"faces": asdict(data.faces)} if data.faces else {}),
        "notes": list(data.notes),
    }


def _result_notes(table: Mapping[str, Any]) -> list[str]:
    if not table["n"]:
        return ["The test split is empty: nothing could be measured."]
    notes = [table["warning"]] if table["warning"] else []
    if table["absent_classes"]:
        names = ", ".join(map(repr, table["absent_classes"]))
        notes.append(f"The test split has no sample of {names}: nothing says how well it is told.")
    return notes


def _without(values: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != key}


def _once(notes: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(notes))
