"""What is not to come back: keyed digests alone, which tell nothing without the server's key."""

from __future__ import annotations

import sqlalchemy as sa

from tellapart.store.metadata import metadata

#: `owner` `*`: for everybody; else for one account (empty: the single user).
forgotten = sa.Table(
    "forgotten",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("owner", sa.String(24), primary_key=True),
    #: `sha256`, `url`, `creator` or `candidate`.
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("at", sa.Text, nullable=False),
)
