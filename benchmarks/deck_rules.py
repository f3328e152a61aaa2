"""Policies against a table of the seven rules written from their description alone; replays.

The table knows nothing of `tellapart.policy` but its shapes: it reads the policy as a mapping, and
every row of it is a condition, an action, a rule and the sentence that must be given as the reason.
Cases are drawn by chance, facts often on the limits themselves. Beside them, people who are not
declared adults, or whose estimate is not clearly adult, before policies that would like anybody.
"""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import main
from tellapart.policy import (
    ACTS,
    Decision,
    Facts,
    Judged,
    Policy,
    Recorded,
    Standing,
    check,
    decide,
    replay,
    seed_of,
)

Row = tuple[str, str, str]
SEED, CASES, SMALL = 7, 50_000, 1_000
NOON = datetime(2025, 3, 4, 12, 0, tzinfo=UTC)
WORDS = ("walks", "smoker", "cats", "long way")
AGES, DISTANCES = (18, 25, 26, 40, 41, 70), (0, 5, 5.5, 30, 31)
SCORES = (None, 0.0, 0.1, 0.25, 0.399, 0.4, 0.5, 0.75, 0.9, 1.0)
STRATEGIES = ("out_of_likes", "bio_words", "high_confidence")
#: Whoever comes is liked, in as many ways as there are.
EAGER: tuple[dict[str, Any], ...] = (
    {"accept_all": True, "pictures": {"on": False}, "age": {"on": False}},
    {"model": {"threshold": 0.0}, "explore": 0.5},
    {"bio": {"like": list(WORDS), "super_like": ["i"]}, "super_like": {"when": STRATEGIES[1]}},
    {"super_like": {"when": list(STRATEGIES)}, "limits": {"session": None}},
    {"model": {"threshold": 1.0}, "explore": 0.5},
)


def has(bio: str, word: str) -> bool:
    """Whole words in any case, as a reader would look for them."""
    return re.search(rf"\b{word}\b", bio, re.IGNORECASE) is not None


def table(
    policy: dict[str, Any], facts: Facts, standing: Standing, scores: list[float | None]
) -> Iterator[Row]:
    """What applies, in order: the first row is what must be decided."""
    supers = policy["super_like"]["when"]
    one_left = standing.super_likes_left != 0
    # 1 no pictures -> pass
    asked_for = policy["pictures"]["min"]
    if policy["pictures"]["on"] and facts.pictures < asked_for:
        yield "pass", "pictures", f"Fewer pictures than the {asked_for} asked for: {len(scores)}."
    # 2 no likes left -> super-like if allowed, else stop
    if standing.likes_left == 0:
        if "out_of_likes" in supers and one_left:
            yield "super_like", "likes", "No likes are left; a super like is used instead."
        yield "stop", "likes", "No likes are left."
    # 3 accept all -> like
    if policy["accept_all"]:
        yield "like", "accept_all", "Accept all is on."
    yield from by_range(policy, facts)
    yield from by_text(policy, facts, one_left)
    yield by_model(policy, scores, "high_confidence" in supers and one_left)


def by_range(policy: dict[str, Any], facts: Facts) -> Iterator[Row]:
    """4 age out of range -> pass; 5 distance out of range -> pass."""
    age, far = policy["age"], policy["distance"]
    if age["on"] and facts.age is not None:
        if age["min"] is not None and facts.age < age["min"]:
            yield "pass", "age", f"The declared age is below {age['min']}."
        if age["max"] is not None and facts.age > age["max"]:
            yield "pass", "age", f"The declared age is above {age['max']}."
    if far["on"] and facts.distance_km is not None:
        if far["min"] is not None and facts.distance_km < far["min"]:
            yield "pass", "distance", f"Nearer than {far['min']:g} km."
        if far["max"] is not None and facts.distance_km > far["max"]:
            yield "pass", "distance", f"Farther than {far['max']:g} km."


