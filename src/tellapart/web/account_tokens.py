"""Tokens for programs: made, shown once, taken back."""

from __future__ import annotations

import json

from nicegui import ui

from tellapart.accounts import SCOPES, Account, Token
from tellapart.errors import TellapartError
from tellapart.web import texts
from tellapart.web.elements import Dialog, Field, Notice, button, confirm, form, tag
from tellapart.web.lists import ago
from tellapart.web.visit import Visit

_DAY = 86_400


class Tokens:
    """The tokens of one account, as a list with a form below."""

    def __init__(self, visit: Visit, me: Account, found: list[Token]) -> None:
        self.visit, self.me, self.found = visit, me, found
        self.store = visit.house.desks.accounts.tokens

    @classmethod
    async def of(cls, visit: Visit, me: Account) -> Tokens:
        """Read them; `draw` puts them on the page."""
        return cls(visit, me, await visit.ask(visit.house.desks.accounts.tokens.of, me))

    def draw(self) -> None:
        self.list = tag("div")
        self.shown = tag("div", role="status")
        self.notice = Notice(urgent=True)
        self._draw_list()
        with tag("details"):
            tag("summary", texts.TOKEN_NEW)
            with form(self._create):
                self.name = Field(
                    texts.TOKEN_NAME, "name", hint=texts.TOKEN_NAME_HINT, maxlength=80
                )
                with tag("fieldset", classes="stack stack-s"):
                    tag("legend", texts.TOKEN_SCOPES)
                    for scope in SCOPES:
                        if scope != "admin" or self.me.is_admin:
                            self._scope(scope)
                with (
                    tag("div", classes="field"),
                    tag("label", texts.TOKEN_EXPIRES),
                    tag("select", classes="input", name="days"),
                ):
                    for days, text in texts.TOKEN_DAYS:
                        tag("option", text, value=days)
                tag("button", texts.TOKEN_MAKE, classes="button primary", type="submit").style(
                    "align-self: flex-start"
                )

    @staticmethod
    def _scope(scope: str) -> None:
        with tag("label", classes="check"):
            box = tag("input", type="checkbox", name="scope", value=scope)
            if scope != "admin":
                box.props["defaultChecked"] = True
            tag("span", texts.SCOPES[scope])

    def _draw_list(self) -> None:
        self.list.clear()
        with self.list:
            if not self.found:
                tag("p", texts.TOKENS_NONE, classes="quiet")
                return
            with tag("ul", classes="runs"):
                for token in self.found:
                    with tag("li", classes="row between token"):
                        with tag("span"):
                            tag("b", f"{token.name} (…{token.hint})")
                            tag("span", self._said(token), classes="small quiet")
                        sure = self._sure(token)
                        label = texts.TOKEN_REVOKE_NAMED.format(name=token.name)
                        button(texts.TOKEN_REVOKE, sure.open, classes="danger", aria_label=label)

    @staticmethod
    def _said(token: Token) -> str:
        parts = [", ".join(token.scopes)]
        used = ago(token.used) if token.used else texts.NEVER
        parts.append(texts.TOKEN_USED.format(when=used))
        if token.expires:
            parts.append(texts.TOKEN_UNTIL.format(day=token.expires[:10]))
        return " · ".join(parts)

    def _sure(self, token: Token) -> Dialog:
        async def revoke() -> None:
            try:
                await self.visit.ask(self.store.revoke, self.me, token.id)
                await self._again()
            except TellapartError as error:
                self.notice.fail(error)

        return confirm(
            texts.TOKEN_REVOKE_SURE.format(name=token.name),
            texts.TOKEN_REVOKE_TEXT,
            texts.TOKEN_REVOKE,
            revoke,
        )

    async def _again(self) -> None:
        self.found = await self.visit.ask(self.store.of, self.me)
        self._draw_list()

    async def _create(self, given: dict[str, list[str]]) -> None:
        name = given.get("name", [""])[0].strip()
        if not name:
            self.name.error(texts.TOKEN_NAMELESS, focus=True)
            return
        self.name.error()
        days = given.get("days", ["0"])[0]
        expires = int(days) * _DAY if days.isdecimal() and int(days) else None
        scopes = [scope for scope in SCOPES if scope in given.get("scope", [])]
        try:
            plain = await self.visit.ask(self.store.create, self.me, name, scopes, expires)
        except TellapartError as error:
            self.notice.fail(error)
            return
        self.notice.hide()
        self._show(plain)
        await self._again()

    def _show(self, plain: str) -> None:
        self.shown.clear()
        with self.shown, tag("div", classes="notice good"):
            tag("strong", texts.TOKEN_ONCE)
            with tag("div", classes="row"):
                tag("code", plain, classes="secret")
                copied = json.dumps(texts.COPIED)
                copy = button(texts.COPY)
                copy.on(
                    "click",
                    js_handler=f"async (e) => {{ const it = e.currentTarget; if (await "
                    f"tellapart.copy({json.dumps(plain)})) it.textContent = {copied}; }}",
                )
        ui.run_javascript(f"tellapart.focus('{copy.html_id}')")
