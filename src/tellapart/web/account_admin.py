"""For admins: who has an account here, and whether anybody may make one."""

from __future__ import annotations

from collections.abc import Sequence

from tellapart.accounts import Account
from tellapart.errors import TellapartError
from tellapart.web import texts
from tellapart.web.elements import Notice, button, set_attribute, tag
from tellapart.web.visit import Visit


def people(visit: Visit, me: Account, everybody: Sequence[Account]) -> None:
    """The list of accounts, and the switch for signing up."""
    accounts = visit.house.desks.accounts
    notice = Notice(urgent=True)
    switch = button("", aria_pressed=accounts.sign_up_open)
    switch.style("align-self: flex-start")

    def label(is_open: bool) -> None:
        switch.text = texts.SIGN_UP_IS_OPEN if is_open else texts.SIGN_UP_IS_CLOSED
        set_attribute(switch, "aria_pressed", is_open)

    async def toggle() -> None:
        wanted = not await visit.ask(lambda: accounts.sign_up_open)
        try:
            await visit.ask(accounts.open_sign_up, wanted)
            label(wanted)
        except TellapartError as error:
            notice.fail(error)

    label(accounts.sign_up_open)
    switch.on("click", toggle, args=[])
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
