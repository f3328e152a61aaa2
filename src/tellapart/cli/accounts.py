"""`accounts …`: who may use a server, from its own terminal.

Whoever may run these may read the database anyway: they ask for no password.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

import tellapart
from tellapart.cli.console import emit, table, tell, write
from tellapart.cli.options import Json
from tellapart.errors import InputError

if TYPE_CHECKING:
    from tellapart.accounts import Account, Accounts

Who = Annotated[str, typer.Argument(metavar="NAME", help="An account's name or address.")]
WhoOrAll = Annotated[
    str | None, typer.Argument(metavar="[NAME]", help="One account's name or address.")
]
FromStdin = Annotated[
    bool,
    typer.Option("--password-stdin", help="Read the password from standard input; print no link."),
]


def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name to log in with.")],
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="The address; taken as right.")],
    admin: Annotated[
        bool, typer.Option("--admin", help="May look after the server and its accounts.")
    ] = False,
    password_stdin: FromStdin = False,
    json: Json = False,
) -> None:
    """Make an account, and print a link by which its owner chooses a password.

    The link works once, for an hour; `tellapart accounts reset` makes another one.
    """
    accounts = _accounts()
    password = _read() if password_stdin else ""
    account = accounts.add(name, email, role="admin" if admin else "user", password=password)
    _done(account, "" if password else accounts.reset_link(account), json)
    if accounts.count() == 1:
        tell("This is the first account: from the next start of `tellapart up`, everybody logs in.")


def list_(json: Json = False) -> None:
    """List the accounts, and say whether strangers may sign up."""
    accounts = _accounts()
    everybody, is_open = accounts.all(), accounts.sign_up_open
    if json:
        emit({"accounts": [each.to_dict() for each in everybody], "sign_up_open": is_open})
        return
    rows = [(each.name, each.email, each.role, _state(each), each.id) for each in everybody]
    write(table(rows, ("name", "address", "role", "state", "id")) if rows else "no accounts")
    tell(f"sign-up is {'open' if is_open else 'closed'}")


def reset(who: Who, password_stdin: FromStdin = False, json: Json = False) -> None:
    """Print a link by which an account's owner chooses a new password, once, within an hour.

    With --password-stdin the password is set here, and all sessions of the account end.
    """
    accounts = _accounts()
    account = accounts.find(who)
    if password_stdin:
        accounts.set_password(account, _read())
        _done(account, "", json)
    else:
        _done(account, accounts.reset_link(account), json)


def close(who: WhoOrAll = None, json: Json = False) -> None:
    """Let no stranger sign up any more; with NAME: let this account in no more.

    A closed account keeps its data; its sessions and tokens are worth nothing meanwhile.
    """
    _set_closed(who, True, json)


def open_(who: WhoOrAll = None, json: Json = False) -> None:
    """Let strangers sign up; with NAME: let this closed account in again."""
    _set_closed(who, False, json)


def confirm(who: Who, json: Json = False) -> None:
    """Take an account's address as right, where no mail can prove it."""
    accounts = _accounts()
    accounts.confirm_by_hand(accounts.find(who))
    _done(accounts.find(who), "", json)


def _accounts() -> Accounts:
    from tellapart.accounts import Accounts
    from tellapart.store.database import open_database

    settings = tellapart.Settings.from_env()
    return Accounts(open_database(settings), settings)


def _set_closed(who: str | None, closed: bool, json: bool) -> None:
    accounts = _accounts()
    if who is not None:
        accounts.set_closed(accounts.find(who), closed)
        _done(accounts.find(who), "", json)
        return
    accounts.open_sign_up(not closed)
    if json:
        emit({"sign_up_open": not closed})
    else:
        write(f"sign-up is {'closed' if closed else 'open'}")


def _done(account: Account, link: str, json: bool) -> None:
    if json:
        emit({"account": account.to_dict(), **({"link": link} if link else {})})
        return
    write(f"{account.name} ({account.email}, {account.role}): {_state(account)}")
    if link:
        write(link)


def _state(account: Account) -> str:
    if account.closed:
        return "closed"
    return "open" if account.confirmed else "waits for its address to be confirmed"


def _read() -> str:
    """One line of standard input: an argument would stand in the list of processes."""
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise InputError(
            "Standard input holds no password.",
            expected="the password on the first line",
            do="Give it: printf '%s\\n' \"$PASSWORD\" | tellapart accounts … --password-stdin",
        )
    return password
