"""What a model gets wrong: the confusion matrix, and its surest errors with their reasons."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from tellapart.errors import TellapartError
from tellapart.runtime.desk.shapes import ProjectView
from tellapart.web import charts
from tellapart.web import texts_model as words
from tellapart.web.charts import percent
from tellapart.web.elements import Dialog, Notice, button, tag
from tellapart.web.pictures import api, html
from tellapart.web.visit import Visit

#: Of the surest errors, so many are shown.
_SHOWN = 24


def section(visit: Visit, view: ProjectView, figures: Mapping[str, Any]) -> None:
    """The matrix, each class's figures, and the errors it was surest of."""
    many = words.THINGS.get(view.data_kind, "picture") + "s"
    with tag("section"):
        tag("h2", words.WRONG)
        tag("p", _said(figures, many), classes="lead")
        html(
            Markup('<div class="pair">{}<div>{}</div></div>').format(
                charts.confusion(figures["confusion"], figures["classes"]),
                _per_class(figures, many),
            )
        )
        worst = list(figures.get("confident_errors") or ())[:_SHOWN]
        if not worst:
            return
        tag("h3", words.WORST).style("margin-top: 2rem")
        if view.data_kind == "pictures" and view.model_kind == "head":
            tag("p", words.WORST_LEAD, classes="small quiet")
            _shots(visit, view, worst)
        else:
            html(_rows(worst))


def _said(figures: Mapping[str, Any], many: str) -> str:
    n, wrong = figures["n"], figures["n"] - figures["correct"]
    if not wrong:
        return words.WRONG_NOTHING.format(n=n, things=many)
    said = words.WRONG_SOME.format(wrong=wrong, n=n, things=many)
    names = figures["classes"]
    pairs = [
        (count, truth, answer, sum(row))
        for truth, row in zip(names, figures["confusion"], strict=True)
        for answer, count in zip(names, row, strict=True)
        if count and truth != answer
    ]
    count, truth, answer, total = max(pairs, key=lambda one: one[0])
    most = words.WRONG_MOST.format(truth=truth, answer=answer, count=count, total=total)
    return f"{said} {most}"


def _per_class(figures: Mapping[str, Any], many: str) -> Markup:
    rows = [
        (
            row["class"],
            row["support"],
            charts.meter(row["recall"], percent(row["recall"], 0))
            if row["support"]
            else words.NO_VALUE,
            charts.meter(row["precision"], percent(row["precision"], 0))
            if row["predicted"]
            else words.NEVER,
        )
        for row in figures["per_class"]
    ]
    head = [name.format(things=many) for name in words.CLASS_HEAD]
    table = charts.Table(head, rows, (1, 2, 3), words.CLASS_CAPTION)
    return table.html() + Markup('<p class="small quiet" style="margin-top: .6rem">{}</p>').format(
        words.CLASS_SAYS.format(things=many)
    )


def _rows(worst: list[Mapping[str, Any]]) -> Markup:
    rows = [
        (
            one.get("row", one.get("picture", "")),
            one["class"],
            one["answer"],
            percent(one["probability"], 0),
        )
        for one in worst
    ]
    return charts.Table(words.WORST_ROWS, rows, (3,), words.WORST_ROWS_CAPTION).html()


def _shots(visit: Visit, view: ProjectView, worst: list[Mapping[str, Any]]) -> None:
    because = _Because(visit, view)
    with tag("ul", classes="shots"):
        for one in worst:
            asks = words.WORST_ASK.format(answer=one["answer"], truth=one["class"])
            with tag("li"), tag("button", type="button", title=asks) as press:
                picture = api(view.name, "pictures", one["picture"], "thumbnail")
                with tag("span", classes="shot"):
                    tag("img", src=f"{picture}?size=256", alt="", loading="lazy", decoding="async")
                told = tag("span", classes="told")
                with told:
                    tag("span", one["answer"], classes="wrong")
                    tag("span", f" {percent(one['probability'], 0)}")
                is_truth = words.WORST_IS.format(truth=one["class"])
                if one.get("refused"):
                    is_truth += f", {words.WORST_REFUSED}"
                tag("span", is_truth, classes="told quiet")

            async def show(error: Mapping[str, Any] = one) -> None:
                await because.show(error)

            press.on("click", show, args=[])


