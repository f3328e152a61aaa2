"""Yesterday's stream under another policy: what would have been decided otherwise.

Scores that are stored are used; where the new policy would look at a picture that was never judged,
the eyes are asked if there are any, and else the answer is that it cannot be said.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import NoReturn

from tellapart.errors import Interrupted
from tellapart.policy.deciding import decide, decide_as_told
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
        after, unsure = _anew(record, policy, people, eyes)
        if after == record.decision:
            same += 1
        else:
            differences.append(Difference(record.candidate, record.decision, after, unsure))
    return Replayed(total, same, tuple(differences))


def _anew(
    record: Recorded,
    policy: Policy,
    people: bool,
    eyes: Callable[[Recorded], Eyes | None] | None,
) -> tuple[Decision | None, str]:
    """The new decision, or None and what would have to be looked at."""
    before = record.decision
    if before.rule == "person":
        told = decide_as_told(policy, people, record.facts, record.standing, before.action)
        return told, ""
    memory = _Memory(record, eyes)
    chance = record.chance() if record.chance is not None else None
    after = decide(policy, people, record.facts, record.standing, memory, chance)
    if memory.unasked:
        failed = before.rule == "model" and before.action == "leave"
        if failed and memory.of_model:
            return before, ""  # it could not say then, and nothing has come since
        return None, memory.unasked
    if after.rule == before.rule == "estimate":
        after = replace(after, reason=before.reason)  # why it was not clear is not stored
    return after, ""


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
        #: Whether that is the model's word, not the guard's.
        self.of_model = True
        self._open = live
        self._live: Eyes | None = None

    def judge(self) -> Iterator[Judged]:
        fresh: Iterator[Judged] | None = None
        for number in self._numbers():
            if number in self.record.judged:
                yield self.record.judged[number]
                continue
            what = f"picture {number + 1} was never judged"
            with self._asking(what) as eyes:
                fresh = iter(eyes.judge()) if fresh is None else fresh
                found = next((one for one in fresh if one.picture >= number), None)
            if found is None or found.picture != number:
                self._unknown(f"{what}, and is gone")
            yield found

    def whole(self, judged: Sequence[Judged]) -> float | None:
        if self.record.whole is not None:
            return self.record.whole
        with self._asking("all pictures together were never judged") as eyes:
            return eyes.whole(judged)

    def ages(self) -> Sequence[AgeEstimate] | None:
        before = self.record.decision
        if before.rule == "estimate":
            return [_Known(clearly_adult=False)]
        if before.action in ACTS:
            return None  # the guard let it pass
        self.of_model = False
        with self._asking("the ages were never looked at") as eyes:
            return eyes.ages()

    def _numbers(self) -> Sequence[int]:
        """The pictures there are to judge: those that were, where all were asked for."""
        record, before = self.record, self.record.decision
        asked_all = before.rule == "model" and (
            before.action == "pass"
            or before.explored
            or (before.action == "leave" and any(j.problem for j in record.judged.values()))
        )
        if asked_all or record.whole is not None:
            return sorted(record.judged)
        return range(max([record.facts.pictures, *(number + 1 for number in record.judged)]))

    @contextmanager
    def _asking(self, what: str) -> Iterator[Eyes]:
        """The live eyes; where there are none, or they fail, it cannot be said."""
        try:
            if self._live is None and self._open is not None:
                self._live = self._open(self.record)
            if self._live is None:
                self._unknown(what)
            yield self._live
        except (Interrupted, _Unasked):
            raise
        except Exception:
            self._unknown(f"{what}, and cannot be now")

    def _unknown(self, what: str) -> NoReturn:
        self.unasked = what
        raise _Unasked(what)
