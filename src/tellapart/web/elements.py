"""Plain HTML elements as page parts: native controls, styled by our own sheet."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement
from nicegui.events import GenericEventArguments

from tellapart.errors import TellapartError
from tellapart.web import texts

Handler = Callable[..., Awaitable[None] | None]
_numbers = itertools.count(1)


def new_id(prefix: str) -> str:
    """An id for one element of one page, as labels need it."""
    return f"{prefix}-{next(_numbers)}"


def tag(name: str, text: str = "", /, *, classes: str = "", **attributes: Any) -> TextElement:
    """Any HTML element. Attributes as keywords: `aria_label="…"`, `for_="…"`; None: left out.

    `text` and values are set as text, never read as HTML.
    """
    element = TextElement(tag=name, text=text)
    if classes:
        element.classes(classes)
    for key, value in attributes.items():
        set_attribute(element, key, value)
    return element


def set_attribute(element: ui.element, key: str, value: Any, /) -> None:
    """Set, or with None take away, an attribute; `aria_*` and `data_*` may be booleans."""
    name = key.rstrip("_").replace("_", "-")
    if name.startswith((":", "on")):
        raise ValueError(name)  # the library would run it as a script
    if value is None:
        element.props.pop(name, None)
    elif isinstance(value, bool) and name.startswith(("aria-", "data-")):
        element.props[name] = "true" if value else "false"
    else:
        element.props[name] = value
    element.update()


def svg(markup: str, classes: str = "") -> ui.html:
    """A drawing of our own (never of a user's text), hidden from screen readers."""
    return ui.html(markup, sanitize=False, tag="span").classes(classes).props("aria-hidden=true")


def link(text: str, href: str, /, *, classes: str = "", **attributes: Any) -> TextElement:
    return tag("a", text, classes=classes, href=href, **attributes)


def button(
    text: str, on_click: Handler | None = None, /, *, classes: str = "", **attributes: Any
) -> TextElement:
    """A button; `classes`: primary, large, plain, danger, link, icon."""
    element = tag("button", text, classes=f"button {classes}", type="button", **attributes)
    if on_click is not None:
        element.on("click", on_click, args=[])
    return element


def error_parts(error: Mapping[str, Any]) -> None:
    """What happened, what was expected, what to do: of an error as `to_dict` has it."""
    tag("strong", str(error.get("what") or texts.FAILED))
    problems = error.get("problems") or ()
    if problems:
        with tag("ul", classes="problems"):
            for one in problems:
                with tag("li"):
                    line = texts.LINE.format(n=one["line"]) if one.get("line") else ""
                    tag("b", f"{line}{one.get('path', '')}: {one.get('what', '')}")
                    _expected(one)
    else:
        _expected(error)


def _expected(error: Mapping[str, Any]) -> None:
    for name, key in ((texts.EXPECTED, "expected"), (texts.DO, "do")):
        if error.get(key):
            tag("span", f"{name}: {error[key]}", classes="small")


class Notice:
    """A box that says something, now or later; a live region, so that it is read out."""

    def __init__(self, *, urgent: bool = False) -> None:
        self.box = tag(
            "div",
            classes="notice hidden",
            role="alert" if urgent else "status",
            tabindex="-1",
        )

    def say(self, text: str, *, kind: str = "", more: str = "", focus: bool = False) -> None:
        """Show `text`, and `more` below; `kind`: good, warn, bad or nothing."""
        self.box.clear()
        self.box.classes(replace=f"notice {kind}")
        with self.box:
            tag("strong", text)
            for line in more.splitlines():
                tag("span", line, classes="small")
        if focus:
            ui.run_javascript(f"tellapart.focus('{self.box.html_id}')")

    def fail(self, error: TellapartError, *, focus: bool = True) -> None:
        """Show an error in its three parts; of a recipe's, each problem."""
        self.refuse(error.to_dict()["error"])
        if focus:
            ui.run_javascript(f"tellapart.focus('{self.box.html_id}')")

    def refuse(self, error: Mapping[str, Any]) -> None:
        """As `fail`, of an error as REST tells it."""
        self.box.clear()
        self.box.classes(replace="notice bad")
        with self.box:
            error_parts(error)

    def hide(self) -> None:
        self.box.clear()
        self.box.classes(replace="notice hidden")


def start_with(control: ui.element, value: str) -> None:
    """Give a text control its first content; later drawings leave what was typed."""
    control.props["defaultValue"] = value
    control.update()


class Field:
    """A labelled control with a hint and room for an error below."""

    def __init__(
        self,
        label: str,
        name: str,
        *,
        kind: str = "text",
        hint: str = "",
        value: str = "",
        control: str = "input",
        **attributes: Any,
    ) -> None:
        id = new_id(name)
        with tag("div", classes="field"):
            tag("label", label, for_=id)
            if hint:
                tag("p", hint, classes="hint", id=f"{id}-hint")
            described = f"{id}-hint {id}-error" if hint else f"{id}-error"
            self.control = tag(
                control, classes="input", id=id, name=name, aria_describedby=described, **attributes
            )
            if control == "input":
                set_attribute(self.control, "type", kind)
            if value:
                start_with(self.control, value)
            self._error = tag("p", classes="error", id=f"{id}-error", role="alert")
        self.id = id

    def error(self, text: str = "", *, focus: bool = False) -> None:
        """Say what is wrong with it; nothing: it is right."""
        self._error.text = text
        set_attribute(self.control, "aria_invalid", True if text else None)
        if text and focus:
            ui.run_javascript(f"tellapart.focus('{self.id}')")


def choices(
    legend: str, name: str, options: Sequence[tuple[str, str, str]], chosen: str
) -> TextElement:
    """Radio buttons as tiles: (value, label, explanation)."""
    with tag("fieldset") as group:
        tag("legend", legend)
        with tag("div", classes="choices"):
            for value, label, explanation in options:
                with tag("label", classes="choice"):
                    option = tag("input", type="radio", name=name, value=value)
                    if value == chosen:
                        option.props["defaultChecked"] = True
                    with tag("span", classes="face"):
                        tag("b", label)
                        tag("span", explanation, classes="small quiet")
    return group


def form(on_submit: Callable[[dict[str, list[str]]], Awaitable[None]]) -> TextElement:
    """A form whose text fields arrive together as {name: [values]} when it is sent."""
    element = tag("form", classes="stack", novalidate=True)

    async def send(event: GenericEventArguments) -> None:
        given = event.args if isinstance(event.args, Mapping) else {}
        await on_submit({str(k): [str(v) for v in vs] for k, vs in given.items()})

    element.on("submit.prevent", send, js_handler="(e) => emit(tellapart.values(e.target))")
    return element


def ask_form(ask: str, *, next: str = "", on_answer: Handler | None = None) -> TextElement:
    """A form that the browser sends to REST as JSON: `ask` is `POST /api/v1/…`.

    Then it goes to `next`, or `on_answer` is called with what REST said. End it by `said()` and a
    button of type submit.
    """
    element = tag("form", classes="stack", novalidate=True, data_ask=ask, data_next=next or None)
    if on_answer is not None:
        element.on("answered", on_answer, js_handler="(e) => emit(e.detail)")
    return element


def said() -> TextElement:
    """Where an `ask_form` says what went wrong."""
    return tag("div", classes="hidden", role="alert", tabindex="-1", data_said=True)


class Dialog:
    """A native modal dialog: the browser keeps the focus in it and closes it by Escape."""

    def __init__(self, title: str) -> None:
        heading = new_id("dialog")
        self.box = tag("dialog", classes="dialog", aria_labelledby=heading)
        with self.box:
            tag("h2", title, id=heading)
            self.body = tag("div", classes="stack")
            self.body.style("margin-top: .75rem")

    def open(self) -> None:
        ui.run_javascript(f"document.getElementById('{self.box.html_id}').showModal()")

    def close(self) -> None:
        ui.run_javascript(f"document.getElementById('{self.box.html_id}').close()")


def confirm(
    title: str, text: str, do: str, on_yes: Callable[[], Awaitable[None]], *, danger: bool = True
) -> Dialog:
    """A question before something that cannot be taken back; open it by `.open()`."""
    dialog = Dialog(title)

    async def yes() -> None:
        dialog.close()
        await on_yes()

    with dialog.body:
        tag("p", text, classes="quiet")
        with tag("div", classes="row"):
            button(do, yes, classes="danger" if danger else "primary")
            button(texts.NOT_NOW, dialog.close, classes="plain")
    return dialog
