"""Accounts and what hangs on them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_ID = sa.String(24)


def upgrade() -> None:
    """Make the tables of `schema_accounts`."""
    _people()
    _server()
    _mails()


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default="", nullable=False)


def _needed(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _of_account(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["account_id"],
        ["accounts.id"],
        name=op.f(f"fk_{table}_account_id_accounts"),
        ondelete="CASCADE",
    )


def _people() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", _ID, nullable=False),
        *_needed("name", "name_key", "email", "email_key"),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False),
        _text("password"),
        sa.Column("quota", sa.JSON()),
        *_needed("created_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("name_key", name=op.f("uq_accounts_name_key")),
        sa.UniqueConstraint("email_key", name=op.f("uq_accounts_email_key")),
    )
    op.create_table(
        "sessions",
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("account_id", _ID, nullable=False),
        *_needed("created_at", "used_at", "expires_at"),
        _of_account("sessions"),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_account_id"), "sessions", ["account_id"])
    op.create_table(
        "tokens",
        sa.Column("id", _ID, nullable=False),
        sa.Column("account_id", _ID, nullable=False),
        *_needed("name"),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("hint", sa.String(8), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        *_needed("created_at"),
        _text("expires_at"),
        _text("used_at"),
        _of_account("tokens"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("hash", name=op.f("uq_tokens_hash")),
    )
    op.create_index(op.f("ix_tokens_account_id"), "tokens", ["account_id"])


def _server() -> None:
    op.create_table(
        "credentials",
        sa.Column("account_id", _ID, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        *_needed("changed_at"),
        sa.PrimaryKeyConstraint("account_id", "name", name=op.f("pk_credentials")),
    )
    op.create_table(
        "account_settings",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_account_settings")),
    )
    op.create_table(
        "attempts",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
        sa.Column("forget", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_attempts")),
    )


def _mails() -> None:
    op.create_table(
        "outbox",
        sa.Column("key", sa.String(128), nullable=False),
        sa.Column("owner", _ID, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("purpose", sa.String(16), nullable=False),
        *_needed("recipient"),
        _text("body"),
        _text("attachment"),
        sa.Column("state", sa.String(16), nullable=False),
        _text("reason"),
        sa.Column("tries", sa.Integer(), nullable=False),
        *_needed("created_at"),
        _text("sent_at"),
        sa.Column("due", sa.Float(), nullable=False),
        sa.Column("lease", sa.Float(), nullable=False),
        _text("holder"),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_outbox")),
    )
    op.create_index(op.f("ix_outbox_owner"), "outbox", ["owner"])
    op.create_index("ix_outbox_state_due", "outbox", ["state", "due"])
    op.create_index("ix_outbox_created_at", "outbox", ["created_at"])
