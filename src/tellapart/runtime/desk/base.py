"""What all parts of a desk share: the account, its settings, the database, its projects."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tellapart.project import Project
from tellapart.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from tellapart.accounts import Account, Accounts
    from tellapart.mail import Outbox
    from tellapart.runtime import Runs
    from tellapart.runtime.residents import Residents


class Base:
    """One account at one server. Methods block (database, files): faces call them in threads.

    Every method looks only into what belongs to `account`: what is another's is not found.
    """

    def __init__(
        self,
        account: Account,
        settings: Settings,
        engine: Engine,
        runs: Runs,
        accounts: Accounts,
        *,
        residents: Residents | None = None,
        outbox: Outbox | None = None,
    ) -> None:
        self.account = account
        #: With the account as `owner`: whatever opens projects by them opens this account's.
        self.settings = replace(settings, owner=account.id)
        self.engine = engine
        self._runs = runs
        self._accounts = accounts
        self._residents = residents
        self._outbox = outbox

    @property
    def single_user(self) -> bool:
        """Whether this is the one person at their own machine, who needs no log-in."""
        return not self.account.id

    def open(self, project: str) -> Project:
        """The account's project of that name, on the server's own engine: do not close it.

        Raises `NotFoundError`, whether there is none or it is another's.
        """
        return Project(project, self.settings, self.engine)

    @property
    def uploads(self) -> Path:
        """Where this account's uploads are unpacked: data of recipes may lie below it."""
        home = self.settings.home
        return (
            home / "accounts" / self.account.id / "uploads"
            if self.account.id
            else (home / "uploads")
        )
