"""Parts of the decks' pages that need no browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellapart import policy
from tellapart.runtime.desk.deck_shapes import ACTIONS, OUTCOMES, PolicyView
from tellapart.web import deck_policy, texts_decks
from tellapart.web.deck_new import slug
from tellapart.web.decks import until

#: Keys that are set in the file only.
_FILE_ONLY = {"veto", "model.costs"}


def _leaves(values: dict[str, Any], path: str = "") -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{path}{key}.")
        else:
            yield path + key


@pytest.mark.parametrize("people", [True, False])
def test_every_setting_of_a_policy_stands_in_the_form_or_in_the_file(people: bool) -> None:
    shown = {control.path for _, controls in deck_policy.RULES for control in controls}
    known = set(_leaves(policy.Policy.default(people).model_dump(mode="json")))
    assert shown | _FILE_ONLY == known
    assert not shown & _FILE_ONLY


def test_the_form_has_the_rules_in_their_order() -> None:
    asked = [rule for rule in policy.RULES if rule in dict(deck_policy.RULES)]
    assert [rule for rule, _ in deck_policy.RULES] == asked


def test_foreign_words_stand_as_text() -> None:
    bad = '"><script>alert(1)</script>'
    found = policy.check({"bio": {"ban": [bad]}}, people=True).model_dump(mode="json")
    view = PolicyView(found, found, bad, [], [], [bad])
    page = str(deck_policy.frame("walks", view))
    assert "<script>" not in page
    assert page.count("&lt;script&gt;") >= 3


def test_every_action_and_outcome_has_words() -> None:
    assert set(texts_decks.ACTIONS) == set(ACTIONS)
    assert set(texts_decks.STATES) == set(OUTCOMES)


@given(st.text(max_size=60))
def test_every_title_becomes_a_name_for_addresses(title: str) -> None:
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", slug(title))


def test_a_name_keeps_what_can_be_kept() -> None:
    assert slug("  Flats in Köln! ") == "flats-in-koln"
    assert slug("日本") == "deck"


@pytest.mark.parametrize(
    ("ahead", "said"),
    [(-60, "any moment"), (10, "any moment"), (100, "in 2 minutes"), (7300, "in 2 hours")],
)
def test_times_to_come_are_told_in_words(ahead: int, said: str) -> None:
    time = (datetime.now(UTC) + timedelta(seconds=ahead)).isoformat()
    assert until(time) == said
    assert until("") == "none is planned"
