"""What people did to pictures and thresholds, act by act, so that each can be undone."""

from __future__ import annotations

import sqlalchemy as sa

from tellapart.store.metadata import metadata, text

acts = sa.Table(
    "acts",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column(
        "project_id", sa.Integer, sa.ForeignKey("projects.id", ondelete="CASCADE"), nullable=False
    ),
    #: From 1, by project.
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("verb", sa.String(16), nullable=False),
    text("note"),
    #: Empty: in force.
    text("undone_at"),
    sa.UniqueConstraint("project_id", "number"),
)

#: One row for everything that an act changed. What is forgotten goes out of all acts.
act_changes = sa.Table(
    "act_changes",
    metadata,
    sa.Column("act_id", sa.Integer, sa.ForeignKey("acts.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
    #: None: a threshold.
    sa.Column("picture_id", sa.String(16), sa.ForeignKey("pictures.id", ondelete="CASCADE")),
    #: `word` (keep, drop or empty), `label`, or the threshold's name.
    sa.Column("field", sa.String(64), nullable=False),
    text("before"),
    text("after"),
    sa.Index("ix_act_changes_picture_id", "picture_id"),
)
