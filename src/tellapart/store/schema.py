"""The tables. Portable SQLAlchemy Core: the same on SQLite and PostgreSQL.

Texts that are not known are empty, numbers that are not known are NULL. Times are UTC, ISO 8601,
to the second. What a user decided (`overrules`, a changed label) is kept apart from what the
program derived (`measurements`, `scores`, `verdicts`, `splits`), so that the latter may always be
derived again.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from tellapart.store.metadata import metadata
from tellapart.store.metadata import text as _text


def _project(**kwargs: bool) -> Column[int]:
    return Column(
        "project_id",
        Integer,
        ForeignKey("projects.id", ondelete="CASCADE"),
        nullable=False,
        **kwargs,  # type: ignore[arg-type]
    )


def _picture() -> Column[str]:
    return Column(
        "picture_id", String(16), ForeignKey("pictures.id", ondelete="CASCADE"), primary_key=True
    )


projects = Table(
    "projects",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("recipe", JSON, nullable=False),
    #: The account's id; empty for the single user of a computer.
    Column("owner", Text, nullable=False, server_default=""),
    UniqueConstraint("owner", "name"),
)

#: The ledger: one row for every picture offered, failures too.
pictures = Table(
    "pictures",
    metadata,
    Column("id", String(16), primary_key=True),
    _project(),
    _text("label"),
    _text("source"),
    _text("query"),
    Column("rank", Integer, nullable=False, server_default="0"),
    Column("position", Integer, nullable=False, server_default="0"),
    _text("page_url"),
    _text("file_url"),
    _text("path"),
    _text("creator"),
    _text("title"),
    _text("license"),
    _text("license_version"),
    _text("license_url"),
    _text("attribution"),
    _text("split_hint"),
    _text("group_hint"),
    Column("status", String(16), nullable=False, server_default="pending"),
    _text("reason"),
    Column("sha256", String(64), nullable=False, server_default=""),
    Column("bytes", BigInteger),
    Column("mtime_ns", BigInteger),
    Column("width", Integer),
    Column("height", Integer),
    _text("fetched_at"),
    Index("ix_pictures_place", "project_id", "label", "position", "rank", "id"),
    Index("ix_pictures_sha256", "sha256"),
)

searches = Table(
    "searches",
    metadata,
    _project(primary_key=True),
    Column("label", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("query", Text, primary_key=True),
    Column("reached", Integer, nullable=False, server_default="0"),
    Column("exhausted", Boolean, nullable=False),
    _text("error"),
)

#: Keyed by content: a picture in two projects is measured once.
measurements = Table(
    "measurements",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("analyzer", String(64), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("figures", JSON, nullable=False),
)

scores = Table(
    "scores",
    metadata,
    _picture(),
    Column("name", String(64), primary_key=True),
    Column("value", Float, nullable=False),
    Column("fingerprint", String(64), nullable=False),
)

verdicts = Table(
    "verdicts",
    metadata,
    _picture(),
    Column("kept", Boolean, nullable=False),
    _text("reason"),
    Column("detail", JSON(none_as_null=True)),
)

overrules = Table(
    "overrules",
    metadata,
    _picture(),
    Column("kept", Boolean, nullable=False),
    Column("at", Text, nullable=False),
)

splits = Table(
    "splits",
    metadata,
    _picture(),
    Column("split", String(16), nullable=False),
    _text("group_id"),
)

steps = Table(
    "steps",
    metadata,
    _project(primary_key=True),
    Column("step", String(32), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("result", JSON, nullable=False),
    Column("finished_at", Text, nullable=False),
)

#: The rows of a table: what a picture is to the ledger, a row is here.
rows = Table(
    "rows",
    metadata,
    _project(primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("cells", JSON, nullable=False),
    _text("label"),
    Column("sha256", String(64), nullable=False, server_default=""),
    _text("split_hint"),
    Column("kept", Boolean),
    _text("reason"),
    Column("split", String(16), nullable=False, server_default=""),
    _text("group_id"),
)

versions = Table(
    "versions",
    metadata,
    _project(primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("file", Text, nullable=False),
    Column("metrics", JSON, nullable=False),
    Column("created_at", Text, nullable=False),
)
