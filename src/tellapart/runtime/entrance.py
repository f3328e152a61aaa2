"""Who comes in: from a request's cookie or token to an account, and to its desk.

Faces share it: REST in a dependency, pages from `request.state.visitor`, which REST's middleware
sets for every request and websocket of the server.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tellapart.runtime.desk import Desk
from tellapart.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from tellapart.accounts import Account, Accounts
    from tellapart.mail import Outbox
    from tellapart.runtime import Runs
    from tellapart.runtime.residents import Residents

#: Name of the session's cookie; with the prefix where it is sent over TLS only.
COOKIE, SECURE_COOKIE = "tellapart", "__Host-tellapart"


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
        return SECURE_COOKIE if self.secure else COOKIE


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
    #: What is counted for the rate: the account's id, else the address.
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
        )

    def visitor(self, *, cookie: str = "", bearer: str = "", address: str = "") -> Visitor:
        """Who brings this session cookie or bearer token; blocks (database).

        In single-user mode everybody who gets through to the server is its one user.
        """
        raise NotImplementedError
