"""A project belongs to an account; names are unique within one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    with op.batch_alter_table("projects") as projects:
        projects.add_column(sa.Column("owner", sa.Text, nullable=False, server_default=""))
        projects.drop_constraint("uq_projects_name", type_="unique")
        projects.create_unique_constraint("uq_projects_owner_name", ["owner", "name"])
