"""Accounts and what hangs on them."""

from __future__ import annotations

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the tables of `schema_accounts`."""
