"""The report as one HTML page: no script, no request, readable on a phone and in the dark."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from tellapart.bundle import card_people
from tellapart.report import charts, curves, ladder, outlook, tuning
from tellapart.report.data import Aside, Measured, ReportData, Shot
from tellapart.report.layers import quantity

#: What each reason for setting a picture aside means, in plain words.
REASONS = {
    "unreadable": "cannot be decoded",
    "too_small": "too small",
    "low_information": "blank or nearly so",
    "blurred": "blurred",
    "exact_duplicate": "the same file again",
    "near_duplicate": "nearly the same picture again",
    "conflicting_label": "the same picture in two classes",
    "off_topic": "unlike the rest of its class",
    "mislabelled": "looks like another class",
    "by_hand": "set aside by hand",
}
#: Confusions listed below the matrix.
_CONFUSIONS = 12


def render(data: ReportData) -> str:
    """The page. A pure function: the same data give the same text."""
    template = environment().get_template("report.html.j2")
    return template.render(
        data=data,
        metrics=data.metrics,
        charts=charts,
        ladder=ladder,
        tuning=tuning,
        curves=curves,
        outlook=outlook,
        confusions=confusions(data),
        asides=by_reason(data.asides),
        credits=credits(shots(data)),
        withheld=sum(not shot.uri for shot in shots(data)),
        words={**REASONS, **data.reasons},
        not_for=card_people,
    )


@cache
def environment() -> Environment:
    """The templates of all reports, with their filters."""
    environment = Environment(
        loader=PackageLoader("tellapart.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(pct=_pct, link=_link, number=_number, quantity=quantity)
    return environment


def _pct(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{100 * value:.{digits}f} %"


def _number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _link(address: str) -> str:
    """Only what leads to a page: never `javascript:` from a stranger's data."""
    return address if address.startswith(("https://", "http://")) else ""


def confusions(data: Measured) -> list[tuple[str, str, int, int]]:
    """Truth, answer, count and number of that truth; most frequent first."""
    if data.metrics is None:
        return []
    counts: Sequence[Sequence[int]] = data.metrics["confusion"]
    found = [
        (truth, answer, count, sum(row))
        for truth, row in zip(data.classes, counts, strict=True)
        for answer, count in zip(data.classes, row, strict=True)
        if count and truth != answer
    ]
    return sorted(found, key=lambda item: (-item[2], item[0], item[1]))[:_CONFUSIONS]


def by_reason(asides: Sequence[Aside]) -> dict[str, list[Aside]]:
    """Examples of each reason that pictures were set aside for."""
    found: dict[str, list[Aside]] = {}
    for aside in asides:
        found.setdefault(aside.reason, []).append(aside)
    return found


def shots(data: Measured) -> list[Shot]:
    """Every picture that the page has a place for."""
    found = [mistake.shot for mistake in data.mistakes]
    if isinstance(data, ReportData) and data.because:
        found += [shot for reason in data.because.found for shot in reason.shots]
    for aside in data.asides:
        found += [aside.shot, *([aside.twin] if aside.twin else [])]
    return found


def credits(shots: Sequence[Shot]) -> list[Shot]:
    """Every picture shown that has something to credit, once, by id."""
    named: dict[str, Any] = {
        shot.id: shot for shot in shots if shot.uri and (shot.credit or _link(shot.page))
    }
    return [named[id] for id in sorted(named)]
