"""What every table is registered with, and the columns several of them share."""

from __future__ import annotations

import sqlalchemy as sa

#: Constraints get predictable names, so that a later migration can drop them by name.
metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def text(name: str) -> sa.Column[str]:
    """A text that is empty where it is not known."""
    return sa.Column(name, sa.Text, nullable=False, server_default="")
