"""The Network page: the drawn net, its shapes, how it learns at this moment, what it looks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup
from nicegui import ui

from tellapart.errors import TellapartError
from tellapart.recipe.network import Network
from tellapart.report.layers import quantity
from tellapart.report.learned import Epoch
from tellapart.runtime import Run
from tellapart.web import charts, live, shell
from tellapart.web import texts_model as words
from tellapart.web.charts import number, percent
from tellapart.web.elements import link, tag
from tellapart.web.pictures import html
from tellapart.web.visit import House, Visit

ASSETS = ("charts.css", "model.css")
#: Seconds between two looks at a training under way.
_EVERY = 0.8


def register(house: House) -> None:
    """Make the page."""

    @house.page("/projects/{name}/network")
    async def network(visit: Visit, name: str) -> None:
        view = await visit.ask(visit.desk.project, name)
        title = view.title or name
        if view.model_kind != "network":
            with (
                shell.project_page(visit, name, title, tab="network"),
                tag("div", classes="empty"),
            ):
                _none(name)
            return
        found = await visit.ask(visit.desk.network, name)
        past = await visit.ask(visit.desk.history, name)
        inside = await visit.ask(visit.desk.looks, name)
        running = await _running(visit, name)
        with (
            shell.project_page(visit, name, title, tab="network", network=True, assets=ASSETS),
            tag("div", classes="model"),
        ):
            drawn = None if found is None else Network.from_dict(found)
            if drawn is not None:
                _lead(drawn)
            with tag("section"):
                tag("h2", words.LEARNING)
                await Learning(visit, running, past).show()
            if drawn is not None:
                html(net(drawn))
            if inside is not None:
                html(looks(inside))


def _none(name: str) -> None:
    tag("p", words.NO_NETWORK)
    tag("p", words.NO_NETWORK_DO, classes="quiet")
    href = shell.project_url(name, "model")
    link(words.TO_MODEL, href, classes="button").style("margin-top: 1rem")


def _lead(found: Network) -> None:
    said = words.NETWORK_LEAD.format(
        layers=len(found.layers), parameters=found.parameters, flops=quantity(found.flops)
    )
    tag("p", said, classes="lead")


async def _running(visit: Visit, name: str) -> Run | None:
    """The project's run that is queued or under way, if there is one."""
    page = await visit.ask(visit.desk.runs, project=name, states=("running", "queued"), limit=1)
    return page.items[0] if page.items else None


class Learning:
    """Loss and accuracy by epoch: of the run under way, else of the last training."""

    def __init__(self, visit: Visit, run: Run | None, past: Mapping[str, Any]) -> None:
        self.visit, self.run, self.past = visit, run, past
        self.drawn = -1
        self.said = tag("p", classes="lead", role="status")
        self.place = tag("div")

    async def show(self) -> None:
        """Draw what there is; go on drawing while a run learns."""
        if self.run is None:
            self._finished()
            return
        self.feed = await live.watch(self.visit, self.run.id)
        self._draw()
        if not self.feed.complete:
            self.timer = ui.timer(_EVERY, self._again)

    async def _again(self) -> None:
        self.feed.touch()
        try:
            await self.visit.still()
        except TellapartError:
            self.timer.deactivate()
            return
        self._draw()
        if self.feed.complete:
            self.timer.deactivate()

    def _draw(self) -> None:
        found = epochs([event.data for event in self.feed.events if event.kind == "epoch"])
        if len(found) == self.drawn:
            return
        self.drawn = len(found)
        if not found:
            self._finished()
            return
        last = found[-1]
        totals = (event.data.get("total") for event in self.feed.events if event.kind == "epoch")
        total = max((int(value or 0) for value in totals), default=0)
        self.said.text = words.LEARNING_NOW.format(
            epoch=last.number,
            total=total or words.NO_VALUE,
            loss=number(last.loss),
            accuracy=percent(last.validation_accuracy),
        )
        self._chart(found, None)

    def _finished(self) -> None:
        found = epochs(self.past.get("history") or ())
        if not found:
            self.said.text = words.LEARNING_NOT
            return
        best = self.past.get("best_epoch")
        self.said.text = words.LEARNING_DONE.format(epochs=found[-1].number, best=best)
        self._chart(found, best)

    def _chart(self, found: Sequence[Epoch], best: int | None) -> None:
        self.place.clear()
        with self.place:
            html(charts.training(found, best))


def epochs(rows: Sequence[Mapping[str, Any]]) -> list[Epoch]:
    """Epochs as trainings note them."""
    found = [
        Epoch(
            int(row["epoch"]),
            row.get("loss"),
            row.get("accuracy"),
            row.get("validation_loss"),
            row.get("validation_accuracy"),
            row.get("learning_rate"),
            bool(row.get("partial")),
        )
        for row in rows
        if row.get("epoch")
    ]
    return list({one.number: one for one in found}.values())


def net(found: Network) -> Markup:
    """The drawing, and the same as a table beside it."""
    return Markup(
        '<section><h2>{}</h2><div class="netted" style="margin-top: 1rem"><div>{}</div>'
        "<div><h3>{}</h3>{}</div></div></section>"
    ).format(words.DRAWN, charts.network(found), words.LAYERS, charts.layers(found))


def looks(found: Mapping[str, Any]) -> Markup:
    """First filters, and one picture on its way through the layers."""
    parts = Markup("")
    if found["filters"]:
        says = words.FILTERS_COLOR if found["colored"] else words.FILTERS_SIGN
        alt = words.FILTERS_ALT.format(count=found["filters_count"], layer=found["filters_layer"])
        parts += Markup(
            '<div><h3>{}</h3><img class="mosaic" src="{}" alt="{}">'
            '<p class="small quiet">{}</p></div>'
        ).format(words.FILTERS.format(layer=found["filters_layer"]), found["filters"], alt, says)
    if found["picture"]:
        parts += Markup('<div><h3>{}</h3><img class="seen pixels" src="{}" alt="{}"></div>').format(
            words.PICTURE_ALT, found["picture"], words.PICTURE_ALT
        )
    for layer in found["layers"]:
        some = layer["shape"]
        if layer["shown"] < layer["channels"]:
            chosen = words.ACTIVATION_SOME.format(shown=layer["shown"], channels=layer["channels"])
            some = f"{some}, {chosen}"
        parts += Markup(
            '<div><h3>{}<span>{}</span></h3><img class="mosaic{}" src="{}" alt="{}"></div>'
        ).format(
            layer["name"],
            some,
            " cells" if layer["flat"] else "",
            layer["uri"],
            words.ACTIVATION_ALT.format(layer=layer["name"]),
        )
    if found["answers"]:
        parts += Markup('<div style="max-width: 32rem"><h3>{}</h3>{}</div>').format(
            words.PROBABILITIES, charts.probabilities(found["answers"])
        )
    return Markup(
        '<section><h2>{}</h2><p class="lead">{}</p><div class="through">{}'
        '<p class="small quiet">{}</p></div></section>'
    ).format(words.LOOKS, words.LOOKS_LEAD, parts, words.ACTIVATION_SAYS)
