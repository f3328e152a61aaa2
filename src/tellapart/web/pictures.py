"""The Pictures page: what is kept, what is set aside and why; thresholds; train again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from markupsafe import Markup
from nicegui import ui

from tellapart.runtime.desk.shapes import ProjectView, Threshold
from tellapart.web import shell
from tellapart.web import texts_pictures as words
from tellapart.web.again import TrainAgain
from tellapart.web.elements import link, tag
from tellapart.web.visit import House, Visit

ASSETS = ("pictures.css", "gallery.js", "alike.js", "viewer.js", "thresholds.js")
#: What can be shown: value in the address, word, name of its count.
SHOWN = (
    ("kept", words.SHOW_KEPT, "kept"),
    ("aside", words.SHOW_ASIDE, "set_aside"),
    ("", words.SHOW_ALL, "found"),
    ("alike", words.SHOW_ALIKE, ""),
)


def register(house: House) -> None:
    """Make the page."""

    @house.page("/projects/{name}/pictures")
    async def pictures(visit: Visit, name: str) -> None:
        view = await visit.ask(visit.desk.project, name)
        if view.data_kind != "pictures":
            elsewhere(visit, view)
            return
        counts = view.counts
        limits = await visit.ask(visit.desk.thresholds, name)
        active = ("running", "queued")
        runs = await visit.ask(visit.desk.runs, project=name, states=active, limit=1)
        under_way = runs.items[0] if runs.items else None
        network = view.model_kind == "network"
        title = view.title or name
        with shell.project_page(visit, name, title, tab="pictures", network=network, assets=ASSETS):
            if not counts["found"]:
                _empty(name)
                return
            tag("p", words.LEAD, classes="lead").style("margin-bottom: 1.25rem")
            with tag("div", classes="pictures"):
                html(gallery(view, counts, visit.request.query_params))
                with tag("div", classes="side"):
                    TrainAgain(visit, view, under_way)
                    html(thresholds(name, limits))
                    html(keys())


def html(markup: Markup) -> ui.html:
    """Markup of ours, in which every foreign word is escaped, on the page."""
    return ui.html(str(markup), sanitize=False).classes("contents")


def api(name: str, *parts: str) -> str:
    """The address of a project's part in the programming interface."""
    return "/".join(("/api/v1/projects", quote(name, safe=""), *parts))


def gallery(view: ProjectView, counts: Mapping[str, Any], asked: Mapping[str, str]) -> Markup:
    """Filters and the frame that the gallery's script fills."""
    classes = counts["classes"]
    return Markup(
        '<ta-gallery data-pictures="{}" data-groups="{}" data-words="{}">{}'
        '<div class="status-line"><p class="status" role="status"></p></div>'
        '<h2 class="sr-only">{}</h2><div class="grid"></div><div class="alike" hidden></div>'
        '<p class="none" hidden>{}</p><button type="button" class="toast" hidden>{}</button>'
        "{}</ta-gallery>"
    ).format(
        api(view.name, "pictures"),
        api(view.name, "groups"),
        json.dumps({**words.SCRIPT, "reasons": words.REASONS, "splits": words.SPLITS, **_facts()}),
        _filters(classes, counts["reasons"], asked),
        words.GALLERY,
        words.NOTHING,
        words.UNDO,
        _viewer(sorted(classes)),
    )


def _facts() -> dict[str, str]:
    found = {name.lower(): value for name, value in vars(words).items() if name.startswith("FACT_")}
    return {str(name): str(value) for name, value in found.items()}


def _filters(
    classes: Mapping[str, Any], reasons: Mapping[str, int], asked: Mapping[str, str]
) -> Markup:
    total = {
        "kept": sum(row["kept"] for row in classes.values()),
        "set_aside": sum(row["set_aside"] for row in classes.values()),
        "found": sum(row["found"] for row in classes.values()),
    }
    show = asked.get("show", "kept")
    segments = Markup("").join(
        Markup('<label><input type="radio" name="show" value="{}"{}>{}{}</label>').format(
            value,
            Markup(" checked") if value == show else "",
            word,
            Markup(' <span class="n" data-count="{}">{}</span>').format(key, f"{total[key]:,}")
            if key
            else "",
        )
        for value, word, key in SHOWN
    )
    labels = [
        (name, words.OF_COUNT.format(name=name, count=classes[name]["found"]))
        for name in sorted(classes)
    ]
    why = [(name, words.REASONS.get(name, name)) for name in reasons]
    return Markup(
        '<form class="filters" aria-label="{}"><fieldset class="segments"><legend>{}</legend>{}'
        "</fieldset>{}{}</form>"
    ).format(
        words.FILTERS,
        words.SHOW,
        segments,
        _select("label", words.CLASS, words.EVERY_CLASS, labels, asked.get("label", "")),
        _select("reason", words.REASON, words.EVERY_REASON, why, asked.get("reason", "")),
    )


