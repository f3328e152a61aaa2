"""What every place is told: what to forget, where, and what came of it so far."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import sqlalchemy as sa

from tellapart.forgetting.certificate import Withdrawn
from tellapart.forgetting.searching import Search
from tellapart.forgetting.traces import Traces
from tellapart.settings import Settings
from tellapart.store import database


@dataclass
class Order:
    """One act of forgetting on its way."""

    settings: Settings
    engine: sa.Engine
    traces: Traces
    withdrawn: list[Withdrawn] = field(default_factory=list)
    begin_anew: set[str] = field(default_factory=set)
    #: What cannot be reached, and what a person is to do.
    notes: list[str] = field(default_factory=list)
    watch: Callable[[str], None] = lambda place: None

    @cached_property
    def search(self) -> Search:
        """Looks for the texts by which it is known."""
        return Search([text.encode("utf-8", "surrogatepass") for text in self.traces.needles()])

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One transaction whose deleted rows are overwritten."""
        with database.writing(self.engine) as connection:
            if self.engine.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA secure_delete=ON")
            yield connection

    def folder(self, owner: str) -> Path:
        """What belongs to one owner alone."""
        return replace(self.settings, owner=owner).owner_dir

    def project(self, owner: str, name: str) -> Path:
        """A project's folder."""
        return replace(self.settings, owner=owner).projects_dir / name