def by_text(policy: dict[str, Any], facts: Facts, one_left: bool) -> Iterator[Row]:
    """6 bio: required and empty -> pass, banned -> pass, super-like word, like word."""
    supers = policy["super_like"]["when"]
    bio = policy["bio"]
    if bio["required"] and not facts.bio.strip():
        yield "pass", "bio", "There is no text, and one is required."
    for word in bio["ban"]:
        if has(facts.bio, word):
            yield "pass", "bio", f"The text has the banned word '{word}'."
    for word in bio["super_like"]:
        if has(facts.bio, word):
            said = f"The text has the super-like word '{word}'"
            if "bio_words" in supers and one_left:
                yield "super_like", "bio", f"{said}."
            elif "bio_words" in supers:
                yield "like", "bio", f"{said}; no super likes are left, so it is a like."
            else:
                yield "like", "bio", f"{said}; super likes for words are off, so it is a like."
    for word in bio["like"]:
        if has(facts.bio, word):
            yield "like", "bio", f"The text has the word '{word}'."


def by_model(policy: dict[str, Any], scores: list[float | None], may_super: bool) -> Row:
    """7: the first at or above likes, none is a pass; a failure is `not judged`, never a like."""
    least = policy["model"]["threshold"]
    for number, score in enumerate(scores, start=1):
        if score is not None and score >= least:
            if may_super and score >= 0.9:
                said = f"Picture {number} has {percent(score)}, at or above 90 %: a super like."
                return "super_like", "model", said
            said = f"Picture {number} has {percent(score)}, at or above {percent(least)}."
            return "like", "model", said
    seen = [score for score in scores if score is not None]
    if None in scores:
        what = f"picture {scores.index(None) + 1}: cannot be decoded"
        if not seen:
            return "leave", "model", f"Not judged: {what}."
        none = f"no picture that could be judged reaches {percent(least)}, but {what}"
        return "leave", "model", f"Not judged: {none}."
    if not seen:
        return "pass", "model", "There is no picture to judge."
    number = scores.index(max(seen)) + 1
    nearest = f"picture {number} comes nearest with {percent(max(seen))}"
    return "pass", "model", f"No picture reaches {percent(least)}; {nearest}."


def percent(value: float) -> str:
    return {0.399: "39.9 %"}.get(value, f"{value * 100:.0f} %")


@dataclass
class Watched:
    """Eyes that see `scores` (None: that picture fails) and count how often they are asked."""

    scores: Sequence[float | None]
    clear: Sequence[bool] | None = None
    judged: dict[int, Judged] = field(default_factory=dict)
    aged: int = 0

    def judge(self) -> Iterator[Judged]:
        for number, score in enumerate(self.scores):
            one = Judged(number, score, "" if score is not None else "cannot be decoded")
            self.judged[number] = one
            yield one

    def whole(self, judged: Sequence[Judged]) -> float | None:
        raise AssertionError("the table knows the first picture that reaches the threshold only")

    def ages(self) -> Sequence[Any] | None:
        self.aged += 1
        return None if self.clear is None else [_Estimate(one) for one in self.clear]


@dataclass(frozen=True)
class _Estimate:
    clearly_adult: bool


def run(data: Path, small: bool) -> dict[str, Any]:
    number = SMALL if small else CASES
    return {
        "cases": number,
        "default policy": _against_the_table(number, lambda chance: {}),
        "any policy": _against_the_table(number, _policy),
        "people": _people(number),
    }


