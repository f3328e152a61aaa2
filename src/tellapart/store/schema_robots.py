"""Whose robots.txt was left aside, because the user named the host."""

from __future__ import annotations

import sqlalchemy as sa

from tellapart.store.metadata import metadata

#: A row stays when the recipe names the host no longer: what was fetched was fetched so.
robots_ignored = sa.Table(
    "robots_ignored",
    metadata,
    sa.Column(
        "project_id",
        sa.Integer,
        sa.ForeignKey("projects.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column("host", sa.Text, primary_key=True),
    #: When a run did so first, and last.
    sa.Column("first_at", sa.Text, nullable=False),
    sa.Column("last_at", sa.Text, nullable=False),
)
