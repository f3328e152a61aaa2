"""Which workers live. Each has a row that it renews and a lock that only its process holds.

A worker elsewhere is dead when another one, which renews its own row, has seen that row unchanged
for a lease; one of the same running system at once, when the operating system has let go of its
lock. No clock is asked: after a machine's sleep, a clock set anew or a time without the database
nobody takes the living for dead.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tellapart.errors import BusyError, TellapartError
from tellapart.runtime import queue
from tellapart.runtime.shapes import now
from tellapart.settings import Settings
from tellapart.store import database
from tellapart.store.lock import project_lock
from tellapart.store.schema_runs import run_workers, runs

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
        #: When this worker last renewed its row; each other one's row, and since when it is so.
        self._renewed = 0.0
        self._watched: dict[str, tuple[float, float]] = {}

    def begin(self) -> None:
        """Be there. Raises `StorageError`."""
        self._held.enter_context(project_lock(self._folder / self.id))
        with database.writing(self._engine) as connection:
            seen = queue.clock(connection)
            connection.execute(run_workers.insert().values(**self._row, seen=seen))
        self._renewed = time.monotonic()

    def renew(self) -> bool:
        """Say that this worker lives; False: others have taken it for dead."""
        with database.writing(self._engine) as connection:
            seen = queue.clock(connection)
            done = connection.execute(
                run_workers.update().where(_w.id == self.id).values(seen=seen)
            )
        self._renewed = time.monotonic()
        return bool(done.rowcount)

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
            others = connection.execute(
                sa.select(_w.id, _w.place, _w.seen).where(_w.id != self.id)
            ).all()
            named = sa.select(_w.id).where(_w.id == runs.c.worker)
            lone = sa.select(runs.c.worker).where(runs.c.state == "running", ~named.exists())
            nobodys = connection.scalars(lone.distinct()).all()
        silent = self._silent(others)
        dead = [row for row in others if row.id in silent or self._gone(row)]
        found = {}
        why = "its worker is gone"
        for row in dead:
            unchanged = (_w.id == row.id) & (_w.seen == row.seen)
            with queue.changing_hands(self._engine) as connection:
                gone = connection.execute(run_workers.delete().where(unchanged))
                if not gone.rowcount:  # another one was quicker, or it lives
                    continue
                found[row.id] = queue.give_back(connection, row.id, why, died=True)
            shutil.rmtree(self._folder / row.id, ignore_errors=True)
        for worker in nobodys:  # of a worker that had been buried before it took the run
            with queue.changing_hands(self._engine) as connection:
                if connection.scalar(sa.select(_w.id).where(_w.id == worker)) is None:
                    found[worker] = queue.give_back(connection, worker, why, died=True)
        return found

    def _silent(self, others: Sequence[Any]) -> set[str]:
        """Whose row has not changed for a lease, while this worker could renew its own."""
        now = time.monotonic()
        before = self._watched if now - self._renewed < queue.LEASE_S / 2 else {}
        self._watched = {}
        for row in others:
            seen, since = before.get(row.id, (row.seen, now))
            self._watched[row.id] = (row.seen, since if seen == row.seen else now)
        return {id for id, (_, since) in self._watched.items() if now - since >= queue.LEASE_S}

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
