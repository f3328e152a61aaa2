"""Pictures in the order of their places without sorting them: lists of hundreds of thousands."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    place = ["project_id", "label", "position", "rank", "id"]
    op.create_index("ix_pictures_place", "pictures", place)
    # The new one begins with the same columns.
    op.drop_index("ix_pictures_project_id_label", "pictures")
