"""What rules say of pictures, and what is not to come back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "rule_labels",
        sa.Column("picture_id", sa.String(16), nullable=False),
        sa.Column("label", sa.Text(), server_default="", nullable=False),
        sa.Column("rule", sa.String(24), nullable=False),
        sa.Column("code", sa.Integer(), server_default="-2", nullable=False),
        sa.ForeignKeyConstraint(
            ["picture_id"],
            ["pictures.id"],
            name=op.f("fk_rule_labels_picture_id_pictures"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("picture_id", name=op.f("pk_rule_labels")),
    )
    op.create_table(
        "forgotten",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(24), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest", "owner", name=op.f("pk_forgotten")),
    )
