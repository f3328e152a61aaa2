"""What all parts of a desk share: the account, its settings, the database, its projects."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Hashable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tellapart.catalog import Catalog
from tellapart.errors import BusyError
from tellapart.project import Project
from tellapart.runtime.desk.memory import Memory
from tellapart.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from tellapart.accounts import Account, Accounts
    from tellapart.mail import Outbox
    from tellapart.runtime import Runs
    from tellapart.runtime.residents import Residents

T = TypeVar("T")


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
        memory: Memory | None = None,
    ) -> None:
        self.account = account
        #: With the account as `owner`: whatever opens projects by them opens this account's.
        self.settings = replace(settings, owner=account.id)
        self.engine = engine
        self._runs = runs
        self._accounts = accounts
        self._residents = residents
        self._outbox = outbox
        self._memory = memory or Memory()

    @property
    def single_user(self) -> bool:
        """Whether this is the one person at their own machine, who needs no log-in."""
        return not self.account.id

    def open(self, project: str) -> Project:
        """The account's project of that name, on the server's own engine: do not close it.

        Raises `NotFoundError`, whether there is none or it is another's.
        """
        return Project(project, self.settings, self.engine)

    def catalog(self, project: str) -> Catalog:
        """The ledger of the account's project of that name. Raises `NotFoundError`."""
        return Catalog.open(self.engine, project, self.settings.owner)

    @property
    def uploads(self) -> Path:
        """Where this account's uploads are unpacked: data of recipes may lie below it."""
        return self.settings.owner_dir / "uploads"

    def _disk_bytes(self) -> int:
        """What lies on the disk for this account alone; measured at most once a minute."""
        folder = self.settings.projects_dir if self.single_user else self.settings.owner_dir
        return self._remember("", "disk", lambda: size_of(folder), 60.0)

    def _remember(
        self, project: str, what: Hashable, make: Callable[[], T], seconds: float = 1.0
    ) -> T:
        return self._memory.get((self.settings.owner, project), what, make, seconds)

    def _forget(self, project: str) -> None:
        """What was counted is not true any more: a person changed something."""
        self._memory.forget((self.settings.owner, project))
        # Some changes leave no time in the catalog (a class changed, a word taken back).
        with contextlib.suppress(OSError):
            self.mark(project).touch()

    def mark(self, project: str) -> Path:
        """Touched whenever a person changes the pictures or the recipe of a project."""
        return self.settings.projects_dir / project / "changed"


def when_free(do: Callable[[], object], seconds: float) -> None:
    """Do it once whatever was cancelled has let go: within moments. Raises `BusyError`."""
    until = time.monotonic() + seconds
    while True:
        try:
            do()
            return
        except BusyError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def size_of(folder: Path) -> int:
    """Bytes of all files below; of those that go meanwhile, nothing."""
    total, waiting = 0, [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total
