"""The pictures' ledger: origin, licence, measurements, verdicts, splits.

`Catalog` is loaded on first use: it brings SQLAlchemy (0.2 s), the rows do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tellapart.catalog.rows import (
    Assignment,
    NewPicture,
    NewRow,
    Outcome,
    PictureRow,
    RowSplit,
    RowVerdict,
    Search,
    Status,
    TableRow,
    Verdict,
    Version,
    picture_digests,
    picture_id,
)

if TYPE_CHECKING:
    from tellapart.catalog.catalog import Catalog

__all__ = [
    "Assignment",
    "Catalog",
    "NewPicture",
    "NewRow",
    "Outcome",
    "PictureRow",
    "RowSplit",
    "RowVerdict",
    "Search",
    "Status",
    "TableRow",
    "Verdict",
    "Version",
    "picture_digests",
    "picture_id",
]


def __getattr__(name: str) -> Any:
    if name == "Catalog":
        from tellapart.catalog.catalog import Catalog

        return Catalog
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
