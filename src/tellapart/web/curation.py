"""The Curation page: clusters, doubts, copies, slices, shortcuts, rules, sources, the acts' log."""

from __future__ import annotations

import json
from collections.abc import Sequence

from markupsafe import Markup

from tellapart.runtime.desk.shapes import ProjectView
from tellapart.web import shell, texts_pictures
from tellapart.web import texts_curation as words
from tellapart.web.elements import link, tag
from tellapart.web.pictures import api, elsewhere, html
from tellapart.web.visit import House, Visit

ASSETS = ("pictures.css", "curation.css", "curation_views.js", "curation_more.js", "curation.js")


def register(house: House) -> None:
    """Make the page."""

    @house.page("/projects/{name}/curation")
    async def curation(visit: Visit, name: str) -> None:
        view = await visit.ask(visit.desk.project, name)
        if view.data_kind != "pictures":
            elsewhere(visit, view, tab="curation")
            return
        network = view.model_kind == "network"
        with shell.project_page(
            visit, name, view.title or name, tab="curation", network=network, assets=ASSETS
        ):
            if not view.counts["found"]:
                with tag("div", classes="empty"):
                    tag("p", words.NOTHING_YET)
                    tag("p", words.NOTHING_YET_DO, classes="quiet")
                    link(texts_pictures.TO_RUN, shell.project_url(name), classes="button")
                return
            tag("p", words.LEAD, classes="lead")
            html(bench(view, visit.request.query_params.get("look", "")))


def bench(view: ProjectView, chosen: str) -> Markup:
    """The looks to choose from, and the place that the page's script fills."""
    values = [value for value, _ in words.LOOK]
    look = chosen if chosen in values else values[0]
    sliders = {name: list(both) for name, both in texts_pictures.SLIDERS.items()}
    told = {**words.SCRIPT, "reasons": texts_pictures.REASONS, "sliders": sliders}
    return Markup(
        '<ta-curation data-api="{}" data-words="{}" data-classes="{}" data-searches="{}">'
        '<form class="looks" aria-label="{}"><fieldset class="segments"><legend>{}</legend>{}'
        '</fieldset></form><p class="status" role="status"></p>'
        '<div class="seen" tabindex="-1"></div>'
        '<button type="button" class="toast" hidden>{}</button></ta-curation>'
    ).format(
        api(view.name),
        json.dumps(told),
        json.dumps(sorted(view.counts["classes"])),
        "yes" if view.recipe.get("data") is None else "",
        words.LOOKS,
        words.LOOKS,
        _choices(words.LOOK, look),
        words.SCRIPT["undo"],
    )


def _choices(options: Sequence[tuple[str, str]], chosen: str) -> Markup:
    return Markup("").join(
        Markup('<label><input type="radio" name="look" value="{}"{}>{}</label>').format(
            value, Markup(" checked") if value == chosen else "", word
        )
        for value, word in options
    )
