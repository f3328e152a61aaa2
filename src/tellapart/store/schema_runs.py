"""Queued and finished runs, their events and the workers that walk them.

The table `runs` is the queue. Times are UTC, ISO 8601, to the millisecond; `run_workers.seen` alone
is seconds of the database's own clock, so that machines with different clocks agree on it.
"""

from __future__ import annotations

import sqlalchemy as sa

from tellapart.store.metadata import metadata, text


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False, server_default=sa.false())


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, server_default="0")


def _facts(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.JSON(none_as_null=True))


runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.String(22), primary_key=True),
    text("owner"),
    text("project"),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("upto", sa.String(16), nullable=False),
    #: The asker's own name for the request: asked twice is queued once.
    sa.Column("key", sa.Text),
    sa.Column("recipe", sa.JSON, nullable=False),
    sa.Column("notify", sa.JSON, nullable=False),
    #: `file` (it lies in the run's folder), a URL, or empty.
    text("test_picture"),
    #: How many of the owner's runs may be walked at once; 0: as many as there are workers.
    _count("at_once"),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("steps", sa.JSON, nullable=False),
    text("created_at"),
    text("started_at"),
    text("ended_at"),
    _facts("error"),
    _facts("result"),
    _facts("verdict"),
    #: Key of the message in the outbox, empty where none was put there.
    text("mail"),
    text("worker"),
    _count("attempt"),
    #: How often it was cut off since a step was last finished.
    _count("cuts"),
    #: Taken back from a worker that is gone: goes on before those that have not begun.
    _flag("cut"),
    #: How often it was asked for again, and whether that is still to be done.
    _count("retries"),
    _flag("retried"),
    _flag("cancel_asked"),
    _flag("stop_asked"),
    #: To be deleted as soon as nobody works on it.
    _flag("forget"),
    _count("last_seq"),
    sa.UniqueConstraint("owner", "key"),
    sa.Index("ix_runs_state", "state"),
    sa.Index("ix_runs_owner_project", "owner", "project"),
)

run_events = sa.Table(
    "run_events",
    metadata,
    sa.Column(
        "run_id", sa.String(22), sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    text("at"),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("step", sa.String(16), nullable=False, server_default=""),
    sa.Column("data", sa.JSON, nullable=False),
)

run_workers = sa.Table(
    "run_workers",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    text("host"),
    #: The running system it is part of: only there can its lock be tried.
    text("place"),
    sa.Column("pid", sa.Integer, nullable=False),
    _count("at_once"),
    text("started_at"),
    sa.Column("seen", sa.Float, nullable=False),
)
