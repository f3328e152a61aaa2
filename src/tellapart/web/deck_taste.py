"""Taste: what a deck has learned, which of it is live, why the rest is not, and the way back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tellapart.errors import TellapartError
from tellapart.runtime.desk.deck_shapes import HeadRow
from tellapart.web import shell
from tellapart.web import texts_decks as words
from tellapart.web.elements import Notice, button, confirm, link, set_attribute, tag
from tellapart.web.lists import ago
from tellapart.web.visit import House, Visit

#: Figures of an evaluation that are shares.
_SHARES = ("accuracy", "champion", "challenger")


def register(house: House) -> None:
    """Make the page of this module."""

    @house.page("/decks/{name}/taste")
    async def taste(visit: Visit, name: str) -> None:
        deck = await visit.ask(visit.desk.deck, name)
        heads = await visit.ask(visit.desk.deck_heads, name)
        with shell.deck_page(visit, name, deck.title or name, tab="taste"):
            TastePage(visit, name, heads)


class TastePage:
    """All heads, newest first, and two buttons."""

    def __init__(self, visit: Visit, name: str, heads: list[HeadRow]) -> None:
        self.visit, self.name = visit, name
        tag("p", words.TASTE_LEAD, classes="lead")
        with tag("div", classes="row").style("margin: 1.5rem 0 1rem"):
            self.learn = button(words.RETRAIN, self._retrain, classes="primary")
            self.back = button(words.ROLLBACK, lambda: self.sure.open())
        self.sure = confirm(
            words.ROLLBACK_SURE, words.ROLLBACK_TEXT, words.ROLLBACK_DO, self._rollback
        )
        self.said = Notice()
        self.said.box.style("margin-bottom: 1rem")
        self.list = tag("div")
        self._draw(heads)

    def _draw(self, heads: list[HeadRow]) -> None:
        before = any(head.state == "retired" for head in heads)
        set_attribute(self.back, "disabled", None if before else True)
        self.list.clear()
        with self.list:
            if not heads:
                with tag("div", classes="empty stack"):
                    tag("p", words.NO_HEAD)
                    tag("p", words.NO_HEAD_DO, classes="quiet")
                    link(
                        words.REVIEW_DO, shell.deck_url(self.name, "review"), classes="button"
                    ).style("align-self: center; margin-top: .5rem")
                return
            live = [head for head in heads if head.state == "champion"]
            rest = [head for head in heads if head.state != "champion"]
            for head in live:
                _head(head, live=True)
            if rest:
                tag("h2", words.HISTORY).style("margin: 2rem 0 .25rem")
            with tag("ul", classes="heads"):
                for head in rest:
                    with tag("li"):
                        _head(head)

    async def _retrain(self) -> None:
        set_attribute(self.learn, "disabled", True)
        try:
            head = await self.visit.ask(self.visit.desk.deck_retrain, self.name)
            heads = await self.visit.ask(self.visit.desk.deck_heads, self.name)
        except TellapartError as error:
            self.said.fail(error)
            return
        finally:
            set_attribute(self.learn, "disabled", None)
        self._draw(heads)
        kind = "good" if head.state == "champion" else ""
        told = words.RETRAIN_DONE.get(head.state, words.RETRAIN_DONE["shadow"])
        self.said.say(told, kind=kind, more=head.why, focus=True)

    async def _rollback(self) -> None:
        try:
            await self.visit.ask(self.visit.desk.deck_rollback, self.name)
            heads = await self.visit.ask(self.visit.desk.deck_heads, self.name)
        except TellapartError as error:
            self.said.fail(error)
            return
        self._draw(heads)
        self.said.say(words.ROLLED_BACK, kind="good", focus=True)


def _head(head: HeadRow, *, live: bool = False) -> None:
    """One head: its state, why, and what it was measured at."""
    with tag("article", classes="card learned live" if live else "learned", data_state=head.state):
        with tag("div", classes="row"):
            tag(
                "span",
                words.HEAD_STATES.get(head.state, head.state),
                classes=f"tag {words.HEAD_TAGS.get(head.state, '')}",
            )
            labels = words.OF_LABELS.format(n=f"{head.labels:,}")
            tag("span", f"{labels} · {ago(head.made)}", classes="small quiet")
        if head.why:
            tag("p", head.why)
        figures = list(_figures(head.evaluation))
        if figures:
            with tag("dl", classes="measured"):
                for name, told in figures:
                    with tag("div"):
                        tag("dt", name)
                        tag("dd", told)
        if head.log:
            with tag("details"):
                tag("summary", words.LOG)
                with tag("ol", classes="small log-lines"):
                    for line in head.log:
                        with tag("li"):
                            tag("span", _moment(line.get("at", "")), classes="quiet")
                            tag("span", line.get("what", ""))


def _figures(found: dict[str, Any]) -> list[tuple[str, str]]:
    """The figures of an evaluation that people can use, in a stated order."""
    told: list[tuple[str, str]] = []
    for key, word in words.EVALUATION:
        value = found.get(key)
        if isinstance(value, bool) or value in (None, ""):
            continue
        if isinstance(value, float):
            shown = f"{100 * value:.1f} %" if key in _SHARES else f"{value:.3g}"
        else:
            shown = f"{value:,}" if isinstance(value, int) else str(value)
        told.append((word, shown))
    return told


def _moment(at: str) -> str:
    if not at:
        return ""
    when = datetime.fromisoformat(at)
    return f"{when.day} {when:%B, %H:%M}"
