"""Find a project's pictures, and a file's pictures, without reading the whole ledger."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_index("ix_pictures_project_id_label", "pictures", ["project_id", "label"])
    op.create_index("ix_pictures_sha256", "pictures", ["sha256"])
