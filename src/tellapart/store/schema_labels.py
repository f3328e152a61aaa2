"""What rules say of pictures: derived from folders and measurements, and made anew with them."""

from __future__ import annotations

import sqlalchemy as sa

from tellapart.store.metadata import metadata, text

#: A person's own word shows in `pictures.label` being another one than this.
rule_labels = sa.Table(
    "rule_labels",
    metadata,
    sa.Column(
        "picture_id",
        sa.String(16),
        sa.ForeignKey("pictures.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    #: Empty: left out.
    text("label"),
    #: The rule that decided, one word.
    sa.Column("rule", sa.String(24), nullable=False),
    #: The older catalog's status code of what was seen.
    sa.Column("code", sa.Integer, nullable=False, server_default="-2"),
)
