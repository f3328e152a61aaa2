"""The account itself: what it uses, its data, its end; and whether the house stands."""

from __future__ import annotations

from collections.abc import Iterator

from tellapart.runtime.desk.base import Base
from tellapart.runtime.desk.shapes import Health, Usage


class Me(Base):
    """Mine to see, take along and delete."""

    def usage(self) -> Usage:
        """What the account uses of its quota (disk: measured at most once a minute)."""
        raise NotImplementedError

    def export(self) -> Iterator[bytes]:
        """Everything held about the account as a zip, streamed: account, tokens' names, recipes,
        ledgers, runs, versions' bundles."""
        raise NotImplementedError

    def delete_me(self, password: str) -> None:
        """Delete the account with all its projects, runs and files. Raises `RequestError` (403)
        for a wrong password, `BusyError` while a run cannot be ended."""
        raise NotImplementedError

    def health(self) -> Health:
        """Disk, workers, queue and mail, in words for a banner."""
        raise NotImplementedError
