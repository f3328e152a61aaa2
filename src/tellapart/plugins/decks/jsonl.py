"""Candidates in a list: one JSON object a line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from tellapart.doors import Candidate, DeckContext
from tellapart.plugins.decks import facts
from tellapart.plugins.decks.local import MOST_PICTURES, LocalDeck, picture
from tellapart.plugins.formats.places import Places
from tellapart.plugins.formats.rows import read_jsonl


class JsonLines(LocalDeck):
    """Reads `{"id", "name", "bio", "age", "pictures": [path, URL or data: URI], …}` a line.

    The keys are those of `folder`'s profile.json, and `id`; a line without one is named by its
    content. Paths are relative to the file's folder. What is not a JSON object is left out.
    """

    name = "jsonl"
    title = "A list (JSON Lines)"
    about = "One JSON object a line, with the addresses or paths of its pictures."
    kind = "file"

    def __init__(self, context: DeckContext) -> None:
        super().__init__(context)
        self._left: Iterator[Candidate] | None = None

    async def next(self, limit: int) -> list[Candidate]:
        if self._left is None:
            self._left = self._read()
        return [found for _, found in zip(range(limit), self._left, strict=False)]

    def _read(self) -> Iterator[Candidate]:
        places = Places(self.path.parent)
        offered: set[str] = set()
        for row in read_jsonl(self.path):
            if row is None:
                continue
            ref = facts.ref(row.get("id")) or _named_by_content(row)
            if ref in offered or self.context.known(ref):
                continue
            offered.add(ref)
            yield self._candidate(row, ref, places)

    def _candidate(self, row: Mapping[str, Any], ref: str, places: Places) -> Candidate:
        listed = row.get("pictures")
        most = int(self.context.settings.max_download_mb * 1e6)
        problem = "" if listed is None or isinstance(listed, list) else "unreadable"
        items = listed[:MOST_PICTURES] if isinstance(listed, list) else []
        return replace(
            facts.candidate(row, ref, self.context.now()),
            pictures=tuple(picture(item, places, most) for item in items),
            problem=problem,
        )


def _named_by_content(row: Mapping[str, Any]) -> str:
    whole = json.dumps(row, sort_keys=True, ensure_ascii=True).encode()
    return "sha256:" + hashlib.sha256(whole).hexdigest()
