"""A labelled folder or file on this machine, referenced in place."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from tellapart.doors import Format, Hit, Source
from tellapart.errors import InputError


class Folder(Source):
    """Reads `{folder: {path: PATH}}` through the formats door: ImageFolder, metadata, CSV."""

    name = "folder"
    local = True

    async def search(self, query: str, *, limit: int, start: int = 0) -> AsyncIterator[Hit]:
        """Yield the rows of the class `query`, or of all classes where it is empty."""
        for hit in self.rows():
            if (not query or hit.label == query) and start <= hit.rank:
                if limit <= 0:
                    return
                limit -= 1
                yield hit

    def rows(self) -> Iterator[Hit]:
        """Every row in reading order. Raises `InputError` for a path that is no data set."""
        path = given_path(self, "path")
        return self._format(path).read(path)

    def _format(self, path: Path) -> Format:
        if self.context.find_format is None:
            raise InputError(
                f"The source `{self.name}` was made without formats.",
                expected="a context with `find_format`",
                do="Pass one to SourceContext.",
            )
        return self.context.find_format(path)


def given_path(source: Source, option: str) -> Path:
    """The path in a source's option. Raises `InputError` where it is missing or leads nowhere."""
    value = source.context.options.get(option)
    if not isinstance(value, (str, Path)) or not str(value):
        raise InputError(
            f"The source `{source.name}` has no `{option}` ({value!r}).",
            expected=f"{{{source.name}: {{{option}: PATH}}}}",
            do=f"Write the path under `{option}`.",
        )
    path = Path(value).expanduser().absolute()
    if not path.exists():
        raise InputError(
            f"{str(path)!r} does not exist.",
            expected="a labelled folder or list on this machine",
            do="Check the path for mistakes.",
        )
    return path
