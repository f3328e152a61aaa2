"""Getting in: log in, sign up, and the pages that links in mails lead to.

The browser sends these forms to REST, which sets the session's cookie. A link alone does nothing,
for mail scanners follow links: its page has a button that does it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi.responses import RedirectResponse
from nicegui import ui

from tellapart.web import shell, texts
from tellapart.web.elements import Field, Notice, ask_form, link, said, tag
from tellapart.web.visit import House, Visit

_API = "/api/v1"


def register(house: House) -> None:
    """Make the pages of this module."""
    accounts = house.desks.accounts

    @house.page("/login", open_to_all=True)
    async def login(visit: Visit, next: str = "/") -> RedirectResponse | None:
        target = safe_target(next)
        if visit.visitor.account is not None:
            return RedirectResponse(target, status_code=303)
        sign_up = await visit.ask(lambda: accounts.sign_up_open)
        with _narrow(visit, texts.LOGIN):
            with ask_form(f"POST {_API}/sessions", next=target):
                Field(texts.LOGIN_NAME, "name", autocomplete="username", autocapitalize="none")
                _password(texts.PASSWORD, "password", new=False)
                _end(texts.LOGIN)
            with tag("div", classes="row between").style("margin-top: 1.5rem"):
                link(texts.FORGOT, "/forgot")
                if sign_up:
                    link(texts.SIGN_UP, "/signup")
        return None

    @house.page("/signup", open_to_all=True)
    async def sign_up(visit: Visit) -> None:
        is_open = await visit.ask(lambda: accounts.sign_up_open)
        with _narrow(visit, texts.SIGN_UP):
            if not is_open:
                tag("p", texts.SIGN_UP_CLOSED, classes="quiet")
                link(texts.LOGIN, "/login")
                return
            done = Notice()

            def answered() -> None:
                done.say(
                    texts.SIGN_UP_DONE if accounts.mails else texts.SIGN_UP_WAIT,
                    kind="good",
                    focus=True,
                )

            with ask_form(f"POST {_API}/accounts", on_answer=answered):
                _newcomer()
                _end(texts.SIGN_UP)

    @house.page("/forgot", open_to_all=True)
    async def forgot(visit: Visit) -> None:
        with _narrow(visit, texts.FORGOT):
            if not accounts.mails:
                tag("p", texts.FORGOT_NO_MAIL, classes="quiet")
                return
            tag("p", texts.FORGOT_LEAD, classes="quiet")
            done = Notice()

            def answered() -> None:
                done.say(texts.FORGOT_DONE, kind="good", focus=True)

            with ask_form(f"POST {_API}/accounts/forgot", on_answer=answered):
                Field(texts.LOGIN_NAME, "name", autocomplete="username", autocapitalize="none")
                _end(texts.FORGOT_SEND)

    @house.page("/confirm/{token}", open_to_all=True)
    async def confirm(visit: Visit, token: str) -> None:
        with _narrow(visit, texts.CONFIRM):
            tag("p", texts.CONFIRM_LEAD, classes="quiet")
            with ask_form(f"POST {_API}/accounts/confirm", next="/account"):
                _token(token)
                _password(texts.PASSWORD, "password", new=False)
                _end(texts.CONFIRM)

    @house.page("/reset/{token}", open_to_all=True)
    async def reset(visit: Visit, token: str) -> None:
        with (
            _narrow(visit, texts.RESET),
            ask_form(f"POST {_API}/accounts/reset", next="/"),
        ):
            _token(token)
            _password(texts.PASSWORD_NEW, "password", new=True)
            _end(texts.RESET)

    @house.page("/first/{token}", open_to_all=True)
    async def first(visit: Visit, token: str) -> None:
        with _narrow(visit, texts.FIRST):
            tag("p", texts.FIRST_LEAD, classes="quiet")
            with ask_form(f"POST {_API}/accounts/first", next="/"):
                _token(token)
                _newcomer()
                _end(texts.FIRST_DO)


def safe_target(next: str) -> str:
    """Where to go after the log-in: a page of ours, whatever a link says."""
    own = next.startswith("/") and not next.startswith(("//", "/\\"))
    return next if own and all(" " <= letter != "\x7f" for letter in next) else "/"


@contextmanager
def _narrow(visit: Visit, title: str) -> Iterator[None]:
    # The address holds a secret: no other site may be told it.
    ui.add_head_html('<meta name="referrer" content="no-referrer">')
    with shell.page(visit, title, here="login"), tag("div", classes="narrow stack"):
        tag("h1", title)
        yield


def _newcomer() -> None:
    Field(texts.NAME_YOURS, "name", hint=texts.NAME_YOURS_HINT, autocomplete="username")
    Field(texts.EMAIL_YOURS, "email", kind="email", autocomplete="email")
    _password(texts.PASSWORD, "password", new=True)


def _password(label: str, name: str, *, new: bool) -> None:
    Field(
        label,
        name,
        kind="password",
        hint=texts.PASSWORD_HINT if new else "",
        autocomplete="new-password" if new else "current-password",
    )


def _token(token: str) -> None:
    tag("input", type="hidden", name="token", value=token)


def _end(text: str) -> None:
    said()
    tag("button", text, classes="button primary large", type="submit").style(
        "align-self: flex-start; margin-top: .5rem"
    )
