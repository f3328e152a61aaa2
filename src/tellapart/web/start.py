"""The first page: say what to tell apart, press one button."""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from nicegui import ui

from tellapart.errors import TellapartError
from tellapart.web import shell, texts
from tellapart.web.asking import Asked, Extras
from tellapart.web.elements import Field, Notice, button, form, link, new_id, set_attribute, tag
from tellapart.web.lists import runs_list
from tellapart.web.uploading import SCRIPT
from tellapart.web.visit import House, Visit

_WAYS = (
    ("/", texts.WAY_WORDS),
    ("/new/pictures", texts.WAY_PICTURES),
    ("/new/recipe", texts.WAY_RECIPE),
)


def register(house: House) -> None:
    """Make the pages of this module."""

    @house.page("/")
    async def words(visit: Visit) -> None:
        async with Frame(visit, "/"):
            _words_form(visit)

    @house.page("/new/recipe")
    async def recipe(visit: Visit) -> None:
        async with Frame(visit, "/new/recipe"):
            _recipe_form(visit)


_LONGEST_TITLE = 200
#: Enter: the focus goes to the next line at once, without a word to the server; where the server
#: has yet to make that line, as soon as it is there.
_NEXT = """(e) => {
  const next = (tries) => {
    const lines = [...e.target.form.querySelectorAll('[name="word"]')];
    const line = lines[lines.indexOf(e.target) + 1];
    if (line) line.focus();
    else if (tries && document.activeElement === e.target) setTimeout(next, 50, tries - 1);
  };
  next(200);
}"""


class Frame:
    """What the three ways share: the question, the ways, what went on lately."""

    def __init__(self, visit: Visit, way: str, *, assets: tuple[str, ...] = (SCRIPT,)) -> None:
        self.visit, self.way, self.assets = visit, way, (*assets, "draft.js")

    async def __aenter__(self) -> None:
        lately = await self.visit.ask(self.visit.desk.runs, limit=5)
        self._page = shell.page(self.visit, texts.ASK, here="start", assets=self.assets)
        self._page.__enter__()
        self._split = tag("div", classes="split").__enter__()
        with tag(
            "section", classes="aside", aria_label=texts.LATELY if lately.items else texts.HOW
        ):
            if lately.items:
                tag("h2", texts.LATELY)
                runs_list(lately.items)
                link(texts.ALL_PROJECTS, "/projects", classes="small")
            else:
                tag("h2", texts.HOW)
                with tag("ol", classes="how"):
                    for head, text in texts.HOW_STEPS:
                        with tag("li"):
                            tag("b", head)
                            tag("span", text, classes="small quiet")
        self._main = tag("div").__enter__()
        self._main.move(target_index=0)
        tag("h1", texts.ASK)
        tag("p", texts.ASK_LEAD, classes="lead").style("margin-top: 1rem")
        with tag("nav", classes="ways", aria_label=texts.WAYS):
            for href, text in _WAYS:
                current = "page" if href == self.way else None
                link(text, href, classes="navlink", aria_current=current)

    async def __aexit__(self, *details: Any) -> None:
        self._main.__exit__(*details)
        self._split.__exit__(*details)
        self._page.__exit__(*details)


def _words_form(visit: Visit) -> None:
    key = uuid.uuid4().hex
    rows: list[_Word] = []

    async def send(given: dict[str, list[str]]) -> None:
        found = split_words(given.get("word", []))
        problem = words_problem(found)
        wrong.text = problem
        if problem:
            rows[0].focus()
            return
        asked = extras.read(given)
        if asked is not None:
            await begin(visit, notice, go, asked, key, lambda: _recipe_of(visit, found, asked))

    with form(send).classes("stack-l"):
        with tag("fieldset"):
            tag("legend", texts.WORDS, classes="sr-only")
            listed = tag("div", classes="words")

            def add(focus: bool = True) -> None:
                with listed:
                    rows.append(_Word(rows, add))
                if focus:
                    rows[-1].focus()

            for _ in range(3):
                add(focus=False)
            wrong = tag("p", classes="error", role="alert", id=new_id("words-error"))
            wrong.style("margin-top: .5rem")
        extras = Extras(visit, per_class=True)
        notice = Notice(urgent=True)
        go = tag("button", texts.BEGIN, classes="button primary large", type="submit")
        go.style("align-self: flex-start")


