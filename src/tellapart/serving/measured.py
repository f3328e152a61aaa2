"""What was measured of a bundle's variants, and which of them follows from it."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field, replace
from typing import Any

from tellapart.bundle.agreement import Agreement
from tellapart.serving import variant
from tellapart.serving.variant import Choice

#: What is this much slower than the fastest counts as equally fast.
_ALIKE = 0.03


@dataclass(frozen=True)
class Setup:
    """Workers with so many threads each, and pictures that go through together."""

    workers: int
    threads: int
    batch: int


@dataclass
class Measured:
    """One variant: how it agrees, and how fast it is in each setup."""

    choice: Choice
    agreement: Agreement | None = None
    #: Seconds of one core that decoding a picture takes, before the engine sees it.
    decode: float = 0.0
    #: Pictures/s of all workers together, one figure a round.
    rates: dict[Setup, list[float]] = field(default_factory=dict)
    #: MB of one worker after each slice, by setup; seconds from start to ready, one a round.
    memory: dict[Setup, float] = field(default_factory=dict)
    ready: list[float] = field(default_factory=list)
    #: What was found against it when it was made, on other pictures than now.
    known: list[str] = field(default_factory=list)
    #: Why it could not be run; empty: it ran.
    error: str = ""

    @property
    def name(self) -> str:
        return self.choice.name

    @property
    def faults(self) -> list[str]:
        """Why it may not be chosen; empty: it may."""
        if self.error or self.agreement is None:
            return [self.error or "was not compared"]
        return [*self.agreement.faults, *(f"when it was made: {fault}" for fault in self.known)]

    @property
    def best(self) -> Setup | None:
        """The setup that serves most; of those about equal the one of the smallest batches."""
        if not self.rates:
            return None
        top = max(map(self.served, self.rates))
        near = [setup for setup in self.rates if self.served(setup) >= (1 - _ALIKE) * top]
        return min(near, key=lambda setup: (setup.batch, setup.threads))

    def served(self, setup: Setup) -> float:
        """Pictures/s with decoding, which each worker does by itself, on one core."""
        rate = statistics.median(self.rates[setup])
        return setup.workers / (self.decode + setup.workers / rate)

    @property
    def most(self) -> float:
        """Pictures/s with decoding in the best setup; 0: not measured."""
        return self.served(self.best) if self.best else 0.0

    @property
    def rate(self) -> float:
        """Pictures/s of the engine in the best setup: the median of the rounds."""
        return statistics.median(self.rates[self.best]) if self.best else 0.0

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        best = self.best
        found: dict[str, Any] = {
            "name": self.name,
            "engine": self.choice.engine,
            "precision": self.choice.precision,
            "int8": self.choice.int8,
            "agreement": self.agreement.to_dict() if self.agreement else None,
            "faults": self.faults,
            "setups": [
                {
                    "workers": setup.workers,
                    "threads": setup.threads,
                    "batch": setup.batch,
                    "pictures_per_second": [round(rate, 2) for rate in rates],
                    "memory_mb": _rounded(self.memory.get(setup)),
                }
                for setup, rates in self.rates.items()
            ],
        }
        if best is not None:
            found |= {
                "best": {"workers": best.workers, "threads": best.threads, "batch": best.batch},
                "pictures_per_second": round(self.rate, 2),
                "with_decoding": round(self.most, 2),
                "spread": [round(min(self.rates[best]), 2), round(max(self.rates[best]), 2)],
                "memory_mb": _rounded(self.memory.get(best)),
                "ready_seconds": round(statistics.median(self.ready), 3) if self.ready else None,
            }
        return found


@dataclass(frozen=True)
class Benchmark:
    """All variants of one bundle on this machine; the exact model comes first."""

    name: str
    version: int
    model_sha256: str
    variants: list[Measured]
    pictures: int
    origin: str
    notes: list[str]
    #: Of the int8 model beside it; empty: there is none.
    int8_sha256: str = ""

    @property
    def reference(self) -> Measured:
        """The exact model: ONNX Runtime in f32."""
        return self.variants[0]

    @property
    def chosen(self) -> Measured:
        """The fastest that agrees; of those about as fast the one nearest to the exact model."""
        good = [one for one in self.variants if not one.faults and one.most]
        if not good:
            return self.reference
        top = max(one.most for one in good)
        return next(one for one in good if one.most >= (1 - _ALIKE) * top)

    @property
    def gain(self) -> float:
        """How many times as many pictures as the exact model the chosen variant serves."""
        return self.chosen.most / self.reference.most if self.reference.most else 1.0

    @property
    def engine_gain(self) -> float:
        """As `gain`, without decoding, which takes as long with every variant."""
        return self.chosen.rate / self.reference.rate if self.reference.rate else 1.0

    @property
    def choice(self) -> Choice:
        """The chosen variant in its best setup, with the reason."""
        one, best = self.chosen, self.chosen.best
        found = one.choice
        if best is not None:
            found = replace(found, threads=best.threads, workers=best.workers, max_batch=best.batch)
        if one is self.reference:
            reason = "measured here: no variant that agrees with the exact model is faster"
        else:
            share = one.agreement.share if one.agreement else "no pictures"
            reason = (
                f"measured here: {one.name} serves {self.gain:.2f} times as many pictures as the "
                f"exact model (the engine alone is {self.engine_gain:.2f} times as fast) and "
                f"agrees on {share}"
            )
        return replace(found, reason=reason)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        setup = self.choice
        return {
            "name": self.name,
            "version": self.version,
            "model": self.model_sha256,
            "int8": self.int8_sha256 or None,
            "machine": variant.machine(),
            "libraries": variant.libraries(),
            "pictures": self.pictures,
            "origin": self.origin,
            "reference": self.reference.name,
            "variants": [one.to_dict() for one in self.variants],
            "chosen": {
                "name": self.chosen.name,
                "engine": setup.engine,
                "precision": setup.precision,
                "int8": setup.int8,
                "workers": setup.workers,
                "threads": setup.threads,
                "max_batch": setup.max_batch,
                "gain": round(self.gain, 3),
                "engine_gain": round(self.engine_gain, 3),
                "reason": setup.reason,
            },
            "notes": self.notes,
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
