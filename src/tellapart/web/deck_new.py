"""Adding a deck: where its candidates come from, what they are, and what the source asks for."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from tellapart.errors import TellapartError
from tellapart.runtime.desk.deck_shapes import SourceView
from tellapart.runtime.desk.shapes import ProjectCard
from tellapart.web import shell
from tellapart.web import texts_decks as words
from tellapart.web.elements import Field, Notice, choices, form, new_id, set_attribute, tag
from tellapart.web.uploading import SCRIPT, Drop
from tellapart.web.visit import House, Visit

_FILES = ".zip,.jsonl"
_KINDS = {"number": "number", "url": "url"}


def register(house: House) -> None:
    """Make the page of this module."""

    @house.page("/new/deck")
    async def new_deck(visit: Visit) -> None:
        sources = await visit.ask(visit.desk.deck_sources)
        projects = (await visit.ask(visit.desk.projects, limit=100)).items
        with shell.page(visit, words.ADD, here="decks", assets=("decks.css", SCRIPT)):
            tag("h1", words.ADD)
            tag("p", words.ADD_LEAD, classes="lead").style("margin: 1rem 0 2rem")
            Adding(visit, sources, projects)


class Adding:
    """The form. What it asks for follows the source that is chosen."""

    def __init__(
        self, visit: Visit, sources: Sequence[SourceView], projects: Sequence[ProjectCard]
    ) -> None:
        self.visit, self.projects = visit, projects
        self.sources = {one.name: one for one in sources}
        here = [one for one in sources if not one.install]
        self.source = here[0]
        self.fields: dict[str, Field] = {}
        #: Of options that are paths: what was dropped, and where a missing one is told.
        self.drops: dict[str, Drop] = {}
        self.wrong: dict[str, TextElement] = {}
        #: Where a missing word on people or things is told; None: the source knows.
        self.judged: TextElement | None = None
        with form(self._send).classes("stack-l adding"):
            options = [(one.name, one.title or one.name, one.description) for one in here]
            group = choices(words.SOURCE, "source", options, self.source.name)
            group.classes("sources")
            group.on("change", self._chosen, js_handler="(e) => emit(e.target.value)")
            for one in sources:
                if one.install:
                    with tag("p", classes="small quiet"):
                        tag("span", f"{one.description} {words.SOURCE_NOT_HERE} ")
                        tag("code", one.install)
            self.title = Field(words.TITLE, "title", hint=words.TITLE_HINT, maxlength=60)
            self.asked = tag("div", classes="stack")
            self._draw()
            self.notice = Notice(urgent=True)
            with tag("div", classes="stack stack-s"):
                self.go = tag("button", words.ADD_DO, classes="button primary large", type="submit")
                self.go.style("align-self: flex-start")
                tag("p", words.ADD_AFTER, classes="small quiet")

    async def _chosen(self, event: Any) -> None:
        found = self.sources.get(str(event.args))
        if found is not None and found is not self.source:
            self.source = found
            self.asked.clear()
            with self.asked:
                self._draw()

    def _draw(self) -> None:
        source = self.source
        self.fields, self.drops, self.wrong = {}, {}, {}
        with self.asked:
            for option in source.options:
                self._option(option)
            for need in source.needs:
                self.fields[f"secret:{need['name']}"] = Field(
                    need.get("title") or need["name"],
                    f"secret:{need['name']}",
                    kind="password",
                    hint=_sentence(need.get("description")) + words.CREDENTIAL_HINT,
                    autocomplete="off",
                )
            self.judged = None
            if source.people is None:
                # Nothing is chosen beforehand: a deck of people that nobody said so has no guard.
                with tag("div", classes="stack stack-s"):
                    choices(words.PEOPLE, "people", words.PEOPLE_OPTIONS, "").classes("two")
                    self.judged = tag("p", classes="error", role="alert")
            elif source.people:
                tag("p", words.PEOPLE_ALWAYS, classes="notice")
            self._project()
            self.agreed = None
            if source.terms:
                with tag("fieldset", classes="stack stack-s"):
                    tag("legend", words.TERMS)
                    tag("p", source.terms, classes="terms")
                    id = new_id("terms")
                    with tag("label", classes="check"):
                        tag(
                            "input",
                            type="checkbox",
                            name="terms",
                            value="read",
                            aria_describedby=id,
                        )
                        tag("span", words.TERMS_READ)
                    self.agreed = tag("p", classes="error", role="alert", id=id)

    def _option(self, option: dict[str, Any]) -> None:
        name, kind = str(option["name"]), str(option.get("kind", "text"))
        title = str(option.get("title") or name.replace("_", " ").capitalize())
        default = option.get("default")
        if kind == "bool":
            with tag("label", classes="check"):
                box = tag("input", type="checkbox", name=f"option:{name}", value="yes")
                if default:
                    box.props["defaultChecked"] = True
                with tag("span"):
                    tag("span", title)
                    if option.get("description"):
                        tag("span", f" {option['description']}", classes="small quiet")
            return
        if kind == "path":
            self._place(name, title, option)
            return
        self.fields[f"option:{name}"] = Field(
            title,
            f"option:{name}",
            kind=_KINDS.get(kind, "text"),
            hint=_sentence(option.get("description")),
            value="" if default is None else str(default),
            autocomplete="off",
            spellcheck="false",
        )

    def _place(self, name: str, title: str, option: dict[str, Any]) -> None:
        """A path on one's own machine, or what is dropped here; on a shared server only that."""
        if self.visit.single_user:
            hint = _sentence(option.get("description"))
            self.fields[f"option:{name}"] = Field(
                title, f"option:{name}", hint=hint, autocomplete="off", spellcheck="false"
            )
        self.drops[name] = Drop(words.DROP, words.DROP_HINT, accept=_FILES, folder=True)
        if not self.visit.single_user:
            self.wrong[name] = tag("p", classes="error", role="alert")

    def _project(self) -> None:
        if not self.projects:
            return
        id = new_id("project")
        with tag("div", classes="field"):
            tag("label", words.PROJECT, for_=id)
            tag("p", words.PROJECT_HINT, classes="hint", id=f"{id}-hint")
            with tag(
                "select", classes="input", id=id, name="project", aria_describedby=f"{id}-hint"
            ):
                tag("option", words.PROJECT_NONE, value="")
                for one in self.projects:
                    tag("option", one.title, value=one.name)

    # -- sending ----------------------------------------------------------------------------

    async def _send(self, given: dict[str, list[str]]) -> None:
        def said(name: str) -> str:
            return given.get(name, [""])[0].strip()

        title = said("title")
        wrong = [(self.title, words.TITLE_EMPTY)] if not title else []
        options: dict[str, Any] = {}
        missing = False
        for option in self.source.options:
            name, kind = str(option["name"]), option.get("kind")
            field, value = self.fields.get(f"option:{name}"), said(f"option:{name}")
            if kind == "path":
                value = self._dropped(name) or value
            if kind == "bool":
                options[name] = value == "yes"
            elif value:
                options[name] = _number(value) if kind == "number" else value
            elif option.get("required"):
                missing = True
                if field is not None:
                    wrong.append((field, words.NEEDED))
            if name in self.wrong:
                self.wrong[name].text = words.NEEDED if not value else ""
        for field in (self.title, *self.fields.values()):
            field.error()
        for place, (field, text) in enumerate(wrong):
            field.error(text, focus=place == 0)
        if self.agreed is not None:
            self.agreed.text = "" if said("terms") else words.TERMS_NEEDED
        if self.judged is not None:
            self.judged.text = "" if said("people") else words.PEOPLE_NEEDED
            missing = missing or not said("people")
        if missing or wrong or (self.agreed is not None and self.agreed.text):
            return
        secrets = {need["name"]: said(f"secret:{need['name']}") for need in self.source.needs}
        people = said("people") != "things" if self.source.people is None else None
        await self._add(title, options, secrets, people, said("project"))

    def _dropped(self, name: str) -> str:
        """What was sent to the server for this option; empty: nothing, or not yet."""
        got = self.drops[name].got if name in self.drops else None
        return f"upload:{got['id']}" if got else ""

    async def _add(
        self,
        title: str,
        options: dict[str, Any],
        secrets: dict[str, str],
        people: bool | None,
        project: str,
    ) -> None:
        desk = self.visit.desk
        self.notice.hide()
        set_attribute(self.go, "disabled", True)
        try:
            made = await self.visit.ask(
                desk.deck_add,
                slug(title),
                self.source.name,
                options,
                project=project,
                people=people,
                title=title,
            )
            for name, value in secrets.items():
                if value:
                    await self.visit.ask(desk.deck_credential, made.name, name, value)
            if self.source.terms:
                await self.visit.ask(desk.deck_confirm, made.name)
        except TellapartError as error:
            set_attribute(self.go, "disabled", None)
            self.notice.fail(error)
            return
        ui.navigate.to(shell.deck_url(made.name))


def _sentence(text: Any) -> str:
    """What a source says of an option, as a sentence: `seconds, at least 1` → `Seconds, …. `."""
    plain = str(text or "").replace("`", "").strip().rstrip(".")
    return f"{plain[:1].upper()}{plain[1:]}. " if plain else ""


def slug(title: str) -> str:
    """A title as the short name that stands in addresses: `Flats in Köln` → `flats-in-koln`."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:40].strip("-") or "deck"


def _number(value: str) -> float | int | str:
    """A number as it was meant; what is none goes on as it is, to be refused with its reason."""
    try:
        return int(value)
    except ValueError:
        pass
    try:
        return float(value)
    except ValueError:
        return value
