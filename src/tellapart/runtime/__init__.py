"""Where the server's runs live: the durable queue, its workers, resident models, the desk."""

from __future__ import annotations

from tellapart.runtime.runs import Runs
from tellapart.runtime.shapes import ENDED, Event, Request, Run, State, Step

__all__ = ["ENDED", "Event", "Request", "Run", "Runs", "State", "Step"]