class _Word:
    """One line for one word. Enter goes on to the next line, and there is always a next one:
    a new line is made as soon as the last one is written on, so that nobody types ahead of it.
    """

    def __init__(self, rows: list[_Word], add: Callable[..., None]) -> None:
        n = len(rows) + 1
        examples = texts.WORD_EXAMPLES
        hint = examples[n - 1] if n <= len(examples) else texts.WORD_ANOTHER
        self.rows, self.add, self.id = rows, add, new_id("word")
        with tag("div", classes="word") as self.line:
            self.control = tag(
                "input",
                id=self.id,
                name="word",
                type="text",
                aria_label=texts.WORD_N.format(n=n),
                placeholder=hint,
                autocomplete="off",
                autocapitalize="none",
                spellcheck="true",
                maxlength=200,
                enterkeyhint="next",
            )
            self.control.on("keydown.enter.prevent", js_handler=_NEXT)
            self.control.on("input", self._written, args=[])
            if n > 2:
                button("×", self._remove, classes="icon", aria_label=texts.WORD_REMOVE.format(n=n))

    def focus(self) -> None:
        ui.run_javascript(f"tellapart.focus('{self.id}')")

    def _written(self) -> None:
        if self.rows[-1] is self:
            self.add(focus=False)

    def _remove(self) -> None:
        place = self.rows.index(self)
        self.rows.remove(self)
        self.line.delete()
        for n, row in enumerate(self.rows, 1):
            set_attribute(row.control, "aria_label", texts.WORD_N.format(n=n))
        self.rows[place - 1].focus()


def split_words(given: list[str]) -> list[str]:
    """The words of all lines; a line may hold several, parted by commas."""
    parts = (part for line in given for part in re.split(r"[,;\n]", line))
    return [" ".join(part.split()) for part in parts if part.strip()]


def words_problem(words: list[str]) -> str:
    """What is wrong with the words; empty: nothing."""
    seen: set[str] = set()
    for word in words:
        if word.casefold() in seen:
            return texts.WORDS_TWICE.format(word=word)
        seen.add(word.casefold())
    return texts.WORDS_TOO_FEW if len(words) < 2 else ""


async def _recipe_of(visit: Visit, words: list[str], asked: Asked) -> Mapping[str, Any]:
    options: dict[str, Any] = {"per_class": asked.per_class} if asked.per_class else {}
    if asked.without:
        options["without"] = list(asked.without)
    title = ", ".join(words)
    if len(title) <= _LONGEST_TITLE:
        options["title"] = title
    recipe: Mapping[str, Any] = await visit.ask(
        visit.desk.recipe_of_words, words, effort=asked.effort, **options
    )
    return recipe


def _recipe_form(visit: Visit) -> None:
    key = uuid.uuid4().hex

    async def send(given: dict[str, list[str]]) -> None:
        text = given.get("recipe", [""])[0]
        if not text.strip():
            field.error(texts.RECIPE_EMPTY, focus=True)
            return
        field.error()
        asked = extras.read(given)
        if asked is not None:
            await begin(visit, notice, go, asked, key, lambda: _checked(visit, text))

    with form(send).classes("stack-l"):
        field = Field(
            texts.RECIPE,
            "recipe",
            control="textarea",
            hint=texts.RECIPE_HINT,
            placeholder=texts.RECIPE_EXAMPLE,
            spellcheck="false",
            rows=12,
        )
        field.control.classes("mono")
        extras = Extras(visit, effort=False)
        notice = Notice(urgent=True)
        go = tag("button", texts.BEGIN, classes="button primary large", type="submit")
        go.style("align-self: flex-start")


async def _checked(visit: Visit, text: str) -> Mapping[str, Any]:
    recipe: Mapping[str, Any] = await visit.ask(visit.desk.recipe, text)
    return recipe


async def begin(
    visit: Visit,
    notice: Notice,
    go: ui.element,
    asked: Asked,
    key: str,
    recipe: Callable[[], Awaitable[Mapping[str, Any]]],
) -> None:
    """Queue the run and go to its page; say in `notice` what stands against it."""
    notice.hide()
    set_attribute(go, "disabled", True)
    try:
        run = await visit.ask(
            visit.desk.submit,
            await recipe(),
            key=f"page-{key}-{asked.digest}",
            email=asked.email,
            test_picture=asked.picture,
        )
    except TellapartError as error:
        set_attribute(go, "disabled", None)
        notice.fail(error)
        return
    ui.run_javascript("tellapart.sent()")
    ui.navigate.to(f"/runs/{run.id}")
