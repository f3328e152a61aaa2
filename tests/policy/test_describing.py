"""A policy tells what it does: sentences, a file to begin with, a schema, its page."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from tellapart.errors import PolicyError
from tellapart.policy import (
    RULES,
    Policy,
    changes,
    check,
    describe,
    describing,
    parse,
    schema,
    template,
    texts,
)
from tellapart.policy.describing import inner_rows, rows
from tellapart.policy.fields import extra_of
from tellapart.policy.schema import Age, Bio, Costs, Model, Pictures, Quiet, Veto
from tests.policy.test_seven_rules import POLICIES

DOCS = Path(__file__).resolve().parents[2] / "docs"

TOGETHER = (
    "Like if all pictures together have a probability of 40 % (a wrong like costs 2, a missed one "
    "3); else pass."
)
CHANCE = (
    "While the deck is dry, 5 % of what the model would pass is liked by chance, to learn from it."
)


def test_the_default_in_sentences() -> None:
    assert describe(Policy.default()) == [
        describing._PEOPLE,
        "At most 1000 acts in one session.",
        "Pass with no picture.",
        "Stop when no likes are left.",
        "Pass with a declared age below 18.",
        "Like as soon as one picture has a probability of 40 %; else pass.",
        "Super likes are never used.",
        "What the model could not judge is neither liked nor passed.",
    ]
    things = describe(Policy.default(False), False)
    assert not any("age" in line.split() or "People" in line for line in things)


def test_the_duty_is_said_first_and_said_to_stand() -> None:
    first = describe(check({"accept_all": True}))[0]
    for words in ("18 or older are not judged", "but a count", "a person decides", "No setting"):
        assert words in first


def test_every_rule_in_sentences() -> None:
    policy = check(
        {
            "pictures": {"min": 3},
            "age": {"min": 25, "max": 40},
            "distance": {"max": 12.5},
            "bio": {"required": True, "ban": ["a", "b", "c"], "super_like": ["d"], "like": "e"},
            "model": {"group": "learned", "costs": {"wrong_like": 2, "missed_like": 3}},
            "super_like": {"when": ["out_of_likes", "bio_words", "high_confidence"]},
            "limits": {"session": None, "day": 1},
            "quiet": {"hours": ["23:00-07:00", "12:00-13:00"], "timezone": "Europe/Berlin"},
            "veto": [{"field": "city", "missing": True, "do": "leave"}],
            "explore": 0.05,
        }
    )
    assert describe(policy)[1:] == [
        "Nothing is done from 23:00 to 07:00 and 12:00 to 13:00 (Europe/Berlin).",
        "At most 1 act in one day.",
        "A person decides if city is missing.",
        "Pass with fewer than 3 pictures.",
        "When no likes are left, super like while there are super likes; then stop.",
        "Pass with a declared age below 25 or above 40.",
        "Pass with a declared distance above 12.5 km.",
        "Pass without a text.",
        "Pass if the text has 'a', 'b' or 'c'.",
        "Super like if the text has 'd'.",
        "Like if the text has 'e'.",
        TOGETHER,
        "Super like from 90 % on.",
        "What the model could not judge is neither liked nor passed.",
        CHANCE,
    ]
    eager = describe(check({"accept_all": True, "limits": {"session": None}}))
    assert any("accept all is on" in line for line in eager)
    assert "No limit but the service's own." in eager


@pytest.mark.parametrize("people", [True, False])
def test_the_file_to_begin_with_is_the_default_and_names_every_key(people: bool) -> None:
    text = template(people)
    assert parse(text, people=people) == Policy.default(people)
    assert ("never judged" in text) is people
    for path, _, _, _ in rows():
        key = path.split(".")[-1]
        assert re.search(rf"^ *{key}:", text, re.M), path
    assert all(len(line) <= 90 for line in text.splitlines())


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    data=POLICIES,
    words=st.lists(st.text(min_size=1, max_size=9), max_size=3),
    veto=st.sampled_from([{"above": 2}, {"equals": ["a: b", 1, True]}, {"contains": ["#x"]}]),
    costs=st.none() | st.just({"wrong_like": 1, "missed_like": 7}),
)
def test_a_policy_as_a_file_is_that_policy(data: Any, words: Any, veto: Any, costs: Any) -> None:
    model = {"costs": costs} if costs else data.get("model", {})
    more = {"bio": {"like": words}, "model": model, "veto": [{"field": "x y: z", **veto}]}
    try:
        policy = check({**data, **more})
    except PolicyError as error:
        assert all(problem["path"].startswith("bio.like") for problem in error.problems)
        return
    text = template(True, policy)
    assert parse(text) == policy
    assert text.count("#") > 40, "it is explained"


def test_changes_between_policies() -> None:
    old = Policy.default()
    new = check({"model": {"threshold": 0.5}, "bio": {"ban": ["x"]}})
    assert changes(old, new) == [("bio.ban", [], ["x"]), ("model.threshold", 0.4, 0.5)]
    assert changes(new, new) == []
    costs = check({"model": {"costs": {"wrong_like": 1, "missed_like": 1}}})
    assert ("model.costs.wrong_like", None, 1.0) in changes(old, costs)


def models() -> list[type[BaseModel]]:
    found: list[type[BaseModel]] = [Policy, Costs, Veto]
    for field in Policy.model_fields.values():
        value = field.get_default(call_default_factory=True)
        if isinstance(value, BaseModel):
            found.append(type(value))
    return found


@pytest.mark.parametrize("part", models())
def test_every_key_is_documented(part: type[BaseModel]) -> None:
    for key, field in part.model_fields.items():
        words = extra_of(field)
        assert len(field.description or "") > 10 and words["expected"] and words["why"], key


def test_the_schema_has_every_key_and_its_limits_are_checked() -> None:
    found = schema()
    assert set(found["properties"]) == set(Policy.model_fields)
    tried = 0
    for owner in (found, *found["$defs"].values()):
        assert owner["additionalProperties"] is False
        assert all("description" in field for field in owner["properties"].values())
    for key, part in (("pictures", Pictures), ("age", Age), ("model", Model), ("bio", Bio)):
        for name, field in found["$defs"][part.__name__]["properties"].items():
            for rule in (field, *field.get("anyOf", ())):
                for limit, beyond in (("maximum", 1), ("minimum", -1)):
                    if limit in rule:
                        data: Any = {key: {name: rule[limit] + beyond}}
                        with pytest.raises(PolicyError):
                            check(data, people=False)
                        tried += 1
    assert tried >= 8
    assert {"type": "string"} in found["$defs"][Quiet.__name__]["properties"]["hours"]["anyOf"]


def test_every_rule_has_its_words_and_no_word_is_left_over() -> None:
    source = "".join(
        path.read_text(encoding="utf-8")
        for path in Path(texts.__file__).parent.glob("*.py")
        if path.name != "texts.py"
    )
    for rule in RULES:
        assert f'"{rule}"' in source
    for key in texts.REASONS:
        base = key.removesuffix("_super")
        assert f'"{key}"' in source or f'"{base}"' in source, f"nobody says {key}"


def test_the_page_is_what_the_code_says_and_has_every_key() -> None:
    page = (DOCS / "policy.md").read_text(encoding="utf-8")
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None and spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert page == generate.PAGES["policy.md"](), "run: python docs/generate.py"
    keys = [*rows(), *inner_rows(Costs, "model.costs."), *inner_rows(Veto)]
    assert re.findall(r"^\| `([^`]+)`", page, re.M) == [*RULES, *(row[0] for row in keys)]
    examples = re.findall(r"```yaml\n(.*?)```", page, re.S)
    assert len(examples) == 3
    for example in examples:
        parse(example)
