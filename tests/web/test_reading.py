"""What the pages make of what people type, and how they say times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tellapart.runtime import Event
from tellapart.web import texts
from tellapart.web.lists import ago
from tellapart.web.live import epoch_of
from tellapart.web.login import safe_target
from tellapart.web.run_parts import duration, line_of
from tellapart.web.start import split_words, words_problem


def test_a_line_may_hold_several_words() -> None:
    assert split_words(["red  apple, pear;fig", "", " boat "]) == [
        "red apple",
        "pear",
        "fig",
        "boat",
    ]


@given(st.lists(st.text()))
def test_words_are_never_empty_nor_padded(lines: list[str]) -> None:
    for word in split_words(lines):
        assert word
        assert word == " ".join(word.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], texts.WORDS_TOO_FEW),
        (["apple"], texts.WORDS_TOO_FEW),
        (["Apple", "apple"], texts.WORDS_TWICE.format(word="apple")),
        (["apple", "boat"], ""),
    ],
)
def test_what_is_wrong_with_words(words: list[str], said: str) -> None:
    assert words_problem(words) == said


@given(st.text())
@example("//elsewhere.example")
@example("/\\elsewhere.example")
@example("/\t/elsewhere.example")
@example("https://elsewhere.example")
def test_a_log_in_never_leads_elsewhere(next: str) -> None:
    target = safe_target(next)
    assert target.startswith("/")
    # As browsers read it: they drop tabs and line ends, and take \ for /.
    read = "".join(c for c in target if c not in "\t\r\n").replace("\\", "/")
    assert urlsplit(urljoin("https://here.example/", read)).netloc == "here.example"


def test_a_log_in_leads_back() -> None:
    assert safe_target("/runs/r_1?x=1") == "/runs/r_1?x=1"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, ""), (0.2, "1 s"), (59, "59 s"), (125, "2 min"), (7_800, "2 h 10 min"), (7_200, "2 h")],
)
def test_durations(seconds: float | None, said: str) -> None:
    assert duration(seconds) == said


def test_times_past() -> None:
    now = datetime.now(UTC)
    assert ago(now.isoformat()) == "just now"
    assert ago((now - timedelta(minutes=1, seconds=5)).isoformat()) == "1 minute ago"
    assert ago((now - timedelta(days=3)).isoformat()) == "3 days ago"


def test_events_in_the_log_and_on_the_curve() -> None:
    at = "2026-01-31T09:30:00.123Z"
    said = line_of(Event(1, at, "log", "train", {"text": "begun"}))
    assert said == "09:30:00  Learn: begun"
    assert line_of(Event(2, at, "progress", "train", {"done": 1})) == ""
    epoch = epoch_of(Event(3, at, "epoch", "train", {"epoch": 4, "loss": 0.5, "accuracy": 0.75}))
    assert (epoch.number, epoch.loss, epoch.accuracy, epoch.validation_loss) == (4, 0.5, 0.75, None)
