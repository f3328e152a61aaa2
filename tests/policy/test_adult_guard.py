"""Who is not declared an adult is not judged, whatever a policy, chance or estimate says."""

from __future__ import annotations

import inspect
import itertools
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tellapart.errors import Interrupted
from tellapart.policy import (
    ACTS,
    Decision,
    Policy,
    adults,
    check,
    decide,
    decide_as_told,
    declared_adult,
)
from tests.policy.scene import Estimate, Told, person, standing

#: Everything a policy can do to get somebody liked.
EAGER = check(
    {
        "accept_all": True,
        "pictures": {"on": False},
        "age": {"on": False},
        "distance": {"on": False},
        "bio": {"like": ["walks"], "super_like": ["walks"]},
        "model": {"threshold": 0.0},
        "super_like": {"when": ["out_of_likes", "bio_words", "high_confidence"]},
        "limits": {"session": None},
        "explore": 0.5,
    }
)
#: The same without accept-all, so that each of the other ways is gone.
BY_MODEL = check({"model": {"threshold": 0.0}, "explore": 0.5})
BY_WORD = check({"bio": {"like": ["walks"]}})
BY_CHANCE = check({"model": {"threshold": 1.0}, "explore": 0.5})
ALL = [EAGER, BY_MODEL, BY_WORD, BY_CHANCE, Policy.default()]
NOT_ADULT: list[Any] = [
    *(None, 0, 1, -5, 17, 17.99, float("nan"), float("inf"), float("-inf")),
    *(True, False, "30", "18", b"40", [40], {"age": 40}),
]


class Always(random.Random):
    """A chance that always explores."""

    def random(self) -> float:
        return 0.0


@pytest.mark.parametrize("age", NOT_ADULT, ids=repr)
@pytest.mark.parametrize("policy", ALL)
def test_who_is_not_declared_an_adult_is_not_judged(policy: Policy, age: Any) -> None:
    eyes = Told([1.0, 1.0], estimates=[Estimate(True)])
    for people, left in itertools.product([True, None, 0, "", "no"], [None, 0, 5]):
        made = decide(policy, people, person(age=age), standing(likes_left=left), eyes, Always())
        assert (made.action, made.rule, made.kept) == ("leave", "adult", False)
        assert (made.picture, made.score, made.person, made.explored) == (None, None, False, False)
        assert decide_as_told(policy, people, person(age=age), standing(), "like") == made
    assert eyes.asked == [], "not even looked at"


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    age=st.none() | st.integers(max_value=17) | st.floats(max_value=17.999),
    share=st.floats(0, 0.5),
    threshold=st.floats(0, 1),
    accept=st.booleans(),
    left=st.none() | st.integers(0, 3),
)
def test_no_policy_gets_around_the_declared_age(
    age: Any, share: float, threshold: float, accept: bool, left: int | None
) -> None:
    data = {"accept_all": accept, "explore": share, "model": {"threshold": threshold}}
    made = decide(
        check(data), True, person(age=age), standing(likes_left=left), Told([1.0]), Always()
    )
    assert (made.action, made.rule) == ("leave", "adult")


def test_the_refusal_tells_nothing_of_the_person() -> None:
    made = decide(EAGER, True, person(name="Zoe", age=16, bio="zebra"), standing(), Told())
    assert not any(word in repr(made) for word in ("16", "Zoe", "zebra"))


@pytest.mark.parametrize("age", [18, 19, 30, 99, 18.0])
def test_who_is_declared_an_adult_is_judged(age: Any) -> None:
    assert declared_adult(person(age=age))
    assert decide(BY_MODEL, True, person(age=age), standing(), Told([0.5])).action == "like"


UNCLEAR: list[Any] = [False, None, 0, "", "yes", 1, float("nan")]


@pytest.mark.parametrize("clear", UNCLEAR, ids=repr)
@pytest.mark.parametrize("policy", ALL)
def test_an_estimate_that_is_not_clearly_adult_leaves_it_to_a_person(
    policy: Policy, clear: Any
) -> None:
    eyes = Told([0.5, 0.6], estimates=[Estimate(True), Estimate(clear)])
    made = decide(policy, True, person(), standing(), eyes, Always())
    assert (made.action, made.rule, made.person) == ("leave", "estimate", True)
    assert made.explored is False and made.kept
    assert "person decides" in made.reason


