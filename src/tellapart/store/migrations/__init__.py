"""The database's revisions, oldest first.

A change of a `schema*.py` comes with a new file in `versions/` and its name here. The list lets the
usual case, a database that is up to date, be told without importing Alembic.
"""

from __future__ import annotations

REVISIONS = (
    *("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010"),
    *("0011", "0012", "0013"),
)
HEAD = REVISIONS[-1]
