"""Keep or set aside: verdicts from measurements, scores and thresholds alone, one reason each.

In this order, the first that holds: unreadable, too_small, low_information, blurred,
exact_duplicate, conflicting_label, near_duplicate, mislabelled, off_topic. The user's word is not
looked at here: the ledger lays it over the verdict, and it changes that picture only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tellapart.learn.alike import KINDS
from tellapart.learn.nearness import Pairs

REASONS = (
    "unreadable",
    "too_small",
    "low_information",
    "blurred",
    "exact_duplicate",
    "conflicting_label",
    "near_duplicate",
    "mislabelled",
    "off_topic",
)
#: How well a picture must fit the class it seems to belong to: below, it belongs to none.
_FITS = 0.8
#: How probable another class must be before a label counts as wrong. Among many classes a small
#: probability alone says only that the picture is hard: of 100 classes an even guess gives each
#: .01. On trashnet_100, caltech101_10 and grocery_10 it spares at most one picture in 600.
_SURE = 0.5


@dataclass(frozen=True)
class Candidate:
    """One picture and what is known of it."""

    id: str
    label: str
    sha256: str
    #: Of duplicates the one with the lowest stays, whatever its size: 0 for test pictures, which
    #: must not give way to newcomers, 1 for validation, 2 for all others.
    precedence: int = 2
    #: Whether it is not asked if it belongs to its class. Official test pictures are taken as they
    #: are; earlier test pictures stay though newcomers have moved their scores, or the test would
    #: change with every addition.
    settled: bool = False
    #: Order in which its source was tried, and its place there: earlier is better.
    position: int = 0
    rank: int = 0
    #: Figures of all analyzers; None where the picture cannot be decoded.
    figures: Mapping[str, Any] | None = None
    #: Why it cannot be decoded: `reason`, `what`.
    error: Mapping[str, str] = field(default_factory=dict)
    #: `off_topic`, `mislabelled` and what goes with them, as far as known.
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Limits:
    """The thresholds, named as in the recipe. None switches a reason off."""

    min_side: int
    min_entropy: float
    near_duplicate_bits: int
    near_duplicate_cosine: float
    off_topic: float | None
    mislabelled: float | None
    max_blur: float | None
    near_duplicate_likeness: float = 1.0


@dataclass(frozen=True)
class Decision:
    """`reason` is empty for a kept picture; `detail` says what value met what threshold."""

    id: str
    kept: bool
    reason: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


def decide(
    candidates: Sequence[Candidate],
    shas: Sequence[str],
    pairs: Pairs,
    limits: Limits,
    classes: Sequence[str] = (),
) -> list[Decision]:
    """Decide on each of `candidates`, in their order.

    `pairs` name near pictures by their place in `shas`; `classes` are the labels that the score
    `suggested` counts. Of duplicates one in test is kept, then the largest, then the one found
    first (position, rank, id). Does not depend on the order of `candidates`.
    """
    court = _Court(sorted(candidates, key=_best_first), limits, classes)
    court.judge_quality()
    court.judge_same_files()
    court.judge_near(shas, pairs)
    court.judge_class()
    return [_decision(one, court.verdicts.get(one.id)) for one in candidates]


def _best_first(one: Candidate) -> tuple[int, int, int, int, str]:
    figures = one.figures or {}
    pixels = int(figures.get("width", 0)) * int(figures.get("height", 0))
    return one.precedence, -pixels, one.position, one.rank, one.id


def _decision(one: Candidate, verdict: tuple[str, dict[str, Any]] | None) -> Decision:
    return Decision(one.id, True) if verdict is None else Decision(one.id, False, *verdict)


#: How near, the other one's place in the order, the other one, what else is told of the pair.
_Near = tuple[float, int, Candidate, dict[str, Any]]


def _close(limits: Limits) -> tuple[int, float, float]:
    return limits.near_duplicate_bits, limits.near_duplicate_cosine, limits.near_duplicate_likeness


def _facts(near: Pairs) -> list[dict[str, Any]]:
    """Of each pair `bits` and `cosine`; where they were laid over each other `likeness` too."""
    facts: list[dict[str, Any]] = [
        {"bits": bits, "cosine": cosine}
        for bits, cosine in zip(near.bits.tolist(), near.cosines.tolist(), strict=True)
    ]
    for told, likeness in zip(facts, near.likeness.tolist(), strict=False):
        if likeness > 0:
            told["likeness"] = likeness
    for told, kind in zip(facts, near.kinds.tolist(), strict=False):
        if kind:
            told["copy"] = KINDS[kind]
    return facts


def _nearest_first(near: _Near) -> tuple[float, int]:
    return near[:2]


class _Court:
    """Verdicts so far; each judge adds to them and asks only about pictures still standing."""

    def __init__(self, ranked: list[Candidate], limits: Limits, classes: Sequence[str]) -> None:
        self.ranked = ranked
        self.limits = limits
        self.classes = classes
        self.verdicts: dict[str, tuple[str, dict[str, Any]]] = {}

    def _standing(self) -> list[Candidate]:
        return [one for one in self.ranked if one.id not in self.verdicts]

    def _aside(self, one: Candidate, reason: str, /, **detail: Any) -> None:
        self.verdicts.setdefault(one.id, (reason, detail))

    def judge_quality(self) -> None:
        limits = self.limits
        for one in self.ranked:
            if one.figures is None:
                self._aside(one, "unreadable", **one.error)
                continue
            side = min(int(one.figures["width"]), int(one.figures["height"]))
            if side < limits.min_side:
                self._aside(one, "too_small", side=side, min_side=limits.min_side)
            elif one.figures["entropy"] < limits.min_entropy:
                self._aside(
                    one,
                    "low_information",
                    entropy=one.figures["entropy"],
                    min_entropy=limits.min_entropy,
                )
            elif limits.max_blur is not None and one.figures["blur"] > limits.max_blur:
                self._aside(one, "blurred", blur=one.figures["blur"], max_blur=limits.max_blur)

    def judge_same_files(self) -> None:
        """One file under several names: in one class the best stays, in two classes none."""
        files: dict[str, list[Candidate]] = defaultdict(list)
        for one in self._standing():
            files[one.sha256].append(one)
        for same in files.values():
            for one in same:
                other = next((o for o in same if o.label != one.label), None)
                if other is not None:
                    self._conflict(one, other, bits=0, cosine=1.0)
                elif one is not same[0]:
                    self._aside(one, "exact_duplicate", of=same[0].id)

    def judge_near(self, shas: Sequence[str], pairs: Pairs) -> None:
        """Near duplicates: across classes none stays, within one the better of each pair."""
        standing = {one.sha256: one for one in self._standing()}
        order = {one.id: place for place, one in enumerate(self.ranked)}
        limits = self.limits
        near = pairs.near(*_close(limits))
        # Of two classes: a mirrored, framed or marked copy may be what tells them apart, and both
        # would go.
        plain = pairs.near(limits.near_duplicate_bits, limits.near_duplicate_cosine)
        as_they_are = set(map(tuple, plain.rows.tolist()))
        how_near = near.how_near(*_close(limits))
        facts = _facts(near)
        better: dict[str, list[_Near]] = defaultdict(list)
        clashes: dict[str, list[_Near]] = defaultdict(list)
        for (i, j), how, told in zip(near.rows.tolist(), how_near, facts, strict=True):
            a, b = standing.get(shas[i]), standing.get(shas[j])
            if a is None or b is None:
                continue
            if order[b.id] < order[a.id]:
                a, b = b, a
            one, two = ((float(how), order[other.id], other, told) for other in (a, b))
            if a.label == b.label:
                better[b.id].append(one)
            elif (i, j) in as_they_are:
                clashes[b.id].append(one)
                clashes[a.id].append(two)
        for one_id, found in clashes.items():
            _, _, other, told = min(found, key=_nearest_first)
            self._conflict(self.ranked[order[one_id]], other, **told)
        # Best first: a picture goes only for one that itself stays, never along a chain.
        for candidate in self._standing():
            for _, _, first, told in sorted(better.get(candidate.id, ()), key=_nearest_first):
                if first.id not in self.verdicts:
                    self._aside(candidate, "near_duplicate", of=first.id, **told)
                    break

    def _conflict(self, one: Candidate, other: Candidate, **told: Any) -> None:
        if one.settled:  # the newcomer goes alone
            return
        self._aside(one, "conflicting_label", of=other.id, other_class=other.label, **told)

    def judge_class(self) -> None:
        """Alien to its class: of another class, or of none."""
        for one in self._standing():
            if one.settled:
                continue
            belongs = one.scores.get("off_topic")
            quality = one.scores.get("mislabelled")
            alien = _below(belongs, self.limits.off_topic)
            contradicted = one.scores.get("suggested_chance", 1.0) >= _SURE
            doubted = contradicted and _below(quality, self.limits.mislabelled)
            elsewhere = alien and one.scores.get("suggested_fit", 0.0) >= _FITS
            if self.limits.mislabelled is not None and (elsewhere or (doubted and not alien)):
                self._aside(
                    one,
                    "mislabelled",
                    quality=quality,
                    threshold=self.limits.mislabelled,
                    **self._suggestion(one),
                )
            elif alien:
                self._aside(one, "off_topic", score=belongs, threshold=self.limits.off_topic)

    def _suggestion(self, one: Candidate) -> dict[str, str]:
        place = int(one.scores.get("suggested", -1))
        return {"looks_like": self.classes[place]} if 0 <= place < len(self.classes) else {}


def _below(value: float | None, threshold: float | None) -> bool:
    return value is not None and threshold is not None and value < threshold
