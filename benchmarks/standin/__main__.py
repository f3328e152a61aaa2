"""Serve from the command line; see the package's docstring."""

from __future__ import annotations

import argparse
import contextlib
import json
import threading
from collections.abc import Sequence
from pathlib import Path

from benchmarks.standin import Standin, crowd


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.standin")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("-n", type=int, default=40, help="candidates")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, default=None, help="a file for what was done")
    given = parser.parse_args(arguments)
    people = crowd(given.n, seed=given.seed)
    with Standin(people, log=given.log, port=given.port) as service:
        said = {"port": service.port, "tinder": service.tinder_url, "deck": service.deck_url}
        print(json.dumps({**said, "token": service.token}), flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
