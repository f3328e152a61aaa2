"""How the pictures were collected, where that was done in rounds: what each brought, and the noise
of the sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Queries shown, noisiest first.
_SHOWN = 8


@dataclass(frozen=True)
class Round:
    """One round, after it was looked at. Gains are in points of accuracy; None: too few to tell."""

    number: int
    found: int
    kept: int
    hundred: float | None
    fourfold: float | None
    #: 90 % of what may be is below.
    fourfold_high: float | None


@dataclass(frozen=True)
class Noise:
    """The share of pictures that do not show their class, with its 90 % interval."""

    name: str
    share: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Collecting:
    """All that the report says of it."""

    rounds: Sequence[Round]
    #: How it ended, in a sentence or two.
    end: str
    sources: Sequence[Noise]
    #: The noisiest queries that stand out from their source.
    queries: Sequence[Noise] = ()

    @classmethod
    def of(cls, told: Mapping[str, Any] | None) -> Collecting | None:
        """Of the rounds as the project's catalog has them; None where there were none, or they are
        not over."""
        if not told or not told.get("over"):
            return None
        rounds = []
        for one in told["history"]:
            worth = one["worth"] or {}
            gains = (worth.get(key) for key in ("hundred", "fourfold", "fourfold_high"))
            rounds.append(Round(one["round"], one["found"], one["kept"], *gains))
        quality = told["quality"]
        sources = [_noise(one["source"], one) for one in quality["sources"]]
        usual = {one.name: one.high for one in sources}
        queries = [
            _noise(f"{one['query']} ({one['class']}, {one['source']})", one)
            for one in quality["queries"]
            if one["low"] > usual.get(one["source"], 1.0)
        ]
        return cls(rounds, next(iter(told["notes"]), ""), sources, queries[:_SHOWN])


def _noise(name: str, one: Mapping[str, Any]) -> Noise:
    return Noise(name, one["share"], one["low"], one["high"], one["n"])
