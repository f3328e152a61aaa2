"""Lists page by page: `limit` and the cursor `after`, the same at every list."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query

#: How many at once.
Limit = Annotated[int, Query(ge=1, le=200, description="How many at most.")]
#: Where the page begins.
After = Annotated[
    str | None,
    Query(max_length=1000, description="`next` of the page before; none: from the beginning."),
]


def listed(items: list[Any], following: str | None, total: int | None = None) -> dict[str, Any]:
    """One page as JSON: `items`, `next` (null: the last page), `total` where it is counted."""
    shape: dict[str, Any] = {"items": items, "next": following}
    return shape if total is None else {**shape, "total": total}
