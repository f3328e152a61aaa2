"""What one round of collecting may bring: written by whoever decides on rounds, read by collect.

Without one, collecting brings what the recipe asks for, source after source.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tellapart.errors import StorageError
from tellapart.store.files import write_file

#: Name of the file in a project's `work` folder.
FILE = "ration.json"

#: A source and a query of it.
Well = tuple[str, str]


@dataclass(frozen=True)
class Ration:
    """One round. What it brings follows from it and the sources' answers alone, so that a round
    that was cut off is run again and ends the same."""

    #: Counted from 1.
    round: int
    #: Pictures of each class in all, once the round is over; a class that is missing gets no more.
    wanted: Mapping[str, int]
    #: By class: the weight of a source's query, 1 where it is missing. Of a pair with 0.25 one
    #: rank is taken for four of a pair with 1; of one with 0 none at all.
    shares: Mapping[str, Mapping[Well, float]] = field(default_factory=dict)
    #: By class: the last rank that may be taken of a source's query, where there is one.
    deepest: Mapping[str, Mapping[Well, int]] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Ration | None:
        """The ration that lies in `folder`, a project's `work`; None where there is none.

        Raises `StorageError` for one that cannot be read.
        """
        path = folder / FILE
        try:
            return cls.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise StorageError(
                f"{str(path)!r} cannot be read: {type(error).__name__}.",
                expected="the ration of a round of collecting",
                do="Delete the file: the rounds are decided again from the ledger.",
            ) from None

    def write(self, folder: Path) -> None:
        """Put it into `folder` in place of an older one. Raises `StorageError`."""
        text = json.dumps(self.to_dict(), indent=1, sort_keys=True, ensure_ascii=False)
        write_file(folder / FILE, f"{text}\n".encode("utf-8", "surrogatepass"))

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Ration:
        """What `to_dict` gave."""
        return cls(
            round=int(value["round"]),
            wanted={str(label): int(number) for label, number in value["wanted"].items()},
            shares=_pairs(value["shares"], float),
            deepest=_pairs(value["deepest"], int),
        )

    @staticmethod
    def remove(folder: Path) -> None:
        """Take it away: collecting goes by the recipe alone again."""
        (folder / FILE).unlink(missing_ok=True)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, in a stable order."""
        return {
            "round": self.round,
            "wanted": dict(self.wanted),
            "shares": _rows(self.shares),
            "deepest": _rows(self.deepest),
        }

    def share(self, label: str, source: str, query: str) -> float:
        """The weight of a source's query for a class."""
        return float(self.shares.get(label, {}).get((source, query), 1.0))


def _rows(of: Mapping[str, Mapping[Well, float]]) -> list[list[Any]]:
    return sorted(
        [label, source, query, value]
        for label, wells in of.items()
        for (source, query), value in wells.items()
    )


def _pairs(rows: list[list[Any]], kind: Any) -> dict[str, dict[Well, Any]]:
    found: dict[str, dict[Well, Any]] = {}
    for label, source, query, value in rows:
        found.setdefault(str(label), {})[(str(source), str(query))] = kind(value)
    return found
