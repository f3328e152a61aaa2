"""What the workbench says: plain frozen values, JSON-able by `to_dict`.

Pictures are named by their ids in the ledger. A cluster's and a group's `key` is made of what is in
it: an act that names one which has changed meanwhile fails, rather than meet other pictures.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeVar

#: What a person may do with pictures: keep, drop, give back to the rules, another class; or set
#: thresholds.
Verb = Literal["keep", "drop", "give_back", "relabel", "settings"]
#: Whose answers slices are measured on: `held_out` (every picture told by a head that had not seen
#: it, by cross-validation on frozen features) or `test` (the trained model on its test pictures).
Basis = Literal["held_out", "test"]


S = TypeVar("S")
#: Values of thresholds.
Value = float | int | bool | None


class Shape:
    """A frozen value that can be written as JSON."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)  # type: ignore[call-overload, no-any-return]


@dataclass(frozen=True)
class Word(Shape):
    """Something more of a cluster's pictures have than of the rest of their class.

    `kind`: `title` (a word of titles and file names), `source`, `query`, `creator`, or `look`
    (dark, bright, blurred, small, plain ground, …).
    """

    kind: str
    text: str
    #: Shares of the pictures in and outside of the cluster that have it, 0…1.
    inside: float
    outside: float


@dataclass(frozen=True)
class Better(Shape):
    """What to search for so that a dropped cluster does not come again. No word is made up."""

    #: The class's own search word with words of what is kept; as it was where none stands out.
    query: str
    #: Words of the cluster that is to go.
    exclude: tuple[str, ...]


@dataclass(frozen=True)
class Cluster(Shape):
    """A part of a class whose pictures are alike, and unlike the rest of it."""

    key: str
    label: str
    #: Its own words ("logo, vector"); else how it looks ("bright, plain ground"); empty: nothing
    #: that is at hand tells.
    name: str
    #: One line: "69 % of apple (138 of 200): logo, vector".
    sentence: str
    size: int
    #: Of the class's pictures, 0…1.
    share: float
    kept: int
    set_aside: int
    #: What it has more of than the rest, the most telling first.
    words: tuple[Word, ...]
    #: How well its pictures fit their class (median of the off-topic score; 1: typical); None: not
    #: known, as in classes of fewer than 8.
    fit: float | None
    #: Another class that most of it is taken for, else empty.
    looks_like: str
    #: How far it lies from the rest of its class; 1: as far as two classes from one another (their
    #: median); 0: there is no rest.
    apart: float
    #: Whether it should be looked at: it lies as far off as another class, fits badly, or is mostly
    #: taken for another class.
    suspect: bool
    #: What to search for if it is dropped.
    better: Better
    #: At most 12, the nearest to its middle first.
    typical: tuple[str, ...]
    #: All of it, the nearest to its middle first.
    ids: tuple[str, ...]


@dataclass(frozen=True)
class ClassClusters(Shape):
    """One class in its clusters, the largest first; a single one: it is all of a kind."""

    label: str
    #: Pictures that can be read, kept or not.
    size: int
    clusters: tuple[Cluster, ...]


@dataclass(frozen=True)
class Copy(Shape):
    """One picture of a group of near duplicates."""

    id: str
    label: str
    width: int
    height: int
    #: Variance of the Laplacian at 256 × 256; comparable within a group.
    sharpness: float
    bytes: int
    license: str
    #: Whether its licence lets it be passed on.
    shareable: bool
    #: Whether a border or black bars are around it.
    framed: bool
    kept: bool | None
    #: Why it is set aside; empty for a kept one.
    verdict: str
    split: str


@dataclass(frozen=True)
class Copies(Shape):
    """Near (and exact) duplicates of one another."""

    #: Made of the ids in it.
    key: str
    label: str
    #: Id of the one that stays; empty: none, for it stands in two classes.
    stays: str
    #: Id of the best one: without a frame, then resolution, then sharpness, then licence.
    best: str
    #: Why that is the best: "largest (1600 × 1200), may be passed on".
    why: str
    #: The best one first.
    pictures: tuple[Copy, ...]

    @property
    def settled(self) -> bool:
        """Whether the best one is the one that stays."""
        return self.best == self.stays


@dataclass(frozen=True)
class Doubt(Shape):
    """One picture whose label is doubtful."""

    id: str
    label: str
    #: The class it is taken for by a head that had not seen it.
    suggested: str
    #: That head's probability of its own label, and of the suggested one.
    quality: float
    chance: float
    #: How well it fits its class (1: typical), and the suggested one.
    fit: float | None
    suggested_fit: float
    #: `wrong_label` (another class is likelier than not), `foreign` (fits no class well) or `hard`.
    kind: str
    kept: bool | None
    verdict: str
    split: str