def _select(
    name: str, label: str, every: str, options: Sequence[tuple[str, str]], chosen: str
) -> Markup:
    shown = Markup("").join(
        Markup('<option value="{}"{}>{}</option>').format(
            value, Markup(" selected") if value == chosen else "", word
        )
        for value, word in [("", every), *options]
    )
    return Markup('<select class="input" name="{}" aria-label="{}">{}</select>').format(
        name, label, shown
    )


def _viewer(classes: Sequence[str]) -> Markup:
    options = Markup("").join(Markup("<option>{}</option>").format(name) for name in classes)
    return Markup(
        '<ta-viewer><dialog class="viewer" aria-label="{}"><div class="large"><img alt="">'
        '<button type="button" class="button turn" data-do="before" aria-label="{}">←</button>'
        '<button type="button" class="button turn" data-do="next" aria-label="{}">→</button></div>'
        '<div class="told"><header><h2></h2><p class="place"></p>'
        '<button type="button" class="button shut" data-do="close" aria-label="{}">✕</button>'
        "</header>"
        '<p class="state" role="status"></p><div class="row">'
        '<button type="button" class="button" data-do="keep">{} <kbd>K</kbd></button>'
        '<button type="button" class="button" data-do="drop">{} <kbd>X</kbd></button>'
        '<button type="button" class="button" data-do="rules">{} <kbd>U</kbd></button></div>'
        '<label>{}<select class="input">{}</select></label><dl></dl></div>'
        "</dialog></ta-viewer>"
    ).format(
        words.VIEWER,
        words.BEFORE,
        words.NEXT,
        words.CLOSE,
        words.KEEP,
        words.DROP,
        words.RULES,
        words.MOVE,
        options,
    )


def thresholds(name: str, limits: Sequence[Threshold]) -> Markup:
    """Sliders that decide again at once."""
    rows = Markup("").join(_slider(one) for one in limits)
    return Markup(
        '<ta-thresholds data-url="{}" data-words="{}"><details class="panel" open><summary><h2>{}'
        '</h2></summary><p>{}</p>{}<p class="changed" role="status"></p>'
        '<div class="examples"></div></details></ta-thresholds>'
    ).format(
        api(name, "thresholds"),
        json.dumps(words.SCRIPT),
        words.THRESHOLDS,
        words.THRESHOLDS_LEAD,
        rows,
    )


def _slider(one: Threshold) -> Markup:
    title, does = words.SLIDERS.get(one.name, (one.name, one.description))
    on = one.value is not None
    value = one.value if one.value is not None else one.default
    if value is None:
        value = (one.low + one.high) / 2
    off = (
        Markup(
            '<label class="off"><input type="checkbox" data-switch{}>{}'
            '<span class="sr-only">: {}</span></label>'
        ).format(Markup(" checked") if on else "", words.SWITCHED_ON, title)
        if one.optional
        else Markup("")
    )
    return Markup(
        '<div class="slider" data-name="{name}"><div class="line">'
        '<label for="limit-{name}">{title}</label><output for="limit-{name}">{shown}</output></div>'
        '<input type="range" id="limit-{name}" aria-describedby="does-{name}" min="{low}" '
        'max="{high}" step="{step}" value="{value}"{disabled}>'
        '<small id="does-{name}">{does}</small>{off}</div>'
    ).format(
        name=one.name,
        title=title,
        shown=f"{value:g}" if on else words.SCRIPT["off"],
        low=f"{one.low:g}",
        high=f"{one.high:g}",
        step=f"{one.step:g}",
        value=f"{value:g}",
        disabled="" if on else Markup(" disabled"),
        does=does,
        off=off,
    )


def keys() -> Markup:
    """What the keyboard does."""
    rows = Markup("").join(
        Markup("<dt>{}</dt><dd>{}</dd>").format(
            Markup(" ").join(Markup("<kbd>{}</kbd>").format(key) for key in combination.split()),
            does,
        )
        for combination, does in words.KEY_ROWS
    )
    return Markup(
        '<details class="panel by-keys"><summary><h2>{}</h2></summary><dl class="keys">{}</dl>'
        '<p class="small">{}</p></details>'
    ).format(words.KEYS, rows, words.KEYS_RANGE)


def _empty(name: str) -> None:
    with tag("div", classes="empty"):
        tag("p", words.NONE_YET)
        tag("p", words.NONE_YET_DO, classes="quiet")
        link(words.TO_RUN, shell.project_url(name), classes="button").style("margin-top: 1rem")


def elsewhere(visit: Visit, view: ProjectView, *, tab: str = "pictures") -> None:
    """A page for who comes by the address: such projects have no gallery."""
    what = words.KIND_WORDS.get(view.data_kind, view.data_kind)
    network = view.model_kind == "network"
    title = view.title or view.name
    with (
        shell.project_page(visit, view.name, title, tab=tab, network=network),
        tag("div", classes="empty"),
    ):
        tag("p", words.NOT_PICTURES.format(what=what))
        href = shell.project_url(view.name, "model")
        link(words.TO_MODEL, href, classes="button").style("margin-top: 1rem")
