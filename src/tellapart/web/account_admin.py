"""For admins: who has an account here, and whether anybody may make one."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui.events import GenericEventArguments

from tellapart.accounts import Account
from tellapart.errors import TellapartError
from tellapart.web import texts
from tellapart.web.elements import Notice, button, tag
from tellapart.web.visit import Visit


def people(visit: Visit, me: Account, everybody: Sequence[Account]) -> None:
    """The list of accounts, and the switch for signing up."""
    accounts = visit.house.desks.accounts
    notice = Notice(urgent=True)

    async def turn(event: GenericEventArguments) -> None:
        try:
            await visit.ask(accounts.open_sign_up, bool(event.args))
        except TellapartError as error:
            notice.fail(error)

    with tag("label", classes="check"):
        switch = tag("input", type="checkbox")
        switch.props["defaultChecked"] = accounts.sign_up_open
        switch.on("change", turn, js_handler="(e) => emit(e.target.checked)")
        tag("span", texts.SIGN_UP_OPEN)
    with tag("ul", classes="runs"):
        for account in everybody:
            _person(visit, me, account, notice)


def _person(visit: Visit, me: Account, account: Account, notice: Notice) -> None:
    closed = account.closed
    with tag("li", classes="row between token"):
        with tag("span"):
            tag("b", account.name)
            parts = [account.email, texts.ROLES[account.role]]
            if not account.confirmed:
                parts.append(texts.UNCONFIRMED)
            tag("span", " · ".join(part for part in parts if part), classes="small quiet")
        if account.id == me.id:
            return
        if not account.confirmed:
            _vouch(visit, account, notice)
        change = button(texts.LET_IN if closed else texts.LOCK_OUT)

        async def turn() -> None:
            nonlocal closed
            try:
                await visit.ask(visit.house.desks.accounts.set_closed, account, not closed)
            except TellapartError as error:
                notice.fail(error)
                return
            closed = not closed
            change.text = texts.LET_IN if closed else texts.LOCK_OUT

        change.on("click", turn, args=[])


def _vouch(visit: Visit, account: Account, notice: Notice) -> None:
    """A button that lets somebody in whose address no mail has confirmed."""
    label = texts.VOUCH_NAMED.format(name=account.name)
    press = button(texts.VOUCH, aria_label=label)

    async def vouch() -> None:
        try:
            await visit.ask(visit.house.desks.accounts.confirm_by_hand, account)
        except TellapartError as error:
            notice.fail(error)
            return
        press.classes(add="hidden")
        notice.say(texts.VOUCHED.format(name=account.name), kind="good", focus=True)

    press.on("click", vouch, args=[])