def _against_the_table(number: int, drawn: Any) -> dict[str, Any]:
    chance = random.Random(SEED)
    same = calls = 0
    deciding = 0.0
    rules: Counter[str] = Counter()
    records: dict[Policy, list[Recorded]] = {}
    for _ in range(number):
        policy = check(drawn(chance), people=False)
        facts, scores = _candidate(chance)
        standing = _standing(chance)
        eyes = Watched(scores)
        start = time.perf_counter()
        made = decide(policy, False, facts, standing, eyes)
        deciding += time.perf_counter() - start
        wanted = next(table(policy.model_dump(mode="json"), facts, standing, scores))
        same += (made.action, made.rule, made.reason) == wanted
        rules[made.rule] += 1
        calls += len(eyes.judged) if made.rule != "model" else 0
        records.setdefault(policy, []).append(_recorded(made, facts, standing, eyes))
    again = [replay(found, policy, False) for policy, found in records.items()]
    return {
        "same action, rule and reason": same,
        "decided by": dict(sorted(rules.items())),
        "model calls where a rule decided": calls,
        "replayed the same": sum(one.same for one in again),
        "microseconds a decision": round(deciding / number * 1e6, 1),
    }


def _people(number: int) -> dict[str, Any]:
    """Who must not be acted on by itself, before policies that would like anybody."""
    chance = random.Random(SEED)
    policies = [check(one) for one in EAGER]
    acts = looks = held = 0
    for turn in range(number):
        facts, scores = _candidate(chance)
        facts = Facts(bio=facts.bio, age=chance.choice((None, 0, 15, 17)), pictures=len(scores))
        eyes = Watched(scores, [True])
        policy = policies[turn % len(policies)]
        made = decide(policy, True, facts, _standing(chance), eyes, seed_of(str(turn)))
        acts += made.action in ACTS or made.kept
        looks += len(eyes.judged) + eyes.aged
        adult = Facts(bio=facts.bio, age=30, pictures=len(scores))
        eyes = Watched(scores, [True, False])
        made = decide(policy, True, adult, _standing(chance), eyes, seed_of(str(turn)))
        acts += made.action in ACTS
        held += made.person
    return {
        "not declared adults": number,
        "not clearly adult by estimate": number,
        "acts": acts,
        "looks at who is not declared an adult": looks,
        "left to a person": held,
    }


def _policy(chance: random.Random) -> dict[str, Any]:
    """Any policy of which the table knows all keys."""

    def words() -> list[str]:
        return chance.sample(WORDS, chance.randrange(3))

    def span(limits: Sequence[float]) -> dict[str, Any]:
        low, high = sorted(chance.choices(limits, k=2))
        pair = chance.choice(((low, high), (None, high), (low, None), (None, None)))
        return {"on": chance.random() < 0.7, "min": pair[0], "max": pair[1]}

    return {
        "accept_all": chance.random() < 0.2,
        "pictures": {"on": chance.random() < 0.7, "min": chance.randint(1, 3)},
        "age": span(AGES),
        "distance": span(DISTANCES),
        "bio": {
            "required": chance.random() < 0.3,
            "ban": words(),
            "super_like": words(),
            "like": words(),
        },
        "model": {"threshold": chance.choice((0.0, 0.25, 0.4, 0.75, 1.0))},
        "super_like": {"when": chance.sample(STRATEGIES, chance.randrange(4))},
    }


def _candidate(chance: random.Random) -> tuple[Facts, list[float | None]]:
    scores = chance.choices(SCORES, k=chance.randrange(5))
    bio = " ".join(chance.choices([*WORDS, "WALKS", "catsuit", "I"], k=chance.randrange(4)))
    facts = Facts(
        bio=bio,
        age=chance.choice((None, *AGES)),
        distance_km=chance.choice((None, *DISTANCES)),
        pictures=len(scores),
    )
    return facts, scores


def _standing(chance: random.Random) -> Standing:
    left, supers = chance.choice((None, 0, 1, 9)), chance.choice((None, 0, 1))
    return Standing(now=NOON, likes_left=left, super_likes_left=supers)


def _recorded(made: Decision, facts: Facts, standing: Standing, eyes: Watched) -> Recorded:
    return Recorded("c", made, facts, standing, eyes.judged)


if __name__ == "__main__":
    main(run)
