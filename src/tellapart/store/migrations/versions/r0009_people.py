"""Who is to be seen in pictures, apart from all other measurements."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "people",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("models", sa.String(64), nullable=False),
        sa.Column("faces", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", "models", name=op.f("pk_people")),
    )
