"""What `runtime.children` starts: a worker that is polite, and ends with whoever started it.

Its settings come in as one line of JSON on standard input, so that no password stands in an
environment or a command that others may read. Standard input then stays open for as long as the
parent lives; its end is taken as SIGTERM: a parent killed by force leaves no orphan.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
from dataclasses import fields
from pathlib import Path
from typing import Any

from tellapart.settings import Settings


def packed(settings: Settings) -> bytes:
    """The settings as `unpacked` reads them: one line."""
    values = {field.name: getattr(settings, field.name) for field in fields(settings)}
    return json.dumps(values, default=str).encode() + b"\n"


def unpacked(line: bytes) -> Settings:
    """The settings of `packed`."""
    values: dict[str, Any] = json.loads(line)
    for field in fields(Settings):
        value = values[field.name]
        if isinstance(value, list):
            values[field.name] = tuple(value)
        elif str(field.type).startswith("Path") and value is not None:
            values[field.name] = Path(value)
    return Settings(**values)


def main() -> None:
    """Work until the parent goes or says so."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to hear
    settings = unpacked(sys.stdin.buffer.readline())
    with contextlib.suppress(OSError):
        os.nice(settings.worker_nice)  # pages must stay quick while a network is trained
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    from tellapart.runtime.worker import main as work

    work(settings)


def _end_with_the_parent() -> None:
    # Unbuffered: a thread that holds the buffer at the end makes the interpreter abort.
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
