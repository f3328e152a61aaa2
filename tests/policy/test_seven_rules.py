"""The seven rules against a table written from their description alone, for any policy.

The table knows nothing of `tellapart.policy` but its shapes: it reads the policy as a mapping, and
every row of it is a condition, an action and the sentence that must be given as the reason.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.policy import ACTS, Facts, Standing, check, decide
from tests.policy.scene import NOON, Estimate, Told

WORDS = ["walks", "smoker", "cats", "long way"]
Row = tuple[str, str, str]


def words() -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(WORDS), max_size=2, unique=True)


#: Few, so that facts often lie on the limits themselves.
AGES, DISTANCES = [18, 25, 26, 40, 41, 70], [0, 5, 5.5, 30, 31]


def span(limits: list[Any]) -> st.SearchStrategy[dict[str, Any]]:
    def ordered(on: bool, least: Any, most: Any) -> dict[str, Any]:
        if least is not None and most is not None:
            least, most = min(least, most), max(least, most)
        return {"on": on, "min": least, "max": most}

    limit = st.none() | st.sampled_from(limits)
    return st.builds(ordered, st.sampled_from([True, True, False]), limit, limit)


POLICIES = st.just({}) | st.fixed_dictionaries(
    {},
    optional={
        "accept_all": st.sampled_from([False, False, True]),
        "pictures": st.fixed_dictionaries({"on": st.booleans(), "min": st.integers(1, 3)}),
        "age": span(AGES),
        "distance": span(DISTANCES),
        "bio": st.fixed_dictionaries(
            {"required": st.booleans(), "ban": words(), "super_like": words(), "like": words()}
        ),
        "model": st.fixed_dictionaries({"threshold": st.sampled_from([0.0, 0.25, 0.4, 0.75, 1.0])}),
        "super_like": st.fixed_dictionaries(
            {
                "when": st.lists(
                    st.sampled_from(["out_of_likes", "bio_words", "high_confidence"]), unique=True
                )
            }
        ),
    },
)
SCORES = st.none() | st.sampled_from([0.0, 0.1, 0.25, 0.399, 0.4, 0.5, 0.75, 0.9, 1.0])
BIOS = st.lists(st.sampled_from([*WORDS, "WALKS", "catsuit", "I", "like"]), max_size=4).map(
    " ".join
) | st.sampled_from(["", "   "])


@st.composite
def candidates(draw: Any) -> tuple[Facts, list[float | None]]:
    scores = draw(st.lists(SCORES, max_size=4))
    facts = Facts(
        bio=draw(BIOS),
        age=draw(st.none() | st.sampled_from(AGES)),
        distance_km=draw(st.none() | st.sampled_from(DISTANCES).map(float)),
        pictures=len(scores),
    )
    return facts, scores


STANDINGS = st.builds(
    Standing,
    now=st.just(NOON),
    likes_left=st.none() | st.integers(0, 2),
    super_likes_left=st.none() | st.integers(0, 1),
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
    # 4 age out of range -> pass; 5 distance out of range -> pass
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
    # 6 bio: required and empty -> pass, banned -> pass, super-like word, like word
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
    yield by_model(policy, scores, "high_confidence" in supers and one_left)


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


@settings(max_examples=600, deadline=None)
@given(data=POLICIES, candidate=candidates(), standing=STANDINGS)
def test_every_decision_is_the_tables(
    data: dict[str, Any], candidate: tuple[Facts, list[float | None]], standing: Standing
) -> None:
    facts, scores = candidate
    policy = check(data, people=False)
    eyes = Told(scores)
    made = decide(policy, False, facts, standing, eyes)
    action, rule, reason = next(table(policy.model_dump(mode="json"), facts, standing, scores))
    assert (made.action, made.rule, made.reason) == (action, rule, reason)
    if rule != "model":
        assert eyes.asked == [], "a rule that decides asks no model"
        assert made.picture is None and made.score is None
    if action in ("like", "super_like") and rule == "model":
        assert made.picture is not None and made.score == scores[made.picture]
        assert eyes.asked == list(range(made.picture + 1)), "it stops at the one that decides"
    assert made.person is False and made.explored is False


@settings(max_examples=300, deadline=None)
@given(
    data=POLICIES,
    candidate=candidates(),
    standing=STANDINGS,
    clear=st.lists(st.booleans(), max_size=3) | st.none(),
    seed=st.integers(0, 99),
)
def test_the_same_for_people_behind_the_guard(
    data: dict[str, Any],
    candidate: tuple[Facts, list[float | None]],
    standing: Standing,
    clear: list[bool] | None,
    seed: int,
) -> None:
    facts, scores = candidate
    policy = check(data)
    estimates = None if clear is None else [Estimate(one) for one in clear]
    eyes = Told(scores, estimates=estimates)
    made = decide(policy, True, facts, standing, eyes, random.Random(seed))
    if facts.age is None:
        assert (made.action, made.rule, eyes.asked) == ("leave", "adult", [])
        return
    action, rule, reason = next(table(policy.model_dump(mode="json"), facts, standing, scores))
    if action in ACTS and clear is not None and not all(clear):
        assert (made.action, made.rule, made.person) == ("leave", "estimate", True)
    else:
        assert (made.action, made.rule, made.reason) == (action, rule, reason)
    assert eyes.asked.count("ages") == (1 if action in ACTS else 0)
    if rule != "model":
        assert eyes.calls == 0


def test_the_default_is_the_older_programs() -> None:
    """As its settings page came: one picture, adults, 40 %, 1000 a session, no super likes."""
    said = check(None).model_dump(mode="json")
    assert said["accept_all"] is False
    assert said["pictures"] == {"on": True, "min": 1}
    assert said["age"] == {"on": True, "min": 18, "max": None}
    assert said["distance"] == {"on": True, "min": None, "max": None}
    assert said["bio"] == {"required": False, "ban": [], "super_like": [], "like": []}
    assert said["model"] == {"threshold": 0.4, "costs": None, "group": "first"}
    assert said["limits"] == {"session": 1000, "day": None}
    assert said["super_like"]["when"] == [] and said["explore"] == 0
    assert said["veto"] == [] and said["quiet"]["hours"] == []
