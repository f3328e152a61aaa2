"""Replays: nothing changes under the same policy, and what changes under another is told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tellapart.errors import Interrupted
from tellapart.policy import (
    Decision,
    Facts,
    Judged,
    Policy,
    Recorded,
    Replayed,
    Standing,
    check,
    decide,
    decide_as_told,
    replay,
    seed_of,
)
from tests.policy.scene import Estimate, Told, person, standing
from tests.policy.test_seven_rules import POLICIES, STANDINGS, candidates


class Kept(Told):
    """Eyes whose answers are kept, as a deck's turn keeps them."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.judged: dict[int, Judged] = {}
        self.score: float | None = None

    def judge(self) -> Any:
        for one in super().judge():
            self.judged[one.picture] = one
            yield one

    def whole(self, judged: Any) -> float | None:
        self.score = super().whole(judged)
        return self.score


def turn(
    policy: Policy,
    people: bool,
    facts: Facts,
    eyes: Kept,
    *,
    name: str = "c_1",
    now: Standing | None = None,
    dry: bool = True,
) -> Recorded:
    """Decide, and record what a deck would."""
    now = now or standing()
    chance = seed_of("d_1", name) if dry else None
    decision = decide(policy, people, facts, now, eyes, chance)
    return Recorded(
        candidate=name,
        decision=decision,
        facts=facts,
        standing=now,
        judged=eyes.judged,
        whole=eyes.score,
        chance=(lambda: seed_of("d_1", name)) if dry else None,
    )


RUNS = st.tuples(
    candidates(),
    STANDINGS,
    st.none() | st.floats(0, 1),
    st.none() | st.lists(st.booleans(), max_size=2),
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    data=POLICIES,
    runs=st.lists(RUNS, max_size=4),
    people=st.booleans(),
    learned=st.booleans(),
    explore=st.sampled_from([0.0, 0.5]),
)
def test_the_same_policy_decides_the_same(
    data: dict[str, Any], runs: list[Any], people: bool, learned: bool, explore: float
) -> None:
    model = {**data.get("model", {}), "group": "learned" if learned else "first"}
    policy = check({**data, "model": model, "explore": explore})
    records = []
    for number, ((facts, scores), now, together, clear) in enumerate(runs):
        estimates = None if clear is None else [Estimate(one) for one in clear]
        eyes = Kept(scores, together=together, estimates=estimates)
        records.append(turn(policy, people, facts, eyes, name=f"c_{number}", now=now))
    assert replay(records, policy, people) == Replayed(len(runs), len(runs), ())
    again = check(policy.model_dump(mode="json"), people=people)
    assert replay(records, again, people, lambda record: None).same == len(runs)


@pytest.mark.parametrize("after", [0, 1])
def test_a_model_that_failed_then_has_failed_now(after: int) -> None:
    eyes = Kept([0.1, 0.2], error=RuntimeError(), after=after)
    record = turn(Policy.default(), True, person(), eyes)
    assert record.decision.action == "leave"
    assert replay([record], Policy.default(), True).same == 1


def test_what_the_model_could_not_say_may_be_decided_by_a_rule() -> None:
    record = turn(Policy.default(), False, person(), Kept([None]))
    assert record.decision.action == "leave"
    for people in (True, False):
        assert replay([record], Policy.default(), people).same == 1
    eager = check({"accept_all": True})
    assert replay([record], eager, False).moves == {"leave → like": 1}
    found = replay([record], eager, True)
    assert found.unsure[0].unsure == "the ages were never looked at"


def test_an_estimate_that_failed_then_keeps_its_reason() -> None:
    class Broken(Kept):
        def ages(self) -> Any:
            raise RuntimeError

    record = turn(Policy.default(), True, person(), Broken([0.5]))
    assert "could not be estimated" in record.decision.reason
    assert replay([record], Policy.default(), True).same == 1


def stream() -> list[Recorded]:
    """A day under the default: liked at .5, .9 and .45, passed at .3, and one without pictures."""
    rows = [([0.5], 25), ([0.1, 0.9], 35), ([0.3, 0.2], 30), ([0.2, 0.45, 0.8], 50), ([], 40)]
    return [
        turn(
            Policy.default(),
            True,
            person(age=age, pictures=len(scores)),
            Kept(scores, estimates=[Estimate(True)]),
            name=f"c_{number}",
            dry=False,
        )
        for number, (scores, age) in enumerate(rows)
    ]


