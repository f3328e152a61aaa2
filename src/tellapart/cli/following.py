"""A queued run on the terminal: its events as the same bars and lines as a run in this process."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, Self

from tellapart.cli.console import tell
from tellapart.cli.progress import Display, watching
from tellapart.errors import Interrupted
from tellapart.serving.wire import error_from
from tellapart.steps import Progress

#: Facts of an event that are no figures of an epoch.
_COUNTS = ("done", "total")


class Follower:
    """Shows events, as `Event.to_dict` gives them. A `with` block."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._stack = contextlib.ExitStack()
        self._display: Display = Display()

    def __enter__(self) -> Self:
        self._display = self._stack.enter_context(watching(self._quiet))
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def take(self, event: Mapping[str, Any]) -> None:
        """Show one event."""
        kind, step, data = event["kind"], event["step"], dict(event["data"])
        if kind == "progress":
            self._display(Progress(step, data["done"], data["total"], data["note"]))
        elif kind == "signal":
            self._display(Progress(step, 0, None, signal=data.pop("name"), figures=data))
        elif kind == "epoch":
            done, total = (data.pop(name, None) for name in _COUNTS)
            self._display(Progress(step, done or 0, total, figures=data))
        elif kind == "state" and not self._quiet and data["state"] in ("queued", "running"):
            why = f": {data['why']}" if "why" in data else ""
            tell(f"the run is {data['state']}{why}")

    def conclude(self, run: Mapping[str, Any]) -> None:
        """Raise what a run ended with that did not succeed."""
        if run["state"] == "failed":
            raise error_from(run["error"])
        if run["state"] == "cancelled":
            raise Interrupted(
                f"The run {run['id']} was cancelled.",
                expected="a run that is let finish",
                do=f"Queue it again: tellapart runs retry {run['id']}",
            )
