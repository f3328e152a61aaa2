"""Yesterday's stream under another policy: what would have been decided otherwise.

Scores that are stored are used; where the new policy would look at a picture that was never judged,
the eyes are asked if there are any, and else the answer is that it cannot be said.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tellapart.policy.deciding import decide
from tellapart.policy.facts import ACTS, AgeEstimate, Decision, Eyes, Facts, Judged, Standing
from tellapart.policy.schema import Policy


@dataclass(frozen=True)
class Recorded:
    """One decision as it was made, and all that it was made of."""

    candidate: str
    decision: Decision
    facts: Facts
    #: As it was then; counts are not counted anew.
    standing: Standing
    #: The scores that were asked for, by picture.
    judged: Mapping[int, Judged] = field(default_factory=dict)
    #: The learned score of all pictures, where it was asked for.
    whole: float | None = None
    #: The chance that was given (`seed_of(...)`), or None where there was none.
    chance: Callable[[], random.Random] | None = None


@dataclass(frozen=True)
class Difference:
    """A candidate that would fare otherwise."""

    candidate: str
    before: Decision
    #: None: it cannot be said without looking.
    after: Decision | None
    #: What would have to be looked at; empty where `after` is known.
    unsure: str = ""


@dataclass(frozen=True)
class Replayed:
    """What a replay found."""

    total: int
    #: Decided as before, reason and all.
    same: int
    #: Another action, rule, reason, picture or score.
    differences: tuple[Difference, ...]

    @property
    def changed(self) -> tuple[Difference, ...]:
        """Those whose action would be another, or that have to be asked of a person."""
        return tuple(
            one
            for one in self.differences
            if one.after is not None
            and (one.after.action, one.after.person) != (one.before.action, one.before.person)
        )

    @property
    def unsure(self) -> tuple[Difference, ...]:
        """Those of which it cannot be said without looking at pictures."""
        return tuple(one for one in self.differences if one.after is None)

    @property
    def moves(self) -> dict[str, int]:
        """How many would go from one action to another, such as `pass → like`."""
        found: dict[str, int] = {}
        for one in self.changed:
            if one.after is not None:
                key = f"{one.before.action} → {one.after.action}"
                found[key] = found.get(key, 0) + 1
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def replay(
    records: Iterable[Recorded],
    policy: Policy,
    people: bool,
    eyes: Callable[[Recorded], Eyes | None] | None = None,
) -> Replayed:
    """Decide every one of `records` anew under `policy`.

    `eyes` gives what may still look at a candidate's pictures (None: they are gone). Under the
    policy that the records were made with every decision comes out the same.
    """
    total = same = 0
    differences: list[Difference] = []
    for record in records:
        total += 1
        memory = _Memory(record, eyes)
        chance = record.chance() if record.chance is not None else None
        after = decide(policy, people, record.facts, record.standing, memory, chance)
        if memory.unasked:
            differences.append(Difference(record.candidate, record.decision, None, memory.unasked))
        elif after == record.decision:
            same += 1
        else:
            differences.append(Difference(record.candidate, record.decision, after))
    return Replayed(total, same, tuple(differences))


class _Unasked(Exception):  # noqa: N818 - no fault: it was never asked for
    """What is needed was not stored and cannot be looked at."""


@dataclass(frozen=True)
class _Known:
    """What the guard found then; no estimate is ever stored."""

    clearly_adult: bool


class _Memory:
    """The eyes of a record: what they saw then, and live eyes only for the rest."""

    def __init__(self, record: Recorded, live: Callable[[Recorded], Eyes | None] | None) -> None:
        self.record = record
        #: What could not be answered; empty where everything could.
        self.unasked = ""
        self._open = live
        self._live: Eyes | None = None

    def judge(self) -> Iterator[Judged]:
        fresh: Iterator[Judged] | None = None
        passed = 0
        for number in range(self._pictures()):
            if number in self.record.judged:
                yield self.record.judged[number]
                continue
            if fresh is None:
                fresh = iter(self._look(f"picture {number + 1} was never judged").judge())
            for one in fresh:
                passed = one.picture + 1
                if one.picture == number:
                    yield one
                    break
            else:
                if passed <= number:
                    self._unknown(f"picture {number + 1} was never judged, and is gone")

    def whole(self, judged: Sequence[Judged]) -> float | None:
        if self.record.whole is not None:
            return self.record.whole
        return self._look("all pictures together were never judged").whole(judged)

    def ages(self) -> Sequence[AgeEstimate] | None:
        before = self.record.decision
        if before.rule == "estimate":
            return [_Known(clearly_adult=False)]
        if before.action in ACTS:
            return None  # the guard let it pass
        return self._look("the ages were never looked at").ages()

    def _pictures(self) -> int:
        return max([self.record.facts.pictures, *(n + 1 for n in self.record.judged)])

    def _look(self, what: str) -> Eyes:
        if self._live is None and self._open is not None:
            self._live = self._open(self.record)
        if self._live is None:
            self._unknown(what)
        assert self._live is not None
        return self._live

    def _unknown(self, what: str) -> Any:
        self.unasked = what
        raise _Unasked(what)
