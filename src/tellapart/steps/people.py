"""Who is to be seen in pictures: looked at once, kept by content."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import numpy as np
import sqlalchemy as sa

from tellapart import registry
from tellapart.catalog import people as kept
from tellapart.doors import Analyzer, Picture
from tellapart.errors import PictureError
from tellapart.learn.faces import Face
from tellapart.learn.faces.stored import from_rows
from tellapart.settings import Settings

#: Reads one picture's bytes; raises `PictureError` where it cannot.
Read = Callable[[], bytes]
_AT_ONCE = 64
_NOTHING = np.zeros((1, 1, 3), np.uint8)


class Faces:
    """The analyzer of faces, and what it has said before."""

    def __init__(self, settings: Settings, engine: sa.Engine) -> None:
        """Load the models; raises what `People` raises."""
        self._settings, self._engine = settings, engine
        self._tool: Analyzer = cast(Any, registry.load("analyzer", "faces"))(settings)
        self._people = cast(Any, self._tool).people
        #: Names the models and the code.
        self.key: str = self._people.key
        #: Whether ages and sexes are estimated.
        self.estimates: bool = self._people.estimates

    def stored(self, shas: Mapping[str, Any]) -> dict[str, list[Face]]:
        """What was seen in those pictures before, with these models."""
        found = kept.stored(self._engine, self.key, shas)
        return {sha: from_rows(rows) for sha, rows in found.items()}

    def seen(
        self,
        pictures: Mapping[str, Read],
        on_done: Callable[[int, int], None] = lambda done, total: None,
    ) -> dict[str, list[Face]]:
        """The faces in pictures by SHA-256, measured now where they were not.

        Those that cannot be read are not in it. What was measured is stored some pictures at a
        time, so that a kill costs no more.
        """
        found = self.stored(pictures)
        lacking = [sha for sha in sorted(pictures) if sha not in found]
        threads = max(1, self._settings.worker_threads)
        with ThreadPoolExecutor(threads, thread_name_prefix="faces") as pool:
            for start in range(0, len(lacking), _AT_ONCE):
                part = lacking[start : start + _AT_ONCE]
                looks = pool.map(lambda sha: self._look(sha, pictures[sha]), part)
                fresh = {
                    sha: rows for sha, rows in zip(part, looks, strict=True) if rows is not None
                }
                kept.save(self._engine, self.key, fresh)
                found.update((sha, from_rows(rows)) for sha, rows in fresh.items())
                on_done(start + len(part), len(lacking))
        return found

    def _look(self, sha: str, read: Read) -> list[dict[str, Any]] | None:
        try:
            figures = self._tool.measure(Picture(sha, read(), _NOTHING, 0, 0, ""))
        except PictureError:
            return None
        rows: list[dict[str, Any]] = json.loads(str(figures["people"]))
        return rows
