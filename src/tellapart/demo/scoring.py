"""How well the planted faults were found, by the picture web's own list."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tellapart.demo.listing import FAULTS, Entry

if TYPE_CHECKING:
    from tellapart.catalog import PictureRow

_COPIES = ("exact_duplicate", "near_duplicate")


@dataclass(frozen=True)
class Score:
    """One kind of fault. A share of nothing is 1."""

    kind: str
    #: Planted ones that the program came across.
    planted: int
    #: Of these, how many it told, by one of the kind's words.
    found: int
    #: Pictures it gave one of these words, and how many of them deserved it.
    told: int
    right: int

    @property
    def recall(self) -> float:
        return self.found / self.planted if self.planted else 1.0

    @property
    def precision(self) -> float:
        return self.right / self.told if self.told else 1.0


def score(rows: Iterable[PictureRow], entries: Mapping[str, Entry]) -> list[Score]:
    """Precision and recall for each kind of `FAULTS`; `entries` by file URL.

    Rows that were never fetched because enough others were there do not count. Of two copies
    of one picture either may be the one set aside; what counts is that one of them is.
    """
    met = [(row, entries[row.file_url]) for row in rows if row.status not in {"surplus", "pending"}]
    families: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for row, entry in met:
        if row.status == "ok":
            families[entry.family].append((entry.kind, _word(row)))
    return [_score(kind, met, families) for kind in FAULTS]


def _score(
    kind: str,
    met: list[tuple[PictureRow, Entry]],
    families: Mapping[str, list[tuple[str, str]]],
) -> Score:
    words = FAULTS[kind]
    told = [(row, entry) for row, entry in met if _word(row) in words]
    if kind in _COPIES:
        planted = found = 0
        for members in families.values():
            copies = sum(member == kind for member, _ in members)
            # Without its original among the pictures, a copy is a picture like any other.
            copies = min(copies, len(members) - 1)
            planted += copies
            found += min(copies, sum(word in words for _, word in members))
        right = sum(len(families[entry.family]) > 1 for _, entry in told)
        return Score(kind, planted, found, len(told), right)
    own = [row for row, entry in met if entry.kind == kind]
    right = sum(_word(row) in FAULTS.get(entry.kind, ()) for row, entry in told)
    return Score(kind, len(own), sum(_word(row) in words for row in own), len(told), right)


def _word(row: PictureRow) -> str:
    """What the program said against a picture; empty for a kept one."""
    return row.reason if row.status != "ok" else ("" if row.kept else row.verdict)
