"""The process that decides and explains: one that hangs holds nobody up for long."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tellapart.errors import WorkerError
from tellapart.runtime import thinker
from tellapart.settings import Settings


def test_a_child_that_hangs_is_ended_and_the_next_one_is_asked(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(code: str) -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE
        return subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe)

    codes = ["import time; time.sleep(600)", "input(); print('{\"found\": {}}')"]
    monkeypatch.setattr(thinker, "_start", lambda: start(codes.pop(0)))
    asked = thinker.Thinker()
    try:
        monkeypatch.setattr(thinker, "_LONGEST", 0.5)
        with pytest.raises(WorkerError, match="ended without an answer"):
            asked.ask("explain", settings)
        monkeypatch.setattr(thinker, "_LONGEST", 60.0)
        assert asked.ask("explain", settings) == {}
    finally:
        asked.close()
