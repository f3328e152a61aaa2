"""Who is to be seen in pictures: measured, derived, and to be dropped at any time.

Apart from all other measurements, so that no bundle, export, log or backup of figures takes it
along by the way. Nothing of candidates of a deck is written here (docs/people.md).
"""

from __future__ import annotations

import sqlalchemy as sa

from tellapart.store.metadata import metadata

people = sa.Table(
    "people",
    metadata,
    sa.Column("sha256", sa.String(64), primary_key=True),
    #: The models that measured, and the version of our code.
    sa.Column("models", sa.String(64), primary_key=True),
    #: One object a face: where it is, how sure, how turned, what was estimated.
    sa.Column("faces", sa.JSON, nullable=False),
)
