"""Which workers live. Each has a row that it renews and a lock that only its process holds.

A worker elsewhere is dead when its row has not been renewed for a lease; one of the same running
system at once, when the operating system has let go of its lock.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import uuid
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tellapart.errors import BusyError, TellapartError
from tellapart.runtime import queue
from tellapart.runtime.shapes import now
from tellapart.settings import Settings
from tellapart.store import database
from tellapart.store.lock import project_lock
from tellapart.store.schema_runs import run_workers

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_w = run_workers.c


def place() -> str:
    """Names the running system, the same in its containers; files' locks hold within it."""
    with contextlib.suppress(OSError):
        return _BOOT.read_text(encoding="ascii").strip()
    return f"{uuid.getnode():x}"


class Presence:
    """One worker's row and lock. Its id is never used again: a new process is a new worker."""

    def __init__(self, engine: sa.Engine, settings: Settings, at_once: int) -> None:
        host = "".join(c for c in socket.gethostname().lower() if c.isalnum() or c == "-")[:24]
        self.id = f"w_{host or 'host'}_{os.getpid()}_{secrets.token_hex(4)}"
        self._engine = engine
        self._folder = settings.home / "workers"
        self._row = {
            "id": self.id,
            "host": socket.gethostname(),
            "place": place(),
            "pid": os.getpid(),
            "at_once": at_once,
            "started_at": now(),
        }
        self._held = contextlib.ExitStack()

    def begin(self) -> None:
        """Be there. Raises `StorageError`."""
        self._held.enter_context(project_lock(self._folder / self.id))
        self.renew()

    def renew(self) -> None:
        """Say that this worker lives."""
        with database.writing(self._engine) as connection:
            seen = queue.clock(connection)
            done = connection.execute(
                run_workers.update().where(_w.id == self.id).values(seen=seen)
            )
            if not done.rowcount:
                connection.execute(run_workers.insert().values(**self._row, seen=seen))

    def end(self, why: str = "its worker was stopped") -> None:
        """Go, and leave what was under way to others."""
        with queue.changing_hands(self._engine) as connection:
            queue.give_back(connection, self.id, why, died=False)
            connection.execute(run_workers.delete().where(_w.id == self.id))
        self._held.close()
        shutil.rmtree(self._folder / self.id, ignore_errors=True)

    def bury(self) -> dict[str, list[str]]:
        """Take away what dead workers had under way; its runs' ids by worker."""
        with database.reading(self._engine) as connection:
            late = _w.seen <= queue.clock(connection) - queue.LEASE_S
            others = connection.execute(
                sa.select(_w.id, _w.place, late.label("late")).where(_w.id != self.id)
            ).all()
        dead = [row.id for row in others if row.late or self._gone(row)]
        found = {}
        for one in dead:
            with queue.changing_hands(self._engine) as connection:
                gone = connection.execute(run_workers.delete().where(_w.id == one))
                if gone.rowcount:  # else another one was quicker
                    why = "its worker is gone"
                    found[one] = queue.give_back(connection, one, why, died=True)
            shutil.rmtree(self._folder / one, ignore_errors=True)
        return found

    def _gone(self, row: Any) -> bool:
        """Whether the system has let go of the lock of a worker of this running system."""
        folder = self._folder / row.id
        if row.place != self._row["place"] or not folder.is_dir():
            return False
        try:
            with project_lock(folder):
                return True
        except BusyError:
            return False
        except TellapartError:  # what cannot be tried is told by the lease
            return False
