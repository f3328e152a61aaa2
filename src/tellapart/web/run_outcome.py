"""What came out of a run: the honest figure, the verdict, the files; or what went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from tellapart.runtime import Run
from tellapart.web import shell, texts
from tellapart.web.elements import error_parts, link, new_id, tag


class Outcome:
    """Empty while the run is under way."""

    def __init__(self) -> None:
        self.part = tag("div", classes="hidden")
        self.drawn: tuple[object, ...] = ()

    def draw(self, run: Run) -> None:
        now = (run.state, run.attempt, repr(run.verdict), run.mail, repr(run.error))
        if now == self.drawn:
            return
        self.drawn = now
        self.part.clear()
        self.part.classes(replace="section-s" if run.state in ("done", "failed") else "hidden")
        with self.part:
            if run.state == "done":
                _done(run)
            elif run.state == "failed":
                _failed(run)


def _failed(run: Run) -> None:
    with tag("div", classes="notice bad", role="alert"):
        error_parts(run.error or {})


def _done(run: Run) -> None:
    result = run.result or {}
    heading = new_id("outcome")
    with tag("section", classes="card outcome", aria_labelledby=heading):
        tag("h2", texts.OUTCOME, id=heading)
        with tag("div", classes="outcome-grid"):
            table = result.get("data_kind") == "table"
            _figure(result.get("metrics") or {}, texts.ACCURACY_ROWS if table else texts.ACCURACY)
            _kept(result.get("pictures") or {}, texts.KEPT_ROWS if table else texts.KEPT)
            if run.verdict:
                _verdict(run.verdict)
        for note in result.get("notes") or ():
            tag("p", str(note), classes="small quiet")
        _next(run)
        said = texts.MAIL_STATES.get(run.mail)
        if said:
            tag("p", said.format(email=run.notify.get("email", "")), classes="small quiet")


def _figure(metrics: Mapping[str, Any], title: str) -> None:
    if "accuracy" not in metrics:
        return
    with tag("div"):
        tag("p", title, classes="overline")
        tag("p", percent(metrics["accuracy"]), classes="figure")
        said = []
        if "low" in metrics and "high" in metrics:
            said.append(
                texts.INTERVAL.format(low=percent(metrics["low"]), high=percent(metrics["high"]))
            )
        if "baseline" in metrics:
            said.append(texts.BASELINE.format(share=percent(metrics["baseline"])))
        for line in said:
            tag("p", line, classes="small quiet")


def _kept(counts: Mapping[str, Any], title: str) -> None:
    if "kept" not in counts:
        return
    with tag("div"):
        tag("p", title, classes="overline")
        tag("p", f"{counts['kept']:,}", classes="figure")
        tag("p", texts.SET_ASIDE.format(n=f"{counts.get('set_aside', 0):,}"), classes="small quiet")


def _verdict(verdict: Mapping[str, Any]) -> None:
    with tag("div"):
        tag("p", texts.VERDICT, classes="overline")
        if verdict.get("error"):
            error = verdict["error"]
            what = error.get("what") if isinstance(error, Mapping) else error
            tag("p", texts.VERDICT_NONE)
            tag("p", str(what), classes="small quiet")
            return
        label = texts.NONE_OF_THESE if verdict.get("refused") else str(verdict.get("label", ""))
        tag("p", label, classes="figure")
        if isinstance(verdict.get("probability"), int | float):
            said = texts.VERDICT_REFUSED if verdict.get("refused") else texts.VERDICT_SURE
            told = said.format(
                share=percent(verdict["probability"]), label=verdict.get("label", "")
            )
            tag("p", told, classes="small quiet")


def _next(run: Run) -> None:
    name, result = run.project, run.result or {}
    version, pictures = result.get("version"), result.get("data_kind", "pictures") == "pictures"
    files = f"/api/v1/projects/{quote(name, safe='')}/versions/{version}/files"
    with tag("div", classes="row").style("margin-top: .5rem"):
        if version:  # else it ended before, as was asked
            link(texts.SEE_MODEL, shell.project_url(name, "model"), classes="button primary")
        if pictures:
            link(texts.SEE_PICTURES, shell.project_url(name, "pictures"), classes="button")
        if version:
            link(texts.GET_BUNDLE, f"{files}/bundle", classes="button", download=True)
        if version and pictures:
            link(texts.GET_DATASET, f"{files}/dataset", classes="button", download=True)


def percent(share: float) -> str:
    """`0.9137` -> `91.4 %`."""
    return f"{100 * float(share):.1f} %"
