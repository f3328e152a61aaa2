"""Policy files: what people write is understood, what is wrong is told whole, with its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tellapart.errors import InputError, NotFoundError, PolicyError, RecipeError
from tellapart.policy import Policy, check, describe, parse, read

FILE = """
age: {min: 25, max: 40}
distance: {on: false}
bio:
  required: true
  ban: [smoker, 'on', 12:30]
  like: hiking
model:
  costs: {wrong_like: 1, missed_like: 3}
  group: learned
super_like: {when: [bio words, out_of_likes]}
quiet: {hours: [23:00-07:00, '12:00 to 13:00'], timezone: Europe/Berlin}
veto:
  - {field: price, above: 1500}
  - {field: city, equals: [Bonn, 5]}
explore: 0.1
"""


def problems(data: Any, **how: Any) -> dict[str, dict[str, str]]:
    with pytest.raises(PolicyError) as caught:
        parse(data, **how) if isinstance(data, str) else check(data, **how)
    for problem in caught.value.problems:
        assert all(problem[key] for key in ("path", "what", "expected", "do"))
    return {problem["path"]: problem for problem in caught.value.problems}


def test_yaml_and_json_mean_the_same(tmp_path: Path) -> None:
    policy = parse(FILE)
    assert policy.age.min == 25 and policy.distance.on is False
    assert policy.bio.ban == ("smoker", "on", "12:30") and policy.bio.like == ("hiking",)
    assert policy.threshold == 0.25
    assert policy.super_like.when == ("bio_words", "out_of_likes")
    assert policy.quiet.hours == ("23:00-07:00", "12:00-13:00")
    assert policy.veto[1].equals == ("Bonn", 5)
    stored = policy.model_dump(mode="json")
    assert check(json.loads(json.dumps(stored))) == policy == check(policy)
    (tmp_path / "policy.json").write_text(json.dumps(stored, indent="\t"))
    (tmp_path / "policy.yaml").write_text(FILE)
    assert read(tmp_path / "policy.json") == read(tmp_path / "policy.yaml") == policy


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}", "null"])
def test_nothing_written_is_the_default(text: str) -> None:
    assert parse(text) == Policy.default() == check(None)
    assert parse(text, people=False) == Policy.default(False)


@pytest.mark.parametrize(
    ("age", "lifted"),
    [({}, (18, None)), ({"min": 3, "max": 9}, (18, 18)), ({"min": 20, "max": 30}, (20, 30))],
)
def test_a_deck_of_things_that_turns_out_to_hold_people(age: Any, lifted: Any) -> None:
    policy = check({"age": age, "bio": {"ban": ["x"]}}, people=False).for_people()
    assert (policy.age.min, policy.age.max) == lifted and policy.bio.ban == ("x",)
    assert check(policy.model_dump(mode="json")) == policy


def test_things_have_no_youngest_age() -> None:
    assert Policy.default(False).age.min is None
    age = check({"age": {"max": 5}}, people=False).age
    assert (age.on, age.min, age.max) == (True, None, 5)
    assert check({"age": {"max": 45}}).age.min == 18


@pytest.mark.parametrize(
    ("data", "path", "do"),
    [
        ({"treshold": 1}, "treshold", "Remove it, or use one of those."),
        ({"modle": {}}, "modle", "Did you mean 'model'?"),
        ({"model": {"treshold": 0.5}}, "model.treshold", "Did you mean 'threshold'?"),
        ({"model": {"group": "frist"}}, "model.group", "Did you mean 'first'?"),
        ({"super_like": {"when": ["out_of_like"]}}, "super_like.when[0]", "Did you mean"),
        ({"model": {"threshold": "0.4"}}, "model.threshold", "Change it"),
        ({"model": {"threshold": 40}}, "model.threshold", "Change it"),
        ({"model": {"threshold": float("nan")}}, "model.threshold", "Change it"),
        ({"model": {"threshold": True}}, "model.threshold", "Change it"),
        ({"accept_all": "yes"}, "accept_all", "Write true or false."),
        ({"accept_all": 1}, "accept_all", "Change it"),
        ({"age": {"min": 40, "max": 30}}, "age", "Exchange the two."),
        ({"distance": {"min": 4, "max": 3.5}}, "distance", "Exchange the two."),
        ({"age": 30}, "age", "Change it"),
        ({"bio": {"ban": [""]}}, "bio.ban[0]", "Change it"),
        ({"bio": {"ban": ["**"]}}, "bio.ban[0]", "Change it"),
        ({"bio": {"ban": "x" * 201}}, "bio.ban[0]", "Change it"),
        ({"bio": {"like": [5]}}, "bio.like[0]", "Change it"),
        ({"quiet": {"hours": ["7-9"]}}, "quiet.hours[0]", "Change it"),
        ({"quiet": {"hours": ["07:00-07:00"]}}, "quiet.hours[0]", "Change it"),
        ({"quiet": {"hours": ["25:00-26:00"]}}, "quiet.hours[0]", "Change it"),
        ({"quiet": {"timezone": "Berlin"}}, "quiet.timezone", "Change it"),
        ({"quiet": {"timezone": "../etc/passwd"}}, "quiet.timezone", "Change it"),
        ({"quiet": {"timezone": ""}}, "quiet.timezone", "Change it"),
        ({"limits": {"day": 0}}, "limits.day", "Change it"),
        ({"explore": 0.6}, "explore", "Change it"),
        ({"model": {"costs": {"wrong_like": 1}}}, "model.costs.missed_like", "Write"),
        ({"model": {"costs": {"wrong_like": 0, "missed_like": 1}}}, "model.costs.wrong_like", ""),
        (
            {"model": {"threshold": 0.6, "costs": {"wrong_like": 1, "missed_like": 1}}},
            "model",
            "Remove one",
        ),
        ({"veto": [{"above": 1}]}, "veto[0].field", "Write"),
        ({"veto": [{"field": "price"}]}, "veto[0]", "Add one"),
        ({"veto": [{"field": "p", "above": 1, "below": 2}]}, "veto[0]", "Make two"),
        ({"veto": [{"field": "p", "over": 1}]}, "veto[0].over", "Did you mean 'above'?"),
        ({"veto": [{"field": "p", "above": "x"}]}, "veto[0].above", "Change it"),
        ({"veto": [{"field": "p", "equals": []}]}, "veto[0].equals", "Change it"),
        ({"veto": "price"}, "veto[0]", "Change it"),
        ({5: 1}, "5", "Remove it"),
    ],
)
def test_each_mistake_is_told_with_its_place(data: Any, path: str, do: str) -> None:
    found = problems(data)
    assert path in found, found
    assert do in found[path]["do"], found[path]


def test_all_mistakes_are_told_at_once_with_their_lines() -> None:
    text = "age:\n  min: 12\n  max: 9\nmodel:\n  treshold: 1\nveto:\n  - field: a\n  - {field: b}\n"
    found = problems(text)
    assert {path: p["line"] for path, p in found.items()} == {
        "age.min": "2",
        "age.max": "3",
        "age": "1",
        "model.treshold": "5",
        "veto[0]": "7",
        "veto[1]": "8",
    }
    with pytest.raises(RecipeError) as caught:  # shown wherever a recipe's problems are
        parse(text)
    assert "line 5, model.treshold" in str(caught.value)
    assert caught.value.to_dict()["error"]["code"] == "policy"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("age: {}\nage: {}\n", "'age' is written twice"),
        ("age:\n  min: 20\n  min: 30\n", "'min' is written twice"),
        ("a: &x [1]\nb: *x\n", "alias"),
        ("a: !!python/object/apply:os.system [ls]\n", "not valid YAML"),
        ("{[1]: 2}\n", "not valid YAML"),
        ("a: 1\n---\nb: 2\n", "not valid YAML"),
        ("a: " + "[" * 30 + "]" * 30, "deeper"),
        ("[" * 2000, "not valid YAML"),
        ("a: [b\n", "line"),
        ("age:\n\tmin: 1\n", "not valid YAML"),
        ("a: " + "9" * 5000, "not valid YAML"),
        ("x" * 1_000_001, "larger than 1 MB"),
        ("just words", "The policy is 'just words'"),
        ("[1, 2]", "The policy is [1, 2]"),
    ],
)
def test_hostile_text_is_refused(text: str, says: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse(text)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["{", '{"age": {}, "age": {}}', "[" * 5000, '{"a": NaN}', "{'a': 1}", '{"model": 1e999}'],
)
def test_hostile_json_is_refused(text: str) -> None:
    with pytest.raises(PolicyError):
        parse(text, form="json")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        read(tmp_path / "no.yaml")
    with pytest.raises(InputError):
        read(tmp_path)
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PolicyError, match="UTF-8"):
        read(tmp_path / "b.yaml")
    (tmp_path / "big.yaml").write_bytes(b"#" * 1_000_002)
    with pytest.raises(PolicyError, match="larger"):
        read(tmp_path / "big.yaml")


KEYS = [
    *("age", "min", "max", "on", "model", "threshold", "costs", "veto", "field", "above", "bio"),
    *("ban", "like", "quiet", "hours", "timezone", "super_like", "when", "explore", "nonsense"),
]
LEAF = (
    st.none()
    | st.booleans()
    | st.integers(-5, 200)
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["first", "dont", "23:00-07:00", "UTC", "price", "learned"])
)
ANY = st.recursive(
    LEAF,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | st.integers(), inner, max_size=4)
    ),
    max_leaves=10,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=ANY, people=st.booleans())
def test_anything_is_a_policy_or_an_error_in_three_parts(data: Any, people: bool) -> None:
    try:
        policy = check(data, people=people)
    except PolicyError as error:
        assert error.what and error.expected and error.do and str(error)
        assert all(all(problem.values()) for problem in error.problems)
        return
    assert check(policy.model_dump(mode="json"), people=people) == policy
    assert all(isinstance(line, str) and line.endswith(".") for line in describe(policy, people))


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=st.text(max_size=60) | st.text(alphabet="age:{}[],-'\"\n mi1&*!#\t", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    for form in ("yaml", "json"):
        try:
            assert isinstance(parse(text, form=form), Policy)
        except PolicyError as error:
            assert error.what and error.do