class _Because:
    """A dialog that says what one answer rests on."""

    def __init__(self, visit: Visit, view: ProjectView) -> None:
        self.visit, self.view = visit, view
        #: Counts what was pressed: another mistake may be meanwhile.
        self.turn = 0
        self.dialog = Dialog(words.WHY_TITLE)
        self.dialog.box.classes("wide")
        with self.dialog.body:
            self.said = Notice()
            self.place = tag("div", classes="because")
            button(words.CLOSE, self.dialog.close).style("align-self: flex-start")

    async def show(self, error: Mapping[str, Any]) -> None:
        """First the answer with its map, from the resident model; then what takes refits."""
        turn = self.turn = self.turn + 1
        self.place.clear()
        self.said.say(words.WHY_WAIT)
        self.dialog.open()
        desk, name = self.visit.desk, self.view.name
        try:
            original = await self.visit.ask(desk.original, name, error["picture"])
            data = await self.visit.ask(original.path.read_bytes)
            shown = await self._answer(error, data, original.media_type, turn)
            found, picture = await self.visit.ask(desk.explain, name, data, error["answer"])
        except TellapartError as fault:
            if self._here(turn):
                self.said.fail(fault, focus=False)
            return
        if not self._here(turn):
            return
        self.said.hide()
        with self.place:
            if not shown:
                self._tell(error, found, _uri(picture))
            self._speakers(found)

    def _here(self, turn: int) -> bool:
        """Whether that mistake is still looked at, and the page is open."""
        return turn == self.turn and not self.place.is_deleted

    async def _answer(self, error: Mapping[str, Any], data: bytes, kind: str, turn: int) -> bool:
        """Show what the model says today; False where its map is not of the answer asked about."""
        status, body = await self.visit.desk.predict(self.view.name, data, kind, query={"why": "1"})
        found = json.loads(body)
        glowing = (found.get("why") or {}).get("picture", "")
        if status != 200 or not glowing or found["best"] != error["answer"]:
            return False
        if self._here(turn):
            with self.place:
                self._tell(error, found, glowing)
        return True

    def _tell(self, error: Mapping[str, Any], found: Mapping[str, Any], glowing: str) -> None:
        tag("p", words.WORST_ASK.format(answer=error["answer"], truth=error["class"]))
        tag("img", classes="seen", src=glowing, alt=words.SHOWN_WHY)
        odds = sorted(found["probabilities"].items(), key=lambda one: -one[1])
        if odds[0][0] != error["answer"]:
            today = words.WHY_OTHER.format(answer=odds[0][0], probability=percent(odds[0][1]))
            tag("p", today, classes="quiet")
        html(charts.probabilities(odds, most=6))

    def _speakers(self, found: Mapping[str, Any]) -> None:
        for heading, side in (
            (words.WHY_FOR.format(label=found["class"]), "for"),
            (words.WHY_AGAINST, "against"),
        ):
            if found.get(side):
                tag("h3", heading)
                with tag("ul", classes="speakers"):
                    for one in found[side]:
                        self._speaker(one)
        for note in found.get("notes") or ():
            tag("p", note, classes="small quiet")

    def _speaker(self, one: Mapping[str, Any]) -> None:
        address = api(self.view.name, "pictures", one["id"], "thumbnail")
        with tag("li"):
            alt = words.WHY_SPEAKER.format(label=one["class"])
            tag("img", src=f"{address}?size=160", alt=alt)
            tag("span", one["class"])
            tag("br")
            tag("span", words.WHY_WITHOUT.format(probability=percent(one["without"], 0)))


def _uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
