"""Who comes in: from a request's cookie or token to an account, and to its desk.

Faces share it: REST in a dependency, pages from `request.state.visitor`, which REST's middleware
sets for every request and websocket of the server.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tellapart.runtime.desk import Desk
from tellapart.runtime.desk.memory import Memory
from tellapart.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from tellapart.accounts import Account, Accounts
    from tellapart.mail import Outbox
    from tellapart.runtime import Runs
    from tellapart.runtime.residents import Residents

#: What a person who has logged in may do; admins also `admin`.
_OF_SESSIONS = frozenset(("read", "write", "predict"))


@dataclass(frozen=True)
class Access:
    """How the server is reached: decided once by whoever starts it."""

    #: Values of `Host` (with port) that are answered, lower case; others are refused (DNS
    #: rebinding). Empty: any, for tests only.
    hosts: frozenset[str] = frozenset()
    #: Whether requests come over TLS (a proxy's): cookies are then sent over TLS only.
    secure: bool = False
    #: Whether `X-Forwarded-For` and `-Proto` of the peer are believed.
    behind_proxy: bool = False

    @property
    def cookie(self) -> str:
        """The name of the session's cookie."""
        from tellapart.accounts.entry import cookie_name

        return cookie_name(self.secure)


@dataclass(frozen=True)
class Visitor:
    """Who sent a request. `account` None: nobody known."""

    account: Account | None = None
    #: `read`, `write`, `predict`, `admin`; a session has all that its role allows.
    scopes: frozenset[str] = frozenset()
    #: `single`, `session`, `token` or `` for nobody.
    via: str = ""
    #: To be sent back with unsafe requests of a session; empty where none is needed.
    csrf: str = field(default="", repr=False)
    #: What is counted for the rate: the account's id, else where they come from.
    key: str = ""


class Desks:
    """Makes desks for accounts, out of what the server holds once."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        runs: Runs,
        accounts: Accounts,
        *,
        residents: Residents | None = None,
        outbox: Outbox | None = None,
    ) -> None:
        self.settings = settings
        self.engine = engine
        self.runs = runs
        self.accounts = accounts
        self.residents = residents
        self.outbox = outbox
        self.memory = Memory(apart=True)

    def of(self, account: Account) -> Desk:
        """The desk of one account: cheap, made for each request."""
        return Desk(
            account,
            self.settings,
            self.engine,
            self.runs,
            self.accounts,
            residents=self.residents,
            outbox=self.outbox,
            memory=self.memory,
        )

    def visitor(self, *, cookie: str = "", bearer: str = "", address: str = "") -> Visitor:
        """Who brings this session cookie or bearer token; blocks (database).

        In single-user mode everybody who gets through to the server is its one user. A bearer
        token that is not (or no longer) good makes nobody of who brings it, cookie or not.
        """
        if self.accounts.single_user:
            from tellapart.accounts import LOCAL

            return Visitor(LOCAL, _OF_SESSIONS | {"admin"}, "single", key="you")
        if bearer:
            found = self.accounts.tokens.check(bearer)
            if found is None:
                return Visitor(key=_stranger(address))
            account, scopes = found
            return Visitor(account, frozenset(scopes), "token", key=account.id)
        csrf = self.accounts.csrf(cookie)
        known = self.accounts.session(cookie) if cookie else None
        if known is None:
            return Visitor(csrf=csrf, key=_stranger(address))
        rights = _OF_SESSIONS | ({"admin"} if known.is_admin else frozenset())
        return Visitor(known, rights, "session", csrf, known.id)

    def close(self) -> None:
        """End what runs beside the desks."""
        self.memory.close()


def _stranger(address: str) -> str:
    """The key of somebody unknown: never an account's, whatever a proxy says of the address."""
    from tellapart.accounts.limits import network

    return f"at {network(address)}"
