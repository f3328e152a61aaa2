"""What stands around the seven rules: limits, quiet hours, vetoes, super likes, failures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tellapart.errors import Interrupted, PictureError
from tellapart.policy import (
    Decision,
    Facts,
    Policy,
    check,
    decide,
    decide_as_told,
    seed_of,
    unreadable,
)
from tests.policy.scene import Told, person, standing

DEFAULT = Policy.default()


def made(
    data: dict[str, Any], eyes: Told | None = None, *, now: Any = None, **known: Any
) -> Decision:
    facts = person(**known)
    return decide(check(data), True, facts, now or standing(), eyes or Told([0.1, 0.5]))


@pytest.mark.parametrize(
    ("limits", "done", "action"),
    [
        ({}, {"session": 999}, "like"),
        ({}, {"session": 1000}, "stop"),
        ({"session": None}, {"session": 5000}, "like"),
        ({"session": 5}, {"session": 7}, "stop"),
        ({"day": 20}, {"today": 19}, "like"),
        ({"day": 20}, {"today": 20}, "stop"),
    ],
)
def test_limits_stop_the_turn(limits: Any, done: Any, action: str) -> None:
    eyes = Told([0.5])
    found = made({"limits": limits}, eyes, now=standing(**done))
    assert found.action == action and (found.rule == "limit") == (action == "stop")
    assert bool(eyes.asked) == (action == "like")


def test_limits_come_before_every_rule_but_the_guard() -> None:
    now = standing(session=1000, likes_left=0)
    assert made({"accept_all": True}, now=now, pictures=0).rule == "limit"
    assert made({"accept_all": True}, now=now, age=None).rule == "adult"
    assert decide_as_told(DEFAULT, True, person(), now, "like").rule == "limit"


@pytest.mark.parametrize(
    ("hours", "at", "inside"),
    [
        ("23:00-07:00", "22:59", False),
        ("23:00-07:00", "23:00", True),
        ("23:00-07:00", "00:00", True),
        ("23:00-07:00", "06:59", True),
        ("23:00-07:00", "07:00", False),
        ("12:00-13:30", "13:29", True),
        ("12:00-13:30", "13:30", False),
        ("00:00-24:00", "12:00", None),
        ("9:00 - 17:00", "09:00", True),
        ("18:00-24:00", "23:59", True),
        ("18:00-24:00", "00:00", False),
    ],
)
def test_quiet_hours(hours: str, at: str, inside: bool | None) -> None:
    hour, minute = map(int, at.split(":"))
    now = standing(now=datetime(2025, 3, 4, hour, minute, tzinfo=UTC))
    if inside is None:
        with pytest.raises(Exception, match="hours"):
            check({"quiet": {"hours": hours}})
        return
    found = made({"quiet": {"hours": [hours]}}, now=now)
    assert (found.action, found.rule) == (("stop", "quiet") if inside else ("like", "model"))


def test_quiet_hours_go_by_the_clock_of_their_zone() -> None:
    data = {"quiet": {"hours": "22:00-23:00", "timezone": "Asia/Tokyo"}}
    at = datetime(2025, 7, 1, 13, 30, tzinfo=UTC)
    assert (
        made(data, now=standing(now=at)).reason
        == "Nothing is done from 22:00 to 23:00 (Asia/Tokyo)."
    )
    here = at.astimezone(timezone(timedelta(hours=-7)))
    assert made(data, now=standing(now=here)).rule == "quiet"
    assert made(data, now=standing(now=at.replace(tzinfo=None))).rule == "quiet"
    assert made(data, now=standing(now=at + timedelta(hours=1))).rule == "model"


FIELDS = {
    "price": 1800,
    "text": "Cold rent, no pets",
    "rooms": "2.5",
    "jobs": [{"title": "Pilot"}, {"title": None}, {"name": "x"}, "odd"],
    "tags": ["new", "Garden"],
    "empty": "  ",
    "none": None,
    "lift": False,
    "a.b": 7,
    "name": "of the field",
}


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ({"field": "price", "above": 1500}, True),
        ({"field": "price", "above": 1800}, False),
        ({"field": "price", "below": 1800.5}, True),
        ({"field": "price", "below": 1800}, False),
        ({"field": "rooms", "below": 3}, True),
        ({"field": "text", "above": 1}, False),
        ({"field": "lift", "below": 1}, False),
        ({"field": "lift", "equals": False}, True),
        ({"field": "lift", "equals": 0}, False),
        ({"field": "price", "equals": [1, 1800.0]}, True),
        ({"field": "tags", "equals": "garden"}, True),
        ({"field": "tags", "equals": ["gard"]}, False),
        ({"field": "text", "contains": "pets"}, True),
        ({"field": "text", "contains": ["pet", "rents"]}, False),
        ({"field": "text", "contains": "pet*"}, True),
        ({"field": "jobs.title", "equals": "PILOT"}, True),
        ({"field": "jobs.title", "missing": True}, False),
        ({"field": "jobs.pay", "missing": True}, True),
        ({"field": "jobs.pay", "above": 1}, False),
        ({"field": "price.deep", "missing": True}, True),
        ({"field": "empty", "missing": True}, True),
        ({"field": "none", "missing": True}, True),
        ({"field": "nowhere", "missing": False}, False),
        ({"field": "price", "missing": False}, True),
        ({"field": "a.b", "equals": 7}, True),
        ({"field": "distance_km", "missing": True}, True),
        ({"field": "age", "above": 29}, True),
        ({"field": "pictures", "below": 3}, True),
        ({"field": "bio", "contains": "WALKS"}, True),
        ({"field": "name", "equals": "of the field"}, True),
    ],
)
def test_vetoes(rule: dict[str, Any], holds: bool) -> None:
    eyes = Told([0.5])
    found = made({"veto": [rule], "accept_all": True}, eyes, fields=FIELDS)
    assert (found.action, found.rule) == (("pass", "veto") if holds else ("like", "accept_all"))
    assert eyes.calls == 0
    if holds:
        assert found.reason.startswith(f"Veto: {rule['field']} ")
    left = made({"veto": [{**rule, "do": "leave"}]}, fields=FIELDS)
    assert (left.action == "leave" and left.person) is holds


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    fields=st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["a", "b", "c", "a.b"]), inner, max_size=3)
        ),
        max_leaves=12,
    ),
    path=st.sampled_from(["a", "b", "a.b", "a.b.c", ".", "a.", "age"]),
    condition=st.sampled_from(
        [{"above": 0}, {"below": 0}, {"equals": [1, "x"]}, {"contains": "x"}, {"missing": True}]
    ),
)
def test_vetoes_bear_whatever_a_source_tells(fields: Any, path: str, condition: Any) -> None:
    known = fields if isinstance(fields, dict) else {"a": fields}
    found = made({"veto": [{"field": path, **condition}]}, fields=known)
    assert found.rule in ("veto", "model")


@pytest.mark.parametrize(
    ("word", "text", "found"),
    [
        ("art", "I love Art!", True),
        ("art", "a party", False),
        ("art", "smart", False),
        ("art*", "Artful", True),
        ("*art", "smart", True),
        ("*art*", "parties", True),
        ("dont smoke", "I dont\n  SMOKE.", True),
        ("don't", "I don’t", True),
        ("straße", "STRASSE 5", True),
        ("cafe\u0301", "Café", True),
        ("c++", "C++ and tea", True),
        ("c++", "c+", False),
        ("#nature", "so #nature", True),
        ("ノー", "パーティーノー", True),
        ("cat", "cat_lover", False),
        ("18", "I am 180 cm", False),
        ("(", "a (b)", True),
    ],
)
def test_words_are_found_whole_however_they_are_written(word: str, text: str, found: bool) -> None:
    assert (made({"bio": {"ban": [word]}}, bio=text).rule == "bio") is found


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(word=st.text(min_size=1, max_size=12), text=st.text(max_size=40))
def test_any_word_and_any_text_can_be_compared(word: str, text: str) -> None:
    try:
        policy = check({"bio": {"ban": [word]}})
    except Exception as error:
        assert "bio.ban" in str(error)
        return
    assert decide(policy, False, Facts(bio=text, pictures=1), standing(), Told([0.5]))
    inside = Facts(bio=f"well {word.strip('*')} then", pictures=1)
    assert decide(policy, False, inside, standing(), Told([0.5])).rule == "bio"


@pytest.mark.parametrize(
    ("when", "left", "score", "action"),
    [
        ([], None, 0.99, "like"),
        (["high_confidence"], None, 0.99, "super_like"),
        (["high_confidence"], 1, 0.9, "super_like"),
        (["high_confidence"], 0, 0.99, "like"),
        (["high_confidence"], 1, 0.89, "like"),
        (["bio_words", "out_of_likes"], 1, 0.99, "like"),
        ("dont", 1, 0.99, "like"),
        ("Don't", 1, 0.99, "like"),
    ],
)
def test_high_confidence(when: Any, left: int | None, score: float, action: str) -> None:
    for group in ("first", "learned"):
        data = {"super_like": {"when": when}, "model": {"group": group}}
        eyes = Told([score], together=score)
        assert made(data, eyes, now=standing(super_likes_left=left)).action == action


def test_costs_set_the_threshold() -> None:
    assert check({"model": {"costs": {"wrong_like": 2, "missed_like": 3}}}).threshold == 0.4
    dear = {"model": {"costs": {"wrong_like": 9, "missed_like": 1}}}
    assert made(dear, Told([0.89])).action == "pass"
    assert made(dear, Told([0.9])).action == "like"


LEARNED = {"model": {"group": "learned"}}


def test_all_pictures_together() -> None:
    eyes = Told([0.1, 0.3, 0.2], together=0.41)
    found = made(LEARNED, eyes)
    assert (found.action, found.picture, found.score) == ("like", 1, 0.41)
    assert eyes.asked == [0, 1, 2, "whole", "ages"]
    assert found.reason == "All pictures together have 41 %, at or above 40 %."
    assert made(LEARNED, Told([0.9, 0.9], together=0.39)).action == "pass"
    assert made(LEARNED, Told([])).action == "pass"
    for eyes in (
        Told([0.9, 0.9], together=None),
        Told([None, None], together=0.9),
        Told([None, 0.9], together=0.3),
        Told([0.9], together=float("nan")),
    ):
        assert (found := made(LEARNED, eyes)).action == "leave" and found.rule == "model"
    assert made(LEARNED, Told([None, 0.9], together=0.8)).action == "like"


@pytest.mark.parametrize("group", ["first", "learned"])
@pytest.mark.parametrize(
    "scores", [[None], [None, None], [0.1, None], [float("nan")], [1.5], [-0.1], ["0.9"], [True]]
)
def test_a_model_that_fails_never_likes(group: str, scores: list[Any]) -> None:
    found = made({"model": {"group": group, "threshold": 0.2}}, Told(scores, together=0.1))
    assert (found.action, found.rule) == ("leave", "model")
    assert found.reason.startswith("Not judged: ")


@pytest.mark.parametrize("group", ["first", "learned"])
@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_model_that_raises_is_not_judged(group: str, after: int) -> None:
    for error, what in (
        (RuntimeError("secret path"), "RuntimeError"),
        (PictureError("The session ended.", expected="-", do="-"), "The session ended"),
    ):
        eyes = Told([0.1, 0.2], error=error, after=after)
        found = made({"model": {"group": group, "threshold": 0.3}}, eyes)
        assert (found.action, found.reason) == ("leave", f"Not judged: {what}.")
    stopped = Told([0.1], error=Interrupted("stopped", expected="-", do="-"))
    with pytest.raises(Interrupted):
        made({}, stopped)


def test_scores_of_any_kind_of_float_count() -> None:
    assert made({}, Told([np.float32(0.5)])).score == 0.5  # type: ignore[list-item]
    assert made({}, Told([1])).action == "like"


def test_chance_likes_what_the_model_would_pass_and_nothing_else() -> None:
    policy = check({"explore": 0.2, "bio": {"ban": ["no"]}})
    explored = 0
    for number in range(1000):
        eyes, chance = Told([0.1, 0.3]), seed_of("d_1", f"c_{number}")
        found = decide(policy, True, person(), standing(), eyes, chance)
        again = decide(policy, True, person(), standing(), eyes, seed_of("d_1", f"c_{number}"))
        assert found == again
        explored += found.explored
        assert found.action == ("like" if found.explored else "pass")
        assert (found.picture, found.score) == (1, 0.3)
        live = decide(policy, True, person(), standing(), eyes, None)
        assert live.action == "pass" and not live.explored, "a live deck gives no chance"
    assert 150 < explored < 250
    for scores, bio in (([None], ""), ([], ""), ([0.1], "no")):
        for number in range(50):
            found = decide(
                policy, True, person(bio=bio), standing(), Told(scores), seed_of(str(number))
            )
            assert not found.explored and found.action != "like"


def test_a_persons_own_word() -> None:
    def told(act: Any, **now: Any) -> Decision:
        return decide_as_told(DEFAULT, True, person(), standing(**now), act)

    assert told("pass", likes_left=0) == Decision("pass", "person", "A person decided.")
    assert told("like", likes_left=0).action == "stop"
    assert told("super_like", likes_left=0).action == "super_like"
    assert told("super_like", super_likes_left=0).action == "stop"


def test_what_could_not_be_read_is_left() -> None:
    found = unreadable("profile.json is no JSON.")
    assert found == Decision(
        "leave", "problem", "The source could not read it: profile.json is no JSON."
    )
    assert found.kept and not found.person


def test_reasons_tell_nothing_of_the_person() -> None:
    data = {
        "age": {"max": 40},
        "distance": {"max": 20},
        "veto": [{"field": "pay", "above": 10}],
    }
    for known in ({"age": 77}, {"distance_km": 77.0}, {"fields": {"pay": 77}}):
        found = made(data, **known)
        assert found.action == "pass" and "77" not in found.reason
