"""Durable runs, their events and workers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default="", nullable=False)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), server_default="0", nullable=False)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), server_default=sa.false(), nullable=False)


def upgrade() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.String(22), nullable=False),
        _text("owner"),
        _text("project"),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("upto", sa.String(16), nullable=False),
        sa.Column("key", sa.Text()),
        sa.Column("recipe", sa.JSON(), nullable=False),
        sa.Column("notify", sa.JSON(), nullable=False),
        _text("test_picture"),
        _count("at_once"),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("steps", sa.JSON(), nullable=False),
        _text("created_at"),
        _text("started_at"),
        _text("ended_at"),
        sa.Column("error", sa.JSON()),
        sa.Column("result", sa.JSON()),
        sa.Column("verdict", sa.JSON()),
        _text("mail"),
        _text("worker"),
        _count("attempt"),
        _count("cuts"),
        _flag("cut"),
        _count("retries"),
        _flag("retried"),
        _flag("cancel_asked"),
        _flag("stop_asked"),
        _flag("forget"),
        _count("last_seq"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
        sa.UniqueConstraint("owner", "key", name=op.f("uq_runs_owner_key")),
    )
    op.create_index("ix_runs_state", "runs", ["state"])
    op.create_index("ix_runs_owner_project", "runs", ["owner", "project"])
    op.create_table(
        "run_events",
        sa.Column("run_id", sa.String(22), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        _text("at"),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("step", sa.String(16), server_default="", nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name=op.f("fk_run_events_run_id_runs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "seq", name=op.f("pk_run_events")),
    )
    op.create_table(
        "run_workers",
        sa.Column("id", sa.String(64), nullable=False),
        _text("host"),
        _text("place"),
        sa.Column("pid", sa.Integer(), nullable=False),
        _count("at_once"),
        _text("started_at"),
        sa.Column("seen", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_workers")),
    )
