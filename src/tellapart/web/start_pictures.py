"""Begin with pictures of one's own: a zip or a folder of class folders, or a list of them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from nicegui import ui

from tellapart.recipe import slug
from tellapart.web import texts
from tellapart.web.asking import Extras
from tellapart.web.elements import Field, Notice, form, start_with, tag
from tellapart.web.start import Frame, begin
from tellapart.web.uploading import SCRIPT, Drop
from tellapart.web.visit import House, Visit


def register(house: House) -> None:
    """Make the page of this module."""

    @house.page("/new/pictures")
    async def pictures(visit: Visit) -> None:
        async with Frame(visit, "/new/pictures", assets=(SCRIPT,)):
            _pictures_form(visit)


def _pictures_form(visit: Visit) -> None:
    key = uuid.uuid4().hex

    async def send(given: dict[str, list[str]]) -> None:
        got = drop.got
        if got is None or not (got.get("data") or got.get("recipe")):
            text = texts.STILL_SENDING if drop.busy else texts.NO_FILES
            notice.say(text, kind="bad", focus=True)
            return
        asked = extras.read(given)
        if asked is None:
            return
        title = given.get("name", [""])[0].strip()

        async def recipe() -> Mapping[str, Any]:
            if got.get("recipe"):
                found: Mapping[str, Any] = await visit.ask(visit.desk.recipe, got["recipe"])
                return found
            name = await visit.ask(visit.desk.free_name, slug(title or _stem(got)))
            wanted = {"name": name, "data": str(got["data"]), "effort": asked.effort}
            return {**wanted, "title": title} if title else wanted

        await begin(visit, notice, go, asked, key, recipe)

    def done(got: Mapping[str, Any]) -> None:
        found.clear()
        with found:
            _summary(got)
        if name.control.props.get("defaultValue") != _stem(got):
            start_with(name.control, _stem(got))

    with form(send).classes("stack-l"):
        with tag("div", classes="stack"):
            drop = Drop(
                texts.DROP_PICTURES,
                texts.DROP_PICTURES_HINT,
                accept=".zip,.csv,.tsv,.yaml,.yml,.json,application/zip",
                folder=True,
                on_done=done,
            )
            found = tag("div", role="status")
        name = Field(texts.NAME, "name", hint=texts.NAME_HINT, autocomplete="off", maxlength=80)
        extras = Extras(visit)
        notice = Notice(urgent=True)
        go = tag("button", texts.BEGIN, classes="button primary large", type="submit")
        go.style("align-self: flex-start")


def _stem(got: Mapping[str, Any]) -> str:
    """The name of the file or folder that was sent, without what the file is."""
    text = PurePath(str(got.get("shown") or got.get("name") or "")).stem
    return re.sub(r"[_\s]+", " ", text).strip()[:80]


def _summary(got: Mapping[str, Any]) -> ui.element:
    classes = got.get("classes") or {}
    with tag("div", classes="notice good") as box:
        if classes:
            count = sum(int(n) for n in classes.values())
            tag("strong", texts.GOT_PICTURES.format(n=f"{count:,}", classes=len(classes)))
            shown = list(classes.items())[:30]
            more = [texts.AND_MORE.format(n=len(classes) - 30)] if len(classes) > 30 else []
            tag("span", ", ".join([f"{word} {n:,}" for word, n in shown] + more), classes="small")
        else:
            tag("strong", texts.GOT_FILE.format(name=str(got.get("name", ""))[:120]))
        for problem, n in (got.get("problems") or {}).items():
            tag(
                "span",
                texts.GOT_PROBLEM.format(n=f"{int(n):,}", what=str(problem).replace("_", " ")),
                classes="small",
            )
    return box
