"""Declared facts: nothing absurd is believed, and nobody becomes older than they are."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from tellapart.doors import Candidate
from tellapart.plugins.decks import facts
from tellapart.plugins.decks.tinder import age as tinder_age

slowly = examples(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("declared", "born", "years"),
    [
        (25, None, 25),
        (25.9, None, 25),
        ("25", None, 25),
        (17.99, None, 17),
        (None, "2008-03-10", 18),
        (None, "2008-03-11", 17),
        (None, "2004-02-29", 22),
        (None, "2008-03-10T23:59:59.000Z", 18),
        (24, "2001-06-01", 24),
        (25, "2001-06-01", 24),  # the lower of two that are a year apart
        (16, "2001-06-01", None),  # two stories
        (None, None, None),
        (0, None, 0),
        (121, None, None),
        (-1, None, None),
        (True, None, None),
        ("", None, None),
        ("old", None, None),
        ("٢٥", None, None),
        (float("nan"), None, None),
        (10**400, None, None),
        ([25], None, None),
        (None, "1900-01-01", None),
        (None, "1970-01-01T00:00:00.000Z", None),
        (None, "1850-05-05", None),
        (None, "2031-01-01", None),
        (None, "1995", None),
        (None, "1995-03", None),
        (None, "1995-13-40", None),
        (None, "19950302", None),
        (None, 794102400, None),
        (30, "not a date", None),  # something is written and cannot be read
        ("thirty", "1995-03-02", None),
    ],
)
def test_ages(declared: Any, born: Any, years: int | None) -> None:
    said = {"age": declared, "birth_date": born}
    assert facts.candidate({k: v for k, v in said.items() if v is not None}, "r", NOW).age == years


def test_a_birthday_comes_when_it_is_one_everywhere_on_earth() -> None:
    born = date(2008, 3, 10)
    first_place = datetime(2026, 3, 9, 10, tzinfo=UTC)  # midnight in the east
    last_place = datetime(2026, 3, 10, 12, tzinfo=UTC)  # midnight in the west
    assert facts.full_years(born, first_place) == 17
    assert facts.full_years(born, last_place - timedelta(seconds=1)) == 17
    assert facts.full_years(born, last_place) == 18


@slowly
@given(
    st.dates(min_value=date(1910, 1, 1), max_value=date(2026, 3, 1)),
    st.integers(min_value=0, max_value=3000),
)
def test_full_years_never_say_more_than_the_calendar(born: date, days: int) -> None:
    now = NOW + timedelta(days=days)
    years = facts.full_years(born, now)
    if years is not None:
        # Written another way: the day `years` years after birth is not after the last place's day.
        turned = date(born.year + years, born.month, min(born.day, 28))
        assert turned <= (now - timedelta(hours=12)).date() + timedelta(days=3)
        assert (now.date() - born).days >= int(years * 365.2425) - 1


@pytest.mark.parametrize(
    ("says", "years"),
    [
        ({"birth_date": "2000-03-01T00:00:00.000Z"}, 26),
        # Blurred by the service: the lowest that it may mean.
        ({"birth_date": "2000-03-01T00:00:00.000Z", "birth_date_info": "fuzzy birthdate"}, 25),
        ({"birth_date": "2008-03-01T00:00:00.000Z", "birth_date_info": "fuzzy birthdate"}, 17),
        ({}, None),
        ({"birth_date": None}, None),
        ({"birth_date": "1995-03"}, None),
        ({"birth_date": "1995-03-02Tnoon"}, None),
        ({"birth_date": "1970-01-01T00:00:00.000Z"}, None),
        ({"birth_date": "0001-01-01T00:00:00Z"}, None),
        ({"birth_date": {"year": 1995}}, None),
        ({"birth_date": 9}, None),
    ],
)
def test_ages_by_the_unofficial_service(says: dict[str, Any], years: int | None) -> None:
    assert tinder_age(says, NOW) == years


@slowly
@given(st.dictionaries(st.sampled_from(["birth_date", "birth_date_info"]), anything))
def test_no_date_brings_the_reading_down(user: dict[str, Any]) -> None:
    years = tinder_age(user, NOW)
    assert years is None or 0 <= years <= facts.OLDEST


KEYS = ["name", "bio", "age", "birth_date", "distance_km", "distance_mi", "url", "person", "fields"]


@slowly
@given(st.dictionaries(st.sampled_from(KEYS), anything))
def test_whatever_is_said_a_candidate_is_clean(said: dict[str, Any]) -> None:
    found = facts.candidate(said, "r", NOW)
    assert found.age is None or (isinstance(found.age, int) and 0 <= found.age <= facts.OLDEST)
    assert found.distance_km is None or 0 <= found.distance_km <= 50_000
    assert found.person in (True, None)
    assert found.url == "" or found.url.lower().startswith(("http://", "https://"))
    # It can be stored as JSON and in any database: no NaN, no NUL, no half characters.
    stored = json.dumps([found.name, found.bio, dict(found.fields)], allow_nan=False)
    assert "\\u0000" not in stored
    (found.name + found.bio).encode("utf-8")


def test_distances() -> None:
    assert facts.distance_km({"distance_mi": 10}) == 16.09
    assert facts.distance_km({"distance_km": 3, "distance_mi": 10}) == 3
    for absurd in (-1, 10**9, True, "far", float("inf"), None):
        assert facts.distance_km({"distance_mi": absurd}) is None


@pytest.mark.parametrize("bad", ["", " a", "a ", "a\nb", "x" * 201, None, True, 1.5, ["a"], "a\0"])
def test_names_of_candidates_that_cannot_be_kept(bad: Any) -> None:
    assert facts.ref(bad) == ""
    assert facts.ref("x" * 200) and facts.ref(17) == "17"


def test_of_two_stories_about_one_the_careful_one_counts() -> None:
    adult, child = Candidate("a", age=25, bio="old"), Candidate("a", age=16, bio="new", person=True)
    assert facts.once([adult, child]) == [Candidate("a", age=16, bio="new", person=True)]
    assert facts.once([child, adult]) == [Candidate("a", age=16, bio="old", person=True)]
    assert facts.once([adult, Candidate("a")])[0].age is None
    assert facts.once([adult, Candidate("b"), adult]) == [adult, Candidate("b")]