def test_pictures_that_nobody_could_look_at_are_not_asked_for() -> None:
    """More were offered than a turn looks at: a pass then is a pass now."""
    for data in ({}, {"model": {"group": "learned"}}):
        policy = check(data)
        facts = person(pictures=40)
        record = turn(policy, True, facts, Kept([0.1, 0.2], together=0.3))
        assert record.decision.action == "pass"
        assert replay([record], policy, True).same == 1


def test_differences_are_told() -> None:
    found = replay(stream(), check({"age": {"max": 40}, "model": {"threshold": 0.25}}), True)
    assert (found.total, found.unsure) == (5, ())
    assert found.moves == {"like → pass": 1, "pass → like": 1}
    by_name = {one.candidate: one for one in found.differences}
    assert by_name["c_3"].after == Decision("pass", "age", "The declared age is above 40.")
    after = by_name["c_2"].after
    assert after is not None and (after.action, after.score) == ("like", 0.3)
    assert by_name["c_2"].before.action == "pass"
    # The threshold stands in the reason of who is liked as before.
    assert {one.candidate for one in found.differences} - {"c_2", "c_3"} == {"c_0", "c_1"}
    assert len(found.changed) == 2


def test_what_was_never_judged_is_said_or_looked_at() -> None:
    higher = check({"model": {"threshold": 0.6}})
    found = replay(stream(), higher, True)
    assert [(one.candidate, one.unsure) for one in found.unsure] == [
        ("c_3", "picture 3 was never judged")
    ]
    assert found.moves == {"like → pass": 1}
    looked: list[Told] = []

    def eyes(record: Recorded) -> Told:
        looked.append(Told([0.2, 0.45, 0.8]))
        return looked[-1]

    found = replay(stream(), higher, True, eyes)
    assert found.unsure == () and len(looked) == 1
    after = next(one.after for one in found.differences if one.candidate == "c_3")
    assert after is not None and (after.action, after.picture) == ("like", 2)


@pytest.mark.parametrize("eyes", [Told([]), Told([0.2, 0.4], error=OSError(), after=2)])
def test_pictures_that_are_gone_leave_it_open(eyes: Told) -> None:
    found = replay(stream(), check({"model": {"threshold": 0.6}}), True, lambda record: eyes)
    assert len(found.unsure) == 1 and found.unsure[0].after is None
    assert "picture 3 was never judged" in found.unsure[0].unsure


def test_another_group_rule_asks_for_what_was_never_asked() -> None:
    learned = check({"model": {"group": "learned"}})
    found = replay(stream(), learned, True)
    assert len(found.unsure) == 4, "there is no score of all pictures together"
    found = replay(stream(), learned, True, lambda r: Told([0.0] * 3, together=0.5))
    assert found.unsure == ()
    assert {one.after.action for one in found.changed if one.after} == {"like"}


def test_what_the_guard_held_back_stays_held_back() -> None:
    held = turn(Policy.default(), True, person(), Kept([0.5], estimates=[Estimate(False)]))
    eager = check({"accept_all": True})
    found = replay([held], eager, True)
    assert found.changed == () and found.unsure == ()
    young = turn(Policy.default(), True, person(age=None), Kept([0.5]))
    assert replay([young], eager, True).same == 1
    # Where the guard was never asked, it is now.
    stopped = turn(Policy.default(), True, person(), Kept([0.5]), now=standing(session=1000))
    more = check({"limits": {"session": None}, "accept_all": True})
    assert replay([stopped], more, True).unsure[0].unsure == "the ages were never looked at"
    for clear, action in ((True, "like"), (False, "leave")):
        eyes = Told([0.5], estimates=[Estimate(clear)])
        one = replay([stopped], more, True, lambda record, eyes=eyes: eyes).differences[0]
        assert one.after is not None and one.after.action == action
    assert replay([stopped], more, False).unsure == ()


def test_a_persons_word_stands() -> None:
    now = standing()
    told = decide_as_told(Policy.default(), True, person(), now, "like")
    record = Recorded("c_1", told, person(), now)
    assert replay([record], check({"bio": {"ban": ["walks"]}}), True).same == 1


def test_a_replay_can_be_stopped() -> None:
    eyes = Told([0.1], error=Interrupted("stopped", expected="-", do="-"))
    with pytest.raises(Interrupted):
        replay(stream(), check({"model": {"threshold": 0.6}}), True, lambda record: eyes)
