"""What the ladder tries, in which order, and what it will cost."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

#: The rung that every ladder starts from: the embedded network at this side, as `quick` has it.
FIRST_SIZE = 224
#: Networks put side by side at most: each one more costs its whole time in every answer.
_TOGETHER = 2
#: Sides in pixels above the first, of which the first that the time allows is taken; and what is
#: tried beside it where time is left over. They cost as their area.
SIZES, MORE_SIZES = (384, 320, 288), (448, 320)
#: What is tried with time left that was asked for by name.
FILLING = (448, 384, 352, 320, 288, 256)


@dataclass(frozen=True)
class Source:
    """A frozen network as a rung asks for it."""

    network: str
    #: The features are means over the picture and its mirror image, …
    mirror: bool = False
    #: … and over both upside down.
    upside: bool = False
    #: Features of earlier layers stand beside the last one's.
    stages: bool = False

    @property
    def looks(self) -> int:
        """How often it looks at each picture."""
        return (1 + self.mirror) * (1 + self.upside)


@dataclass(frozen=True)
class HeadRung:
    """A linear head on frozen features, of one network or of several side by side."""

    size: int
    sources: tuple[Source, ...]

    @property
    def name(self) -> str:
        """For people and for files: unique on a ladder."""
        first = self.sources[0]
        said = " + ".join(each.network for each in self.sources) + f" at {self.size} px"
        said += ", several layers" if any(each.stages for each in self.sources) else ""
        return said + (", 4 views" if first.upside else ", mirrored" if first.mirror else "")

    def passes(self) -> Mapping[str, float]:
        """How often each network looks at a picture, in units of its own pass at 224 pixels."""
        area = (self.size / FIRST_SIZE) ** 2
        return {each.network: area * each.looks for each in self.sources}


def first(networks: Sequence[str], size: int = FIRST_SIZE, *, mirror: bool = False) -> HeadRung:
    """The rung that every ladder starts from: that of `quick`."""
    return HeadRung(size, (Source(networks[0], mirror=mirror),))


def heads(
    networks: Sequence[str],
    *,
    sizes: Sequence[int] = SIZES,
    mirror: bool | None = None,
) -> Iterator[tuple[HeadRung, ...]]:
    """Frozen `networks`' rungs above the first, a group a side, the most promising first.

    Of a group the first that is kept is enough: those after it look at each picture less often,
    for pictures that have an upside or where time is short. Larger pictures, features of several
    layers and four views bring most, measured on trashnet_100 (docs/architecture.md). `mirror`:
    False allows one view alone.
    """
    views = [(False, False)] if mirror is False else [(True, True), (True, False)]
    for size in sizes:
        yield tuple(HeadRung(size, (Source(networks[0], *way, stages=True),)) for way in views)


def together(networks: Sequence[str], size: int, *, mirror: bool | None = None) -> HeadRung:
    """The first two of `networks` side by side."""
    way = mirror is not False
    sources = [Source(name, way, way, stages=True) for name in networks[:_TOGETHER]]
    return HeadRung(size, tuple(sources))


def seconds(
    rung: HeadRung,
    pictures: int,
    speeds: Mapping[str, float],
    known: Collection[Source],
) -> float:
    """An estimate for a head rung of `pictures` at `speeds` (pictures/s of one look, 224 px).

    `known`: whose features of this side are there already.
    """
    area = (rung.size / FIRST_SIZE) ** 2
    cost = 0.0
    for source in rung.sources:
        done = [
            each.looks
            for each in known
            if (each.network, each.stages) == (source.network, source.stages)
            and each.looks <= source.looks
        ]
        looks = source.looks - max(done, default=0)
        cost += pictures * area * looks / max(speeds.get(source.network, 1.0), 1e-3)
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
    epochs: int = 8
    learning_rate: float = 1e-3
    mirror: bool = False
    #: Which of several alike, from 0.
    number: int = 0
    #: Names of the rungs that it learns from: one network instead of them all (Hinton et al. 2015,
    #: "Distilling the knowledge in a neural network"). Its folds only judge.
    teachers: Sequence[str] = ()

    @property
    def name(self) -> str:
        """For people and for files: unique on a ladder."""
        again = f" ({self.number + 1})" if self.number else ""
        kind = "distilled" if self.teachers else "tuned"
        return f"{self.network} {kind}{again} at {self.size} px"

    @property
    def folder(self) -> str:
        """Where its folds are kept."""
        said = f"{self.network}-{self.size}-{self.train_size}-{self.folds}-{self.number}"
        return f"{said}-distilled" if self.teachers else said

    @property
    def networks(self) -> int:
        """How many networks the model is."""
        return 1 if self.teachers else self.folds

    def passes(self) -> Mapping[str, float]:
        """As of `HeadRung`."""
        area = (self.size / FIRST_SIZE) ** 2
        return {self.network: area * self.networks * (2 if self.mirror else 1)}


#: Sides to learn at, as shares of the side that the model sees; epochs below which tuning does
#: not pay.
_SHARES, _FEWEST = (0.8, 0.7, 0.6, 0.5), 6.0


#: Of a rung that was begun before; fewer than it had, but what is done of it is not lost.
_FEWEST_BEGUN = 3.0


def together_passes(rungs: Iterable[HeadRung | TunedRung]) -> dict[str, float]:
    """As of `HeadRung.passes`, of all `rungs` in one model."""
    found: dict[str, float] = {}
    for rung in rungs:
        for network, times in rung.passes().items():
            found[network] = found.get(network, 0.0) + times
    return found


def epochs_in(free: float, side: int, pictures: float, speed: float) -> float:
    """Epochs that fit into `free` seconds at `side` (see `tuned_size`)."""
    return free / max(1e-9, pictures * (side / FIRST_SIZE) ** 2 / max(speed, 1e-3))


def goes_on(free: float, side: int, pictures: float, speed: float) -> bool:
    """Whether a rung that was begun at `side` can be ended in `free` seconds."""
    return epochs_in(free, side, pictures, speed) >= _FEWEST_BEGUN


def tuned_size(
    rung: TunedRung, free: float, pictures: float, speed: float, turn: int = 0
) -> int | None:
    """The largest side to learn at that allows enough epochs in `free` seconds; None: none does.

    `pictures`: of one epoch of all folds; `speed`: of training, in pictures/s at 224 pixels;
    `turn`: of several networks alike each begins the search at another side.
    """
    for share in _SHARES[turn % (len(_SHARES) - 1) :]:
        side = max(64, round(rung.size * share / 32) * 32)
        if epochs_in(free, side, pictures, speed) >= min(_FEWEST, rung.epochs):
            return side
    return None
