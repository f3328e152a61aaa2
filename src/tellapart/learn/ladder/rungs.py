"""What the ladder tries, in which order, and what it will cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

#: The rung that every ladder starts from: the embedded network at this side, as `quick` has it.
FIRST_SIZE = 224
#: Sides tried on frozen networks after the first, in pixels. Larger ones cost as their area.
SIZES = (320, 384)
#: Networks put side by side at most: each one more costs its whole time in every answer.
_TOGETHER = 3


@dataclass(frozen=True)
class Source:
    """A frozen network as a rung asks for it."""

    network: str
    mirror: bool = False


@dataclass(frozen=True)
class HeadRung:
    """A linear head on frozen features, of one network or of several side by side."""

    size: int
    sources: tuple[Source, ...]

    @property
    def name(self) -> str:
        """For people and for files: unique on a ladder."""
        names = [source.network for source in self.sources]
        said = f"{' + '.join(names)} at {self.size} px"
        return said + (", mirrored" if any(source.mirror for source in self.sources) else "")

    def passes(self) -> Mapping[str, float]:
        """How often each network looks at a picture, in units of its own pass at 224 pixels."""
        area = (self.size / FIRST_SIZE) ** 2
        return {each.network: area * (2 if each.mirror else 1) for each in self.sources}


def heads(
    networks: Sequence[str],
    *,
    sizes: Sequence[int] = SIZES,
    mirror: bool | None = None,
    first_size: int = FIRST_SIZE,
) -> Iterator[HeadRung]:
    """The rungs of frozen `networks`, the embedded one first, cheap and promising ones first.

    Larger pictures bring most, then a second network, then the mirror image: measured on
    trashnet_100 (docs/architecture.md). `mirror`: None tries without and with; True and False
    say so themselves.
    """
    alone = tuple(networks[:1])
    teams = [alone, *(tuple(networks[:n]) for n in range(2, min(len(networks), _TOGETHER) + 1))]
    ways = [False, True] if mirror is None else [mirror]
    yield HeadRung(first_size, tuple(Source(name, ways[0]) for name in alone))
    for size in sizes:
        for team in teams:
            for way in ways if team is teams[-1] else ways[:1]:
                rung = HeadRung(size, tuple(Source(name, way) for name in team))
                yield rung


def seconds(
    rung: HeadRung,
    pictures: int,
    speeds: Mapping[str, float],
    known: frozenset[Source],
) -> float:
    """An estimate for a head rung: `pictures` not yet looked at, at `speeds` (pictures/s, 224 px).

    `known`: what has been looked at already at this side. Fitting the head is about as long as
    looking at a tenth of the pictures.
    """
    cost = 0.0
    area = (rung.size / FIRST_SIZE) ** 2
    for source in rung.sources:
        if source in known:
            continue
        times = 2.0 if source.mirror else 1.0
        if source.mirror and Source(source.network) in known:
            times = 1.0
        cost += pictures * area * times / max(speeds.get(source.network, 1.0), 1e-3)
    return cost


@dataclass(frozen=True)
class TunedRung:
    """A network tuned on the pictures, once for each fold."""

    network: str
    #: Side in pixels that the model sees, and the smaller one that it learns at (Touvron et al.
    #: 2019, "Fixing the train-test resolution discrepancy").
    size: int
    train_size: int
    folds: int = 3
    #: At most; the time may allow fewer.
    epochs: int = 20
    learning_rate: float = 1e-3
    mirror: bool = True
    #: Which of several alike, from 0.
    number: int = 0

    @property
    def name(self) -> str:
        """For people and for files: unique on a ladder."""
        again = f" ({self.number + 1})" if self.number else ""
        return f"{self.network} tuned{again} at {self.size} px"

    @property
    def folder(self) -> str:
        """Where its folds are kept."""
        return f"{self.network}-{self.size}-{self.train_size}-{self.folds}-{self.number}"

    def passes(self) -> Mapping[str, float]:
        """As of `HeadRung`."""
        area = (self.size / FIRST_SIZE) ** 2
        return {self.network: area * self.folds * (2 if self.mirror else 1)}


#: Sides to learn at, as shares of the side that the model sees; epochs below which tuning does
#: not pay.
_SHARES, _FEWEST = (0.8, 0.7, 0.6, 0.5), 4.0


def tuned_size(size: int, free: float, pictures: int, speed: float) -> int | None:
    """The largest side to learn at that allows enough epochs in `free` seconds; None: none does.

    `pictures`: of one epoch of all folds; `speed`: of training, in pictures/s at 224 pixels.
    """
    for share in _SHARES:
        side = max(64, round(size * share / 32) * 32)
        epoch = pictures * (side / FIRST_SIZE) ** 2 / max(speed, 1e-3)
        if free / epoch >= _FEWEST:
            return side
    return None
