"""Runs and projects as lists of links."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from tellapart.runtime import Run
from tellapart.web import texts
from tellapart.web.elements import link, tag


def runs_list(runs: Sequence[Run]) -> None:
    """Runs, each with its state and when it was asked for."""
    with tag("ul", classes="runs"):
        for run in runs:
            with tag("li"), link("", f"/runs/{run.id}"):
                with tag("span"):
                    tag("b", run.project)
                    tag("span", ago(run.created), classes="small quiet")
                state_tag(run.state)


def state_tag(state: str) -> None:
    """The state of a run as a small word with a dot."""
    tag("span", texts.STATES.get(state, state), classes=f"tag {state}")


def ago(time: str) -> str:
    """How long ago a time of ours was, in words."""
    passed = (datetime.now(UTC) - datetime.fromisoformat(time)).total_seconds()
    for seconds, word in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if passed >= seconds:
            n = int(passed // seconds)
            return f"{n} {word}{'s' if n > 1 else ''} ago"
    return "just now"
