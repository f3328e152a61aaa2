"""How the sources of pictures are: kept for the whole machine, whoever asked them.

Names, times and one word alone: what was searched for is its project's, and is not kept here.
"""

from __future__ import annotations

import sqlalchemy as sa

from tellapart.store.metadata import metadata, text

source_states = sa.Table(
    "source_states",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    #: When it last answered at all, and when its answer last held a picture that could be read.
    text("answered_at"),
    text("found_at"),
    text("failed_at"),
    #: Why it failed last, one word; empty where it has answered since.
    text("reason"),
    #: Failures in a row.
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    #: It is not asked before, as long as others can be.
    text("rests_until"),
)
