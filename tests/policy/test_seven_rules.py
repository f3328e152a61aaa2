"""The seven rules against the table of `benchmarks.deck_rules`, for any policy.

The table was written from the rules' description alone; it shares no code with what it is held
against.
"""

from __future__ import annotations

import random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.deck_rules import AGES, DISTANCES, WORDS, table
from tellapart.policy import ACTS, Facts, Standing, check, decide
from tests.policy.scene import NOON, Estimate, Told


def words() -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(WORDS), max_size=2, unique=True)


def span(limits: tuple[float, ...]) -> st.SearchStrategy[dict[str, Any]]:
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


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
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


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
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
