"""What rounds found is told in the report: honestly, and where there is nothing, not at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tellapart.catalog import Search
from tellapart.catalog.sources import SourceState, save
from tellapart.learn.collecting import Looked, Quality
from tellapart.project import Project
from tellapart.recipe import check
from tellapart.report import ReportData
from tellapart.report.collecting import Collecting
from tellapart.report.page import render
from tellapart.settings import Settings
from tellapart.steps import open_context, rounds, weigh
from tellapart.steps.ration import Ration
from tellapart.steps.rounds import Standing
from tellapart.steps.weigh import telling

NASTY = "<script>alert(1)</script>"
COUNTS = {
    "found": 90,
    "kept": 80,
    "set_aside": 10,
    "reasons": {},
    "failures": {},
    "splits": {},
    "classes": {},
}


def worth(**changed: Any) -> dict[str, Any]:
    found = {"kept": 80, "accuracy": 0.9, "hundred": 0.15, "fourfold": 0.5, "fourfold_high": 0.8}
    return {**found, "enough": True, "aim": 80, **changed}


def standing(over: str = "enough", **changed: Any) -> Standing:
    looked = [
        Looked("apple", source, query, rank, float(rank % every == 0))
        for source, query, every in (("openverse", "apple", 40), ("commons", NASTY, 2))
        for rank in range(40)
    ]
    lines = (
        {"round": 1, "found": 40, "kept": 35, "worth": None},
        {"round": 2, "found": 90, "kept": 80, "worth": changed.pop("worth", worth())},
    )
    told = telling.figures(Quality(looked))
    return Standing(2, Ration(2, {"apple": 90}), over, lines, told, **changed)


def test_each_end_has_its_words() -> None:
    recipe = check({"classes": ["apple", "pear"], "enough": 0.2, "per_class": 70})
    said = {
        over: telling.notes(standing(over), recipe)[0]
        for over in ("enough", "most", "dry", "cut_off", "too_many")
    }
    assert len(set(said.values())) == 5
    assert said["enough"] == (
        "Collected in 2 rounds, 80 of 90 pictures kept: that is enough. The next hundred are "
        "expected to bring 0.15 points of accuracy, four times as many 0.5 (at most 0.8, sure to "
        "90 %)."
    )
    assert "(per_class: 70)" in said["most"]
    few = telling.notes(standing("dry", worth=None), recipe)[0]
    assert few.endswith("There are too few to tell what more of them would be worth.")
    by_source = telling.notes(standing(), recipe)[1]
    assert by_source.index("openverse") < by_source.index("commons")


def test_the_report_shows_rounds_and_noise_and_runs_nothing() -> None:
    recipe = check({"classes": ["apple", "pear"], "enough": 0.2})
    over = standing()
    over = standing(notes=tuple(telling.notes(over, recipe)))
    found = Collecting.of(over.told())
    assert found is not None and [one.number for one in found.rounds] == [1, 2]
    assert found.rounds[0].hundred is None
    text = render(ReportData("p", ("apple", "pear"), COUNTS, collecting=found))
    assert "How the pictures were collected" in text and "too few to tell" in text
    assert "that is enough" in text and "commons" in text and NASTY not in text


def test_without_rounds_nothing_is_said() -> None:
    assert Collecting.of(None) is None
    assert Collecting.of(standing(over="").told()) is None
    text = render(ReportData("p", ("apple", "pear"), COUNTS))
    assert "How the pictures were collected" not in text


def ended(recipe: dict[str, Any], *searches: Search) -> Standing:
    """How rounds end of which the sources gave this."""
    asked = check({"name": "p", "classes": ["apple", "boat"], "enough": 0.2, **recipe})
    catalog = SimpleNamespace(searches=lambda: list(searches))
    context: Any = SimpleNamespace(recipe=asked, catalog=catalog)
    before = Standing(1, Ration(1, {"apple": 30, "boat": 30}))
    return weigh._decided(context, before, [], Quality([]), None)


def failed(source: str, reason: str, query: str = "apple") -> Search:
    return Search(label="apple", source=source, query=query, error=reason)


@pytest.mark.parametrize(
    ("reasons", "over"),
    [
        ({}, "dry"),
        ({"openverse": "http_503"}, "cut_off"),
        ({"flickr": "no_key"}, "dry"),
        ({"flickr": "license", "commons": "robots"}, "dry"),
        ({"flickr": "no_key", "openverse": "timeout"}, "cut_off"),
        ({"flickr": "http_401", "openverse": "bad_answer"}, "dry"),
    ],
)
def test_only_what_may_pass_is_asked_again(reasons: dict[str, str], over: str) -> None:
    sources = ["openverse", "commons", "flickr"]
    found = ended({"sources": sources}, *(failed(*pair) for pair in reasons.items()))
    assert found.over == over
    told = " ".join(found.notes)
    assert all((f"{name} ({why})" in told) == (over == "dry") for name, why in reasons.items())
    assert found.failed == (reasons if over == "dry" else {})
    assert "sources check" in told if over == "dry" and reasons else "sources check" not in told


def test_a_failure_of_an_older_recipe_counts_no_longer() -> None:
    older = [failed("openverse", "timeout"), failed("commons", "timeout", "apple [by]")]
    assert ended({"sources": ["commons"]}, *older).over == "dry"
    assert ended({"sources": ["commons"], "licenses": ["by"]}, *older).over == "cut_off"


def test_what_answers_since_is_asked_again(home: Path) -> None:
    settings = Settings(home=home)
    recipe = check({"name": "p", "classes": ["a", "b"], "enough": 0.2, "sources": ["flickr"]})
    Project.create(recipe, settings).close()
    context = open_context(settings, "p")
    over = replace(ended({"sources": ["flickr"]}, failed("flickr", "no_key")), over="dry")
    rounds.store(context, over)
    at = datetime.now(UTC)
    engine = context.catalog.engine
    assert rounds.run(context)["over"] == "dry"
    save(engine, [SourceState("flickr").failed(at + timedelta(hours=1), "http_401")])
    assert rounds.run(context)["over"] == "dry"
    save(engine, [SourceState("pexels").answered(at + timedelta(hours=1), found=True)])
    save(engine, [SourceState("flickr").answered(at - timedelta(hours=1), found=True)])
    assert rounds.run(context)["over"] == "dry"
    save(engine, [SourceState("flickr").answered(at + timedelta(hours=1), found=False)])
    assert rounds.run(context)["over"] == ""


def test_a_round_that_is_collected_once_more_stays_one() -> None:
    asked = check({"name": "p", "classes": ["apple", "boat"], "enough": 0.2})
    failed = Search(label="apple", source="openverse", query="apple", error="http_503")
    context: Any = SimpleNamespace(recipe=asked, catalog=SimpleNamespace(searches=lambda: [failed]))
    line = {"round": 1, "found": 0, "kept": 0, "worth": None}
    before = Standing(2, Ration(2, {"apple": 30, "boat": 30}), history=(line,))
    once = weigh._decided(context, before, [], Quality([]), None)
    again = weigh._decided(context, replace(once, over=""), [], Quality([]), None)
    assert [one["round"] for one in once.history] == [1, 2] and again == once
    assert again.over == "cut_off" and "in 2 rounds" in again.notes[0]