@pytest.mark.parametrize(
    ("data", "known", "left", "would"),
    [
        ({}, {"pictures": 0}, 5, "pass"),
        ({"age": {"max": 25}}, {}, 5, "pass"),
        ({"distance": {"max": 5}}, {"distance_km": 9.0}, 5, "pass"),
        ({"bio": {"ban": ["walks"]}}, {}, 5, "pass"),
        ({"veto": [{"field": "name", "equals": "kim"}]}, {}, 5, "pass"),
        ({"model": {"threshold": 0.9}}, {}, 5, "pass"),
        ({"accept_all": True}, {}, 5, "like"),
        ({"bio": {"like": ["walks"]}}, {}, 5, "like"),
        ({"super_like": {"when": ["out_of_likes"]}}, {}, 0, "super_like"),
        ({}, {}, 5, "like"),
    ],
)
def test_every_act_by_itself_is_held_back(
    data: dict[str, Any], known: dict[str, Any], left: int, would: str
) -> None:
    facts, now = person(**known), standing(likes_left=left)
    free = decide(check(data), True, facts, now, Told([0.5], estimates=[]))
    assert free.action == would and would in ACTS
    held = decide(check(data), True, facts, now, Told([0.5], estimates=[Estimate(False)]))
    assert (held.action, held.person) == ("leave", True)


def test_estimates_only_refuse() -> None:
    """The clearest estimates admit nobody, and hand nothing over that would not act anyway."""
    eyes = Told([0.9], estimates=[Estimate(True)] * 3)
    assert decide(EAGER, True, person(age=None), standing(), eyes).rule == "adult"
    for left, scores in ((0, [0.9]), (5, [None])):
        eyes = Told(scores, estimates=[Estimate(False)])
        made = decide(Policy.default(), True, person(), standing(likes_left=left), eyes)
        assert made.rule != "estimate" and "ages" not in eyes.asked


def test_a_failing_estimate_is_not_clear() -> None:
    class Broken(Told):
        def ages(self) -> Any:
            raise RuntimeError("no such input")

    made = decide(EAGER, True, person(), standing(), Broken([1.0]))
    assert (made.action, made.rule, made.person) == ("leave", "estimate", True)

    class Nothing:
        """An estimate that cannot say."""

    eyes = Told([1.0], estimates=[Nothing()])  # type: ignore[list-item]
    assert decide(EAGER, True, person(), standing(), eyes).rule == "estimate"

    class Stopped(Told):
        def ages(self) -> Any:
            raise Interrupted("stopped", expected="-", do="-")

    with pytest.raises(Interrupted):
        decide(EAGER, True, person(), standing(), Stopped([1.0]))


def test_a_person_may_decide_where_an_estimate_held_back() -> None:
    made = decide_as_told(Policy.default(), True, person(), standing(), "like")
    assert made == Decision("like", "person", "A person decided.")


def test_things_are_not_guarded() -> None:
    eyes = Told([0.5], estimates=[Estimate(False)])
    made = decide(Policy.default(False), False, person(age=3), standing(), eyes)
    assert made.action == "like" and "ages" not in eyes.asked


def test_the_guard_takes_no_policy() -> None:
    """Nothing that a policy says can reach it."""
    for guard in (adults.refused, adults.guarded, adults.declared_adult):
        assert "policy" not in inspect.signature(guard).parameters
    assert "schema" not in inspect.getsource(adults)
    assert adults.ADULT == 18


@pytest.mark.parametrize("key", ["min", "max"])
def test_a_policy_for_people_cannot_name_an_age_below_18(key: str) -> None:
    from tellapart.errors import PolicyError

    with pytest.raises(PolicyError) as caught:
        check({"age": {key: 17}})
    assert caught.value.problems[0]["path"] == f"age.{key}"
    assert "never judged" in caught.value.problems[0]["expected"]
    assert getattr(check({"age": {key: 3}}, people=False).age, key) == 3
