"""Collecting in rounds, from a web in which one service is clean and the other is not."""

from __future__ import annotations

from typing import Any

import pytest

from tellapart import chain
from tellapart.demo.picture_web import PictureWeb
from tellapart.errors import Interrupted
from tellapart.project import Project
from tellapart.steps import Progress, StepContext, ration, run_step
from tests.quality.conftest import Make

#: So little is never reached by so few pictures: rounds go on to the bound.
NEVER = 0.001


def taken(project: Project) -> list[tuple[str, str, bool | None]]:
    return sorted((row.label, row.sha256, row.kept) for row in project.pictures(status="ok"))


def noisy(project: Project) -> dict[str, int]:
    """Pictures taken, by source."""
    found: dict[str, int] = {}
    for row in project.pictures(status="ok"):
        found[row.source] = found.get(row.source, 0) + 1
    return found


def test_it_stops_when_there_are_enough_and_says_so(make: Make, web: PictureWeb) -> None:
    events: list[Progress] = []
    with make(enough=5) as project:
        summary = project.collect(events.append)
        rounds = summary["rounds"]
        assert rounds["over"] == "enough" and len(rounds["history"]) == rounds["round"] == 1
        assert rounds["history"][0]["worth"]["enough"]
        assert "1 round, " in summary["notes"][0] and "that is enough" in summary["notes"][0]
        assert {row["source"] for row in rounds["quality"]["sources"]} == {"openverse", "commons"}
        # What is done in rounds is told of as collecting.
        assert {event.step for event in events} == {"collect"}
        assert any(event.note.startswith("round 1, ") for event in events)
        # The same command again asks nobody and takes nothing more.
        before, asked = taken(project), web.requests.total()
        assert project.collect()["rounds"]["over"] == "enough"
        assert taken(project) == before and web.requests.total() == asked


@pytest.mark.slow
def test_it_takes_more_from_the_clean_source_up_to_the_most(make: Make) -> None:
    with make(enough=NEVER, per_class=75) as project:
        summary = project.collect()
        rounds = summary["rounds"]
        assert rounds["over"] == "most" and rounds["round"] >= 2
        assert "per_class: 75" in summary["notes"][0]
        shares = {one["source"]: one for one in rounds["quality"]["sources"]}
        assert shares["openverse"]["share"] < 0.1 < 0.25 < shares["commons"]["share"] < 0.5
        assert shares["commons"]["low"] <= 0.4 <= shares["commons"]["high"] + 0.05
        assert "openverse" in summary["notes"][1] and "commons" in summary["notes"][1]
        counts = noisy(project)
        # The first round takes as many of each; what is more comes from the clean one.
        assert counts["openverse"] >= 2 * counts["commons"] >= 60
        assert {n for label in summary["classes"].values() for n in [label["different"]]} == {75}


def test_it_says_when_the_sources_have_no_more(make: Make) -> None:
    with make(enough=NEVER, sources=["openverse"], classes=["apple", "boat"]) as project:
        summary = project.collect()
        assert summary["rounds"]["over"] == "dry"
        assert noisy(project) == {"openverse": 120}
        assert "the sources have no more" in summary["notes"][0]
        assert len(summary["notes"]) == 1


def test_cut_off_again_and_again_it_goes_on_to_the_same_pictures(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"enough": NEVER, "per_class": 36, "classes": ["apple", "boat"]}
    with make(home="undisturbed", **options) as calm:
        expected = calm.collect()
        right = taken(calm)
    left = ["weigh", "curate", "collect", "weigh", "rounds"]

    def cut(name: str, context: StepContext) -> dict[str, Any]:
        """Each is cut off once: the first before it does anything, the next once it is done."""
        if name != left[-1]:
            return run_step(name, context)
        left.pop()
        if len(left) % 2:
            run_step(name, context)
        raise KeyboardInterrupt

    with make(**options) as project:
        with monkeypatch.context() as patch:
            patch.setattr(chain, "run_step", cut)
            while left:  # as often as there is something to cut
                with pytest.raises(Interrupted):
                    project.collect()
                (project.folder / "work" / ration.FILE).unlink(missing_ok=True)
        found = project.collect()
        assert taken(project) == right
        assert found["rounds"] == expected["rounds"]


def test_a_number_of_pictures_stays_a_wish(make: Make) -> None:
    with make(per_class=12) as project:
        summary = project.collect()
        assert "rounds" not in summary and noisy(project) == {"openverse": 36}
    with make(home="other", enough=5) as project:
        assert project.collect()["rounds"]["over"] == "enough"
        assert len(taken(project)) == 90
        # Taken back, what the rounds left counts no longer.
        project.update({"enough": None, "per_class": 12})
        assert "rounds" not in project.collect()
        assert len(taken(project)) == 36


def test_other_wishes_begin_the_rounds_anew(make: Make) -> None:
    with make(enough=5, per_class=20, sources=["openverse"]) as project:
        assert project.collect()["rounds"]["over"]
        project.update({"sources": ["openverse", "commons"]})
        rounds = project.collect()["rounds"]
        assert {one["source"] for one in rounds["quality"]["sources"]} <= {"openverse", "commons"}
        assert rounds["history"][0]["round"] == 1
