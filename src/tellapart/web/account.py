"""The account: who I am, what I use, tokens for programs, mail, my data."""

from __future__ import annotations

from contextlib import AbstractContextManager

from nicegui import ui

from tellapart.accounts import Account
from tellapart.errors import TellapartError
from tellapart.runtime.desk.shapes import Usage
from tellapart.web import shell, texts
from tellapart.web.account_admin import people
from tellapart.web.account_tokens import Tokens
from tellapart.web.elements import (
    Dialog,
    Field,
    Notice,
    ask_form,
    button,
    link,
    new_id,
    said,
    tag,
)
from tellapart.web.visit import House, Visit

_ME = "/api/v1/me"


def register(house: House) -> None:
    """Make the page of this module."""

    @house.page("/account")
    async def account(visit: Visit) -> None:
        me = visit.visitor.account
        assert me is not None  # the page is not open to all
        usage = await visit.ask(visit.desk.usage)
        tokens = None if visit.single_user else await Tokens.of(visit, me)
        secret = await visit.ask(house.desks.accounts.webhook_secret, me)
        everybody = await _everybody(visit, me)
        with shell.page(visit, texts.ACCOUNT, here="account"):
            _title(visit, me)
            with tag("div", classes="settings"):
                if not visit.single_user:
                    with section(texts.WHO):
                        _who(visit, me)
                with section(texts.USE):
                    _use(me, usage)
                if tokens is not None:
                    with section(texts.TOKENS, texts.TOKENS_LEAD):
                        tokens.draw()
                with section(texts.MAIL, texts.MAIL_LEAD):
                    _mail(visit, me, secret)
                with section(texts.DATA):
                    _data(visit)
                if everybody:
                    with section(texts.PEOPLE, texts.PEOPLE_LEAD):
                        people(visit, me, everybody)


async def _everybody(visit: Visit, me: Account) -> list[Account]:
    if visit.single_user or not me.is_admin:
        return []
    found: list[Account] = await visit.ask(visit.house.desks.accounts.all)
    return found


def section(title: str, lead: str = "") -> AbstractContextManager[ui.element]:
    """A part of the page: its title at the left, what it holds at the right."""
    heading = new_id("section")
    part = tag("section", classes="setting", aria_labelledby=heading)
    with part, tag("div"):
        tag("h2", title, id=heading)
        if lead:
            tag("p", lead, classes="small quiet")
    with part:
        return tag("div", classes="stack")


def _title(visit: Visit, me: Account) -> None:
    with tag("div", classes="row between"):
        tag("h1", texts.ACCOUNT if visit.single_user else me.name)
        if not visit.single_user:
            with ask_form("DELETE /api/v1/sessions/current", next="/login"):
                said()
                tag("button", texts.LOG_OUT, classes="button", type="submit")
    if visit.single_user:
        tag("p", texts.SINGLE, classes="lead").style("margin-top: 1rem")


def _who(visit: Visit, me: Account) -> None:
    with tag("dl", classes="facts"):
        tag("dt", texts.EMAIL_YOURS)
        with tag("dd", classes="row"):
            tag("span", me.email)
            state = "done" if me.confirmed else "queued"
            tag(
                "span",
                texts.CONFIRMED if me.confirmed else texts.UNCONFIRMED,
                classes=f"tag {state}",
            )
        tag("dt", texts.ROLE)
        tag("dd", texts.ROLES[me.role])
    done = Notice()

    def say(text: str) -> None:
        done.say(text, kind="good", focus=True)

    if not me.confirmed and visit.house.desks.accounts.mails:

        async def again() -> None:
            try:
                await visit.ask(visit.house.desks.accounts.send_confirmation, me)
                say(texts.CONFIRM_SENT)
            except TellapartError as error:
                done.fail(error)

        button(texts.CONFIRM_AGAIN, again).style("align-self: flex-start")
    with tag("details"):
        tag("summary", texts.PASSWORD_CHANGE)
        with ask_form(f"PUT {_ME}/password", next="/account"):
            _password(texts.PASSWORD_NOW, "password", "current-password")
            _password(texts.PASSWORD_NEW, "new", "new-password", texts.PASSWORD_HINT)
            _end(texts.PASSWORD_CHANGE)
    with tag("details"):
        tag("summary", texts.EMAIL_CHANGE)
        with ask_form(f"PUT {_ME}/email", on_answer=lambda: say(texts.EMAIL_CHANGE_SENT)):
            Field(texts.EMAIL_NEW, "email", kind="email", autocomplete="email")
            _password(texts.PASSWORD_NOW, "password", "current-password")
            _end(texts.EMAIL_CHANGE)


def _password(label: str, name: str, autocomplete: str, hint: str = "") -> None:
    Field(label, name, kind="password", autocomplete=autocomplete, hint=hint)


def _end(text: str, classes: str = "primary") -> None:
    said()
    tag("button", text, classes=f"button {classes}", type="submit").style("align-self: flex-start")


def _use(me: Account, usage: Usage) -> None:
    quota = me.quota
    rows: tuple[tuple[str, float, int | None], ...] = (
        (texts.USE_PROJECTS, usage.projects, None),
        (texts.USE_PICTURES, usage.pictures, quota.pictures),
        (texts.USE_RUNS, usage.runs_today, quota.runs_a_day),
        (texts.USE_DISK, round(usage.disk_mb), quota.disk_mb),
    )
    with tag("dl", classes="use"):
        for label, used, limit in rows:
            with tag("div"):
                tag("dt", label)
                with tag("dd"):
                    tag("span", f"{used:,.0f}" if limit is None else f"{used:,.0f} / {limit:,}")
                    if limit:
                        with tag("div", classes="bar", aria_hidden=True) as bar:
                            tag("i")
                        bar.style(f"--done: {min(used / limit, 1):.3f}")


def _mail(visit: Visit, me: Account, secret: str) -> None:
    if not visit.house.desks.settings.mail_url:
        tag("p", texts.NO_MAIL, classes="quiet")
    elif visit.single_user:
        tag("p", texts.MAIL_SINGLE, classes="quiet")
    else:
        text = texts.EMAIL_OWN.format(email=me.email) if me.confirmed else texts.EMAIL_NOT_CONFIRMED
        tag("p", text, classes="quiet")
    with tag("details"):
        tag("summary", texts.WEBHOOKS)
        with tag("div", classes="stack stack-s"):
            tag("p", texts.WEBHOOKS_LEAD, classes="small quiet")
            tag("code", secret, classes="secret")


def _data(visit: Visit) -> None:
    tag("p", texts.EXPORT_LEAD, classes="quiet")
    with tag("div", classes="row"):
        link(texts.EXPORT, f"{_ME}/export", classes="button", download=True)
        if not visit.single_user:
            sure = Dialog(texts.DELETE_ME_SURE)
            with sure.body:
                tag("p", texts.DELETE_ME_TEXT, classes="quiet")
                with ask_form(f"DELETE {_ME}", next="/login"):
                    _password(texts.PASSWORD_NOW, "password", "current-password")
                    said()
                    with tag("div", classes="row"):
                        tag("button", texts.DELETE_ME, classes="button danger", type="submit")
                        button(texts.NOT_NOW, sure.close, classes="plain")
            button(texts.DELETE_ME, sure.open, classes="danger")
