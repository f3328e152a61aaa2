"""One deck: its switch, what it does at the moment, what it needs, and its end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from nicegui import ui
from nicegui.events import GenericEventArguments

from tellapart.errors import TellapartError
from tellapart.runtime.desk.deck_shapes import DeckView, Mode
from tellapart.web import shell
from tellapart.web import texts_decks as words
from tellapart.web.decks import last_turn, sentence, until
from tellapart.web.elements import (
    Field,
    Notice,
    button,
    choices,
    confirm,
    error_parts,
    form,
    link,
    set_attribute,
    tag,
)
from tellapart.web.visit import House, Visit

#: Seconds between two looks at the deck.
_EVERY = 2.0
_FIGURES = (
    ("candidates", words.SEEN),
    ("like", words.LIKED),
    ("super_like", words.SUPER_LIKED),
    ("pass", words.PASSED),
    ("leave", words.LEFT_TO_YOU),
    ("sent_done", words.SENT),
    ("sent_refused", words.REFUSED_THERE),
    ("matches", words.MATCHES),
)


def register(house: House) -> None:
    """Make the page of this module."""

    @house.page("/decks/{name}")
    async def deck(visit: Visit, name: str) -> None:
        view = await visit.ask(visit.desk.deck, name)
        with shell.deck_page(visit, name, view.title or name, tab="deck"):
            DeckPage(visit, view)


def _doing(now: DeckView) -> Any:
    """What the part that tells what a deck does depends on."""
    return now.counts, last_turn(now), until(now.next_turn), now.likes_left


class DeckPage:
    """The parts that follow the deck while the page is open."""

    def __init__(self, visit: Visit, view: DeckView) -> None:
        self.visit, self.view, self.name = visit, view, view.name
        #: Whether it is said that a turn is queued.
        self.queued = False
        self.parts: list[tuple[ui.element, Callable[[], None], Callable[[DeckView], Any], Any]] = []
        with tag("div", classes="deck") as self.root:
            with tag("div", classes="stack stack-l"):
                self._part(self._switch, lambda now: (now.mode, now.may_on, now.why, now.error))
                with tag("section", aria_label=words.NOW):
                    self._now_head()
                    self._part(self._now, _doing)
                    self.ran = Notice()
                    self.ran.box.style("margin-top: 1rem")
                if view.needs or view.terms:
                    self._part(self._account, lambda now: (now.needs, now.confirmed))
            with tag("div", classes="side"):
                self._part(self._eyes, lambda now: (now.counts, now.least_dry, now.mode))
                self._details()
                self._end()
        ui.timer(_EVERY, self._look)

    def _part(self, draw: Callable[[], None], seen: Callable[[DeckView], Any]) -> None:
        """A part that is drawn again when what it shows has changed."""
        box = tag("div")
        with box:
            draw()
        self.parts.append((box, draw, seen, seen(self.view)))

    def show(self, view: DeckView) -> None:
        self.view = view
        for place, (box, draw, seen, before) in enumerate(self.parts):
            if (now := seen(view)) != before:
                box.clear()
                with box:
                    draw()
                self.parts[place] = (box, draw, seen, now)
        self._ready()
        if not view.busy and self.queued:
            self.queued = False
            self.ran.hide()

    async def _look(self) -> None:
        try:
            self.show(await self.visit.ask(self.visit.desk.deck, self.name))
        except TellapartError:
            return  # deleted meanwhile, or the session has ended: the page says so when used

    # -- the switch -------------------------------------------------------------------------

    def _switch(self) -> None:
        view = self.view
        with tag("section", classes="stack switch", aria_label=words.SWITCH):
            options = [(mode, word, words.SWITCH_HINTS[mode]) for mode, word in words.MODES.items()]
            group = choices(words.SWITCH, "mode", options, view.mode)
            group.on(
                "change",
                self._chosen,
                # What is shown stays what is: the answer decides.
                js_handler="(e) => { const to = e.target.value; "
                f"document.querySelector('[name=mode][value={view.mode}]').checked = true; "
                "emit(to); }",
            )
            self.said = Notice()
            if view.error:
                with tag("div", classes="notice bad"):
                    error_parts(view.error)
            elif view.why:
                tag("p", sentence(view.why), classes="small quiet")
            if view.mode != "on" and view.may_on:
                with tag("div", classes="notice"):
                    tag("strong", words.NOT_YET)
                    with tag("ul", classes="against"):
                        for one in view.may_on:
                            tag("li", one)
            text = words.SWITCH_TEXT if view.acts else words.SWITCH_RECORDS
            self.sure = confirm(
                words.SWITCH_SURE.format(title=view.title or self.name),
                text,
                words.SWITCH_DO,
                partial(self._set, "on"),
                danger=False,
            )

    async def _chosen(self, event: GenericEventArguments) -> None:
        mode = event.args
        if mode == "on":
            if self.view.may_on:
                self.said.say(words.NOT_YET, kind="warn", more="\n".join(self.view.may_on))
            else:
                self.sure.open()
        elif mode in ("off", "dry"):
            await self._set(mode)

    async def _set(self, mode: Mode) -> None:
        try:
            view = await self.visit.ask(self.visit.desk.deck_mode, self.name, mode)
        except TellapartError as error:
            self.said.fail(error)
            return
        with self.root:  # what was pressed is drawn anew
            self.show(view)
            self.said.say(words.SWITCHED[mode], kind="good" if mode == "on" else "")
            ui.run_javascript(f"document.querySelector('[name=mode][value={mode}]')?.focus()")

    # -- what it does -----------------------------------------------------------------------

    def _now_head(self) -> None:
        """The button stays while what is below it changes, or it would lose the focus."""
        with tag("div", classes="row between").style("margin-bottom: 1rem"):
            tag("h2", words.NOW)
            self.run = button(words.RUN, self._run)
        self._ready()

    def _ready(self) -> None:
        idle = self.view.mode != "off" and not self.view.busy
        set_attribute(self.run, "disabled", None if idle else True)

    def _now(self) -> None:
        view = self.view
        with tag("div", classes="stack"):
            with tag("dl", classes="facts"):
                for name, told in (
                    (words.LAST_TURN, last_turn(view)),
                    (words.NEXT_TURN, until(view.next_turn)),
                    (words.LIKES_LEFT, "" if view.likes_left is None else f"{view.likes_left:,}"),
                    (words.NOT_JUDGED, f"{n:,}" if (n := view.counts.get("not_adult")) else ""),
                ):
                    if told:
                        tag("dt", name)
                        tag("dd", told)
            with tag("dl", classes="numbers"):
                for key, word in _FIGURES:
                    if key in ("candidates", "like", "pass") or view.counts.get(key):
                        with tag("div"):
                            tag("dt", word)
                            tag("dd", f"{view.counts.get(key, 0):,}")
            if unknown := view.counts.get("unknown"):
                with tag("div", classes="notice warn"):
                    tag("strong", words.UNKNOWN.format(n=f"{unknown:,}"))
                    tag("span", words.UNKNOWN_HINT, classes="small")
                    link(
                        words.SEE,
                        shell.deck_url(self.name, "results") + "?outcome=unknown",
                        classes="small",
                    )

    async def _run(self) -> None:
        try:
            await self.visit.ask(self.visit.desk.deck_run, self.name)
        except TellapartError as error:
            self.ran.fail(error)
            return
        self.show(await self.visit.ask(self.visit.desk.deck, self.name))
        if self.view.busy:  # else it has ended already
            self.queued = True
            self.ran.say(words.RUN_QUEUED)

    def _eyes(self) -> None:
        """What waits for a person to look at."""
        view = self.view
        waits, new = view.counts.get("to_review", 0), view.counts.get("new_looking", 0)
        with tag("section", classes="panel stack", aria_label=words.REVIEWED):
            tag("h2", words.REVIEWED)
            open_ = view.counts.get("candidates", 0) - view.counts.get("labels", 0)
            if waits:
                tag("p", words.REVIEW_WAITS.format(n=f"{waits:,}"))
            if open_ > 0:
                tag("p", words.REVIEW_OPEN.format(n=f"{open_:,}"), classes="small")
            else:
                tag("p", words.REVIEW_NONE)
            if view.least_dry and view.mode != "on":
                seen = view.counts.get("dry_reviewed", 0)
                tag(
                    "p",
                    words.DRY_REVIEWED.format(n=f"{seen:,}", least=view.least_dry),
                    classes="small",
                )
                with tag("div", classes="bar", aria_hidden=True):
                    tag("i").style(f"--done: {min(1.0, seen / view.least_dry):.3f}")
            if new:
                tag("p", words.NEW_LOOKING.format(n=f"{new:,}"), classes="small")
            link(words.REVIEW_DO, shell.deck_url(self.name, "review"), classes="button primary")

    # -- what it needs ----------------------------------------------------------------------

    def _account(self) -> None:
        view = self.view
        with tag("section", classes="stack", aria_label=words.ACCOUNT):
            tag("h2", words.ACCOUNT)
            for need in view.needs:
                self._secret(need)
            if view.terms:
                tag("h3", words.TERMS)
                tag("p", view.terms, classes="terms")
                if view.terms_url.startswith("https://"):
                    link(words.TERMS_THERE, view.terms_url, classes="small", rel="noreferrer")
                if view.confirmed:
                    day = datetime.fromisoformat(view.confirmed)
                    when = f"{day.day} {day:%B %Y}"
                    tag("p", words.CONFIRMED.format(when=when), classes="small quiet")
                else:
                    button(words.CONFIRM_DO, self._confirm).style("align-self: flex-start")
            self.kept = Notice()

    def _secret(self, need: dict[str, Any]) -> None:
        title = str(need.get("title") or need["name"])
        have = bool(need.get("have"))
        needed = need.get("required", True)
        missing = words.CREDENTIAL_NONE if needed else words.CREDENTIAL_MAY
        told = words.CREDENTIAL_HAVE if have else missing
        tag(
            "p",
            told.format(title=title.lower()),
            classes="trouble" if needed and not have else "quiet",
        )

        async def keep(given: dict[str, list[str]]) -> None:
            value = given.get("secret", [""])[0].strip()
            if not value:
                field.error(words.CREDENTIAL_EMPTY, focus=True)
                return
            await self._do(
                partial(self.visit.desk.deck_credential, self.name, str(need["name"]), value)
            )

        with form(keep):
            field = Field(
                words.CREDENTIAL_NEW.format(title=title.lower()),
                "secret",
                kind="password",
                hint=words.CREDENTIAL_HINT,
                autocomplete="off",
            )
            tag("button", words.CREDENTIAL_SAVE, classes="button", type="submit").style(
                "align-self: flex-start"
            )

    async def _confirm(self) -> None:
        await self._do(partial(self.visit.desk.deck_confirm, self.name))

    async def _do(self, call: Callable[[], DeckView]) -> None:
        try:
            view = await self.visit.ask(call)
        except TellapartError as error:
            self.kept.fail(error)
            return
        with self.root:
            self.show(view)
            self.kept.say(words.CREDENTIAL_SAVED, kind="good", focus=True)

    # -- the rest ---------------------------------------------------------------------------

    def _details(self) -> None:
        view = self.view
        with tag("section", classes="panel stack", aria_label=words.DETAILS):
            tag("h2", words.DETAILS)
            with tag("dl", classes="facts small"):
                tag("dt", words.DETAIL_SOURCE)
                tag("dd", view.source)
                for key, value in view.options.items():
                    if value not in (None, ""):
                        tag("dt", key.replace("_", " "))
                        tag("dd", str(value))
                tag("dt", words.PEOPLE)
                tag("dd", words.OF_PEOPLE if view.people else words.OF_THINGS)
                if view.project:
                    tag("dt", words.DETAIL_PROJECT)
                    with tag("dd"):
                        link(view.project, shell.project_url(view.project))
                if view.every:
                    tag("dt", words.DETAIL_EVERY)
                    tag("dd", words.DETAIL_MINUTES.format(n=f"{view.every:g}"))

    def _end(self) -> None:
        async def delete() -> None:
            try:
                await self.visit.ask(self.visit.desk.deck_delete, self.name)
            except TellapartError as error:
                failed.fail(error)
                return
            ui.navigate.to("/decks")

        sure = confirm(
            words.DELETE_SURE.format(title=self.view.title or self.name),
            words.DELETE_TEXT,
            words.DELETE_DO,
            delete,
        )
        button(words.DELETE, sure.open, classes="danger").style("justify-self: start")
        failed = Notice(urgent=True)
