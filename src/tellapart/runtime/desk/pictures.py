"""Pictures of a project: pages, thumbnails, overruling, groups of near duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tellapart.catalog import PictureRow
from tellapart.runtime.desk.base import Base
from tellapart.runtime.desk.shapes import Group, Original, Page, PictureFilter, Thumbnail


class Pictures(Base):
    """The ledger as a person looks at it. Nothing here reads more rows than it shows."""

    def pictures(
        self,
        project: str,
        shown: PictureFilter = PictureFilter(),  # noqa: B008 - frozen
        *,
        limit: int = 100,
        after: str | None = None,
        offset: int = 0,
    ) -> Page[PictureRow]:
        """One page of pictures; `total` counts all that match (kept a second).

        `after`: the cursor of the page before; `offset`: as an alternative, how many to skip.
        """
        raise NotImplementedError

    def picture(self, project: str, id: str) -> PictureRow:
        """One picture with everything known of it. Raises `NotFoundError`."""
        raise NotImplementedError

    def counts(self, project: str) -> dict[str, Any]:
        """`found kept set_aside reasons statuses failures splits classes`, counted by the database.

        Kept for a second, and counted anew after a change through any desk of this process.
        """
        raise NotImplementedError

    def thumbnail(self, project: str, id: str, size: int = 256) -> Thumbnail:
        """A small JPEG, longest side at most `size` (96, 160, 256, 512 are kept by content).

        Raises `NotFoundError`, `PictureError` for bytes that are no picture.
        """
        raise NotImplementedError

    def original(self, project: str, id: str) -> Original:
        """The picture's own bytes as a file. Raises `NotFoundError` where they are not here."""
        raise NotImplementedError

    def overrule(self, project: str, ids: Sequence[str], keep: bool | None) -> int:
        """Keep or drop pictures whatever the rules say; None gives them back to the rules.

        Counts from now on in what is shown; the next training learns from it. Returns how many
        changed. Raises `NotFoundError` for an unknown id, and changes nothing then.
        """
        raise NotImplementedError

    def relabel(self, project: str, ids: Sequence[str], label: str) -> int:
        """Move pictures to another class of the project; return how many changed."""
        raise NotImplementedError

    def groups(self, project: str, *, limit: int = 50, after: str | None = None) -> Page[Group]:
        """Groups of near (and exact) duplicates, each with the picture that stays first."""
        raise NotImplementedError

    def group(self, project: str, id: str) -> Group:
        """The group of duplicates that a picture is in; the picture alone where it has none."""
        raise NotImplementedError

    def overrule_group(self, project: str, id: str, keep: bool | None) -> int:
        """Keep, drop or give back to the rules a whole group; return how many changed."""
        raise NotImplementedError
