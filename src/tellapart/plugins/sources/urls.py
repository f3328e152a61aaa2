"""A list of addresses the user brings: a plain list, or a CSV with `url,label`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

from tellapart.doors import Hit
from tellapart.errors import InputError
from tellapart.plugins.sources.folder import Folder, given_path


class Urls(Folder):
    """Reads `{urls: {file: list.csv}}`; a list without classes also needs `label: CLASS`."""

    name = "urls"
    local = True

    async def search(self, query: str, *, limit: int, start: int = 0) -> AsyncIterator[Hit]:
        """Yield the rows of the class `query`, in the order of the list."""
        async for hit in super().search(query, limit=limit, start=start):
            yield hit

    def rows(self) -> Iterator[Hit]:
        """Every row of the list with its class. Raises `InputError` for a list without any."""
        path = given_path(self, "file")
        label = self.context.options.get("label")
        labelled = False
        for hit in self._format(path).read(path):
            if hit.problem == "no_label" and label and (hit.file_url or hit.path):
                hit = replace(hit, label=str(label), problem="")
            labelled = labelled or bool(hit.label)
            yield hit
        if not labelled:
            raise InputError(
                f"No row of {str(path)!r} names a class.",
                expected="a column `label`, or `{urls: {file: …, label: CLASS}}`",
                do="Add the column, or name the class of the whole list under `label`.",
            )