@dataclass(frozen=True)
class Doubtful(Shape):
    """The label-noise ranking, the most doubtful first."""

    #: Pictures that were asked, of all classes.
    asked: int
    #: How many of them are doubtful by any of the three kinds.
    doubtful: int
    items: tuple[Doubt, ...]


@dataclass(frozen=True)
class Slice(Shape):
    """Some of the pictures, and how well they are told."""

    #: `look` or `source`.
    kind: str
    #: "dark", "source openverse".
    name: str
    #: What puts a picture into it: "mean brightness below 60 of 255".
    rule: str
    n: int
    correct: int
    accuracy: float
    #: 95 % interval of the accuracy.
    low: float
    high: float
    #: What its accuracy would be, were its classes told as well as outside of it.
    expected: float
    #: Chance of such a gap by luck, corrected for the number of slices; classes are compared with
    #: themselves, so that a slice of hard classes is not weak for that.
    p: float
    #: Told worse than elsewhere, beyond chance.
    weak: bool
    #: Pictures by class.
    classes: dict[str, int]
    #: At most 12 that were told wrongly.
    wrong: tuple[str, ...]


@dataclass(frozen=True)
class Slices(Shape):
    """Accuracy slice by slice."""

    basis: Basis
    n: int
    accuracy: float
    low: float
    high: float
    #: The weak ones first, then by the gap.
    slices: tuple[Slice, ...]
    #: Why there is nothing to see, or what was left out; empty: nothing to add.
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shortcut(Shape):
    """A class that something beside the point gives away."""

    label: str
    #: `file_size`, `picture_size`, `border`, `background` or `source`.
    cue: str
    #: One sentence: "83 of 100 pictures of 'cat' are told by their border alone."
    sentence: str
    #: What to do about it.
    do: str
    #: Balanced accuracy of the cue alone (this class against the others, held out): .5 is chance.
    accuracy: float
    #: Its 95 % interval.
    low: float
    high: float
    #: Chance of that by luck, corrected for all classes and cues tried.
    p: float
    #: Of the class's pictures and of the others', how many the cue takes for the class, 0…1.
    inside: float
    outside: float
    #: How well the pictures themselves are told (held out) where the cue agrees with the class and
    #: where it contradicts it; None: too few.
    agreeing: float | None
    contradicting: float | None
    #: At most 12 of the class that the cue gives away, and as many that it does not.
    typical: tuple[str, ...]
    against: tuple[str, ...]


@dataclass(frozen=True)
class Shortcuts(Shape):
    """What gives classes away, the strongest first; none: nothing stood out."""

    shortcuts: tuple[Shortcut, ...]
    #: How many pairs of class and cue were tried.
    tried: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Move(Shape):
    """Pictures that go the same way between two settings."""

    label: str
    #: Reason before and after; empty: kept.
    before: str
    after: str
    n: int
    #: At most 12 of them.
    ids: tuple[str, ...]


@dataclass(frozen=True)
class Diff(Shape):
    """What other thresholds would change; nothing is changed by asking."""

    #: Thresholds that differ: name → [before, after].
    settings: dict[str, list[Value]]
    kept_before: int
    kept_after: int
    #: Pictures that would be kept, that would go, and that would go for another reason.
    gained: int
    lost: int
    renamed: int
    #: Class → [kept before, kept after], those that change.
    classes: dict[str, list[int]]
    #: The most pictures first.
    moves: tuple[Move, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Act(Shape):
    """Something a person did to the pictures of a project; it can be undone at any time."""

    #: From 1, by project.
    number: int
    #: UTC, ISO 8601 with Z.
    at: str
    verb: Verb
    #: What it was done to, in words: "cluster logo, vector of apple", "3 pictures".
    note: str
    #: Pictures that it decided on and that are still there; 0 for thresholds.
    pictures: int
    #: Empty: in force.
    undone_at: str = ""
    #: Of `relabel`: the class given; else empty.
    label: str = ""
    #: Of `settings`: name → [before, after].
    settings: dict[str, list[Value]] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome(Shape):
    """What an act, an undo or a redo did."""

    act: Act
    #: Pictures that changed now.
    changed: int
    #: Pictures that stayed as they are, because a later act decided on them.
    left: int = 0
    #: What to search for instead of a cluster that was dropped.
    better: Better | None = None


def read(kind: type[S], values: Any) -> S:
    """The shape (or a list of shapes) that `to_dict` was taken of."""
    from pydantic import TypeAdapter

    return TypeAdapter(kind).validate_python(values)
