"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default="")


def _foreign(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], [f"{target}.id"], name=f"fk_{table}_{column}_{target}", ondelete="CASCADE"
    )


def upgrade() -> None:
    _owners()
    _derived()
    _history()


def _owners() -> None:
    op.create_table(
        "projects",
        sa.Column("id", sa.Integer),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("recipe", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_projects"),
        sa.UniqueConstraint("name", name="uq_projects_name"),
    )
    op.create_table(
        "pictures",
        sa.Column("id", sa.String(16)),
        sa.Column("project_id", sa.Integer, nullable=False),
        *[_text(name) for name in ("label", "source", "query")],
        sa.Column("rank", sa.Integer, nullable=False, server_default="0"),
        sa.Column("position", sa.Integer, nullable=False, server_default="0"),
        *[_text(name) for name in ("page_url", "file_url", "path", "creator", "title")],
        *[_text(name) for name in ("license", "license_version", "license_url", "attribution")],
        *[_text(name) for name in ("split_hint", "group_hint")],
        sa.Column("status", sa.String(16), nullable=False, server_default="pending"),
        _text("reason"),
        sa.Column("sha256", sa.String(64), nullable=False, server_default=""),
        sa.Column("bytes", sa.BigInteger),
        sa.Column("mtime_ns", sa.BigInteger),
        sa.Column("width", sa.Integer),
        sa.Column("height", sa.Integer),
        _text("fetched_at"),
        sa.PrimaryKeyConstraint("id", name="pk_pictures"),
        _foreign("pictures", "project_id", "projects"),
    )
    op.create_table(
        "searches",
        sa.Column("project_id", sa.Integer, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("query", sa.Text, nullable=False),
        sa.Column("reached", sa.Integer, nullable=False, server_default="0"),
        sa.Column("exhausted", sa.Boolean, nullable=False),
        _text("error"),
        sa.PrimaryKeyConstraint("project_id", "label", "source", "query", name="pk_searches"),
        _foreign("searches", "project_id", "projects"),
    )


def _derived() -> None:
    op.create_table(
        "measurements",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("analyzer", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("figures", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("sha256", "analyzer", name="pk_measurements"),
    )
    op.create_table(
        "scores",
        sa.Column("picture_id", sa.String(16), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("value", sa.Float, nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("picture_id", "name", name="pk_scores"),
        _foreign("scores", "picture_id", "pictures"),
    )
    for table, columns in {
        "verdicts": (
            sa.Column("kept", sa.Boolean, nullable=False),
            _text("reason"),
            sa.Column("detail", sa.JSON),
        ),
        "overrules": (
            sa.Column("kept", sa.Boolean, nullable=False),
            sa.Column("at", sa.Text, nullable=False),
        ),
        "splits": (sa.Column("split", sa.String(16), nullable=False), _text("group_id")),
    }.items():
        op.create_table(
            table,
            sa.Column("picture_id", sa.String(16), nullable=False),
            *columns,
            sa.PrimaryKeyConstraint("picture_id", name=f"pk_{table}"),
            _foreign(table, "picture_id", "pictures"),
        )


def _history() -> None:
    op.create_table(
        "steps",
        sa.Column("project_id", sa.Integer, nullable=False),
        sa.Column("step", sa.String(32), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("result", sa.JSON, nullable=False),
        sa.Column("finished_at", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("project_id", "step", name="pk_steps"),
        _foreign("steps", "project_id", "projects"),
    )
    op.create_table(
        "versions",
        sa.Column("project_id", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("file", sa.Text, nullable=False),
        sa.Column("metrics", sa.JSON, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("project_id", "version", name="pk_versions"),
        _foreign("versions", "project_id", "projects"),
    )
