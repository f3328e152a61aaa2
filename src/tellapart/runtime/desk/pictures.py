"""Pictures of a project: pages, thumbnails, overruling, groups of near duplicates."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tellapart import images
from tellapart.bundle import licenses
from tellapart.catalog import PictureRow, looking
from tellapart.catalog.looking import PictureFilter
from tellapart.errors import InputError, NotFoundError, PictureError
from tellapart.recipe import guess
from tellapart.runtime.desk import thumbs
from tellapart.runtime.desk.base import Base
from tellapart.runtime.desk.shapes import Group, Original, Page, Thumbnail
from tellapart.store.files import FileStore

#: Pictures on one page at most, and named in one call at most.
MOST_ON_A_PAGE, MOST_AT_ONCE = 500, 5000
_SECONDS = 1.0
_EVERYTHING = PictureFilter()
_NO_PICTURE = "application/octet-stream"
#: Of Pillow's formats.
MEDIA_TYPES = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
    "AVIF": "image/avif",
}


class Pictures(Base):
    """The ledger as a person looks at it. Nothing here reads more rows than it shows."""

    def pictures(
        self,
        project: str,
        shown: PictureFilter = _EVERYTHING,
        *,
        limit: int = 100,
        after: str | None = None,
        offset: int = 0,
    ) -> Page[PictureRow]:
        """One page of pictures; `total` counts all that match (kept a second).

        `after`: the cursor of the page before; `offset`: as an alternative, how many to skip.
        Raises `InputError` for a cursor of another list.
        """
        catalog = self.catalog(project)
        rows, following = looking.page(
            catalog,
            shown,
            limit=min(max(1, limit), MOST_ON_A_PAGE),
            after=after,
            offset=max(0, offset),
        )
        number = self._remember(
            project, ("total", shown), lambda: looking.total(catalog, shown), _SECONDS
        )
        return Page(rows, following, number)

    def picture(self, project: str, id: str) -> PictureRow:
        """One picture with everything known of it. Raises `NotFoundError`."""
        return self.catalog(project).picture(id)

    def counts(self, project: str) -> dict[str, Any]:
        """`found kept set_aside reasons statuses failures splits classes`, counted by the database.

        Kept for a second, and counted anew after a change through any desk of this process.
        """
        return self._remember(project, "counts", lambda: self._counted(project), _SECONDS)

    def thumbnail(self, project: str, id: str, size: int = 256) -> Thumbnail:
        """A small JPEG, longest side at most `size` (96, 160, 256, 512 are kept by content).

        Raises `NotFoundError`, `PictureError` for bytes that are no picture.
        """
        row = self.picture(project, id)
        path, side = self._file(row), thumbs.rounded(size)
        data = thumbs.thumbnail(
            self.settings.cache_dir, row.sha256, path, side, self._memory.drawing
        )
        return Thumbnail(data, thumbs.MEDIA_TYPE, thumbs.etag(row.sha256, side))

    def original(self, project: str, id: str) -> Original:
        """The picture's own bytes as a file. Raises `NotFoundError` where they are not here."""
        row = self.picture(project, id)
        path = self._file(row)
        if not path.is_file():
            raise NotFoundError(
                f"The file of the picture {id!r} is gone.",
                expected="the file that was collected",
                do="Run the project again: it collects what is missing.",
            )
        kind = _format(path)
        return Original(
            path=path,
            media_type=MEDIA_TYPES.get(kind, _NO_PICTURE),
            sha256=row.sha256,
            name=f"{_plain(row.label)}-{row.id}.{kind.lower() or 'bin'}",
            shareable=licenses.read(row.license).may_pass_on,
        )

    def overrule(self, project: str, ids: Sequence[str], keep: bool | None) -> int:
        """Keep or drop pictures whatever the rules say; None gives them back to the rules.

        Counts from now on in what is shown; the next training learns from it. Returns how many
        changed. Raises `NotFoundError` for an unknown id, and changes nothing then.
        """
        changed = looking.overrule(self.catalog(project), _few(ids), keep)
        self._forget(project)
        return changed

    def relabel(self, project: str, ids: Sequence[str], label: str) -> int:
        """Move pictures to another class of the project; return how many changed.

        Raises `NotFoundError` for an unknown id, `InputError` for an unknown class.
        """
        catalog = self.catalog(project)
        classes = sorted({*self.open(project).recipe.labels} or looking.labels(catalog))
        if label not in classes:
            near = guess(label, classes)
            raise InputError(
                f"The project {project!r} has no class {label!r}.",
                expected=f"one of {', '.join(classes)}",
                do=f"Did you mean {near!r}?" if near else "Name one of these classes.",
            )
        changed = looking.relabel(catalog, _few(ids), label)
        self._forget(project)
        return changed

    def groups(self, project: str, *, limit: int = 50, after: str | None = None) -> Page[Group]:
        """Groups of near (and exact) duplicates, each with the picture that stays first.

        In the order of the ids of those; `after`: the id of the last one seen.
        """
        catalog = self.catalog(project)
        found = self._remember(project, "groups", lambda: looking.duplicates(catalog), _SECONDS)
        roots = sorted(root for root in found if after is None or root > after)
        shown = roots[: min(max(1, limit), 200)]
        rows = {
            row.id: row
            for row in looking.by_ids(
                catalog, [id for root in shown for id in (root, *found[root])]
            )
        }
        groups = [Group(root, [rows[id] for id in (root, *found[root])]) for root in shown]
        return Page(groups, shown[-1] if len(roots) > len(shown) else None, len(found))

    def group(self, project: str, id: str) -> Group:
        """The group of duplicates that a picture is in; the picture alone where it has none."""
        catalog = self.catalog(project)
        found = looking.duplicates(catalog)
        root = next((root for root, ids in found.items() if id == root or id in ids), id)
        return Group(root, looking.by_ids(catalog, [root, *found.get(root, ())]))

    def overrule_group(self, project: str, id: str, keep: bool | None) -> int:
        """Keep, drop or give back to the rules a whole group; return how many changed."""
        group = self.group(project, id)
        return self.overrule(project, [row.id for row in group.pictures], keep)

    def _counted(self, project: str) -> dict[str, Any]:
        opened = self.open(project)
        if opened.recipe.data_kind == "arrays":  # its steps have noted them
            return opened.counts()
        return looking.tally(self.catalog(project))

    def _file(self, row: PictureRow) -> Path:
        if not row.sha256:
            raise NotFoundError(
                f"The picture {row.id!r} is not here: it is {row.status}"
                f"{f' ({row.reason})' if row.reason else ''}.",
                expected="a picture whose bytes were fetched",
                do="Look at it where it was found, if its page is still there.",
            )
        return Path(row.path) if row.path else FileStore(self.settings.files_dir).path(row.sha256)


def _format(path: Path) -> str:
    try:
        return images.probe(path)[0]
    except PictureError:
        return ""


def _few(ids: Sequence[str]) -> Sequence[str]:
    if len(ids) <= MOST_AT_ONCE:
        return ids
    raise InputError(
        f"{len(ids):,} pictures are named at once.",
        expected=f"at most {MOST_AT_ONCE:,}",
        do="Name them in several calls.",
    )


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower()[:40] or "picture"
