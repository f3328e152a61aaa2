"""The rules against a table written apart from them, in the older program's order."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellapart.learn.faces import AgeEstimate
from tellapart.learn.labelling import LEFT_OUT, Exact, Labelled, Seen, bucket_of, decide
from tellapart.recipe import Rules


@dataclass(frozen=True)
class Case:
    """One picture as the older program knew it; its ages were taken at their word."""

    bucket: str | None
    people: int
    male: bool
    ages: tuple[int, ...]


cases = st.builds(
    Case,
    bucket=st.sampled_from([None, "ok", "no"]),
    people=st.integers(0, 4),
    male=st.booleans(),
    ages=st.lists(st.integers(1, 99), max_size=4).map(tuple),
)
limits = st.fixed_dictionaries(
    {
        "face": st.booleans(),
        "min_people": st.integers(0, 2),
        "max_people": st.integers(0, 3),
        "fail_on_male": st.booleans(),
        "min_age": st.sampled_from([0, 18, 25]),
        "max_age": st.sampled_from([0, 30, 45]),
    }
)


def old_program(case: Case, limits: dict[str, int]) -> tuple[str | None, str]:
    """NO bucket → NO; no face → NO; people; male; any age; else YES."""
    if case.bucket == "no":
        return "NO", "bucket"
    if case.bucket is None:
        return None, "no_bucket"
    if limits["face"] and case.people == 0:
        return "NO", "face"
    if case.people < limits["min_people"]:
        return "NO", "people"
    if limits["max_people"] and case.people > limits["max_people"]:
        return "NO", "people"
    if case.people and limits["fail_on_male"] and case.male:
        return "NO", "male"
    for age in case.ages if case.people else ():
        if limits["min_age"] and age < limits["min_age"]:
            return "NO", "age"
        if limits["max_age"] and age > limits["max_age"]:
            return "NO", "age"
    return "YES", "passed"


@given(cases, limits)
def test_the_older_programs_order_and_limits(case: Case, limits: dict[str, int]) -> None:
    rules = Rules(buckets={"ok": "YES", "no": "NO"}, disqualified="NO", **limits)
    ages = tuple(map(Exact, case.ages))
    seen = Seen(people=case.people, male=float(case.male), ages=ages)
    label, rule = old_program(case, limits)
    found = decide(rules, case.bucket, seen)
    assert (found.label or None, found.rule) == (label, rule)
    assert found.label or found.rule in LEFT_OUT


@pytest.mark.parametrize(
    ("years", "expected"),
    [
        (60, ("NO", "age")),
        (53, ("", "doubt_age")),
        (45, ("", "doubt_age")),
        (30, ("YES", "passed")),
        (20, ("", "doubt_age")),
        (5, ("NO", "age")),
    ],
)
def test_an_estimate_decides_nothing_near_a_limit(years: int, expected: tuple[str, str]) -> None:
    rules = Rules(buckets={"ok": "YES"}, disqualified="NO", min_age=18, max_age=45)
    seen = Seen(people=1, male=0.0, ages=(AgeEstimate(float(years), 7.0),))
    found = decide(rules, "ok", seen)
    assert (found.label, found.rule) == expected


def test_what_is_in_doubt_may_count_as_disqualified() -> None:
    rules = Rules(
        buckets={"ok": "YES"}, disqualified="NO", fail_on_male=True, doubtful="disqualify"
    )
    assert decide(rules, "ok", Seen(1, male=0.5, ages=())) == Labelled("NO", "male", -1)
    assert decide(rules, "ok", None).label == "NO"


def test_what_nobody_looked_at_gets_no_label() -> None:
    rules = Rules(buckets={"ok": "YES", "no": "NO"}, disqualified="NO", face=True)
    assert decide(rules, "ok", None) == Labelled("", "not_seen", -2)
    assert decide(rules, "no", None) == Labelled("NO", "bucket", -2)


def test_without_a_class_for_them_the_disqualified_are_left_out() -> None:
    rules = Rules(buckets={"ok": "YES", "no": "NO"}, face=True)
    assert decide(rules, "ok", Seen(0)) == Labelled("", "disqualified_face", -8)
    assert decide(rules, "no", Seen(1)) == Labelled("NO", "passed", -1)


@pytest.mark.parametrize(("code", "rule"), [(-3, "age"), (-4, "male"), (-7, "people")])
def test_a_status_code_stands_for_what_was_not_kept(code: int, rule: str) -> None:
    rules = Rules(
        buckets={"ok": "YES"}, disqualified="NO", max_people=1, fail_on_male=True, max_age=40
    )
    assert decide(rules, "ok", Seen(None, code=code)) == Labelled("NO", rule, code)


def test_rules_are_asked_in_the_order_given() -> None:
    seen = Seen(people=3, male=1.0, ages=())
    rules = Rules(buckets={"ok": "YES"}, disqualified="NO", max_people=1, fail_on_male=True)
    assert decide(rules, "ok", seen).rule == "people"
    turned = rules.model_copy(update={"order": ("male", "people", "bucket")})
    assert decide(turned, "ok", seen).rule == "male"
    assert decide(rules.model_copy(update={"order": ("bucket",)}), "ok", seen).rule == "passed"


def test_the_longest_bucket_counts() -> None:
    buckets = {"insta": "NO", "insta/ok": "YES", "no": "NO"}
    assert bucket_of(("insta", "ok", "deep"), buckets, anywhere=False) == "insta/ok"
    assert bucket_of(("insta", "okay"), buckets, anywhere=False) == "insta"
    assert bucket_of(("srv", "no", "insta", "ok"), buckets, anywhere=True) == "insta/ok"
    assert bucket_of(("srv", "insta", "ok"), buckets, anywhere=False) is None
    assert bucket_of((), buckets, anywhere=True) is None
