"""What a new model says of the run's test picture: asked in a process of its own.

A hostile picture may end that process; it never ends the worker.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tellapart.errors import FetchError, TellapartError, WorkerError
from tellapart.runtime.shapes import Run
from tellapart.settings import Settings

#: Seconds for fetching the picture, loading the model and its answer.
_PATIENCE_S = 120.0


def judge(settings: Settings, run: Run, bundle: Path, kept: Path) -> dict[str, Any]:
    """`label` (None: none of these), `best`, `abstained`, `probability`, `probabilities`,
    `familiarity`; or `error` in its parts. Raises nothing: a picture never fails a run."""
    try:
        return _judge(settings, run, bundle, kept)
    except TellapartError as error:
        return error.to_dict()


def _judge(settings: Settings, run: Run, bundle: Path, kept: Path) -> dict[str, Any]:
    data, address = b"", run.test_picture
    if address == "file":
        try:
            data = kept.read_bytes()
        except OSError as error:
            raise FetchError(
                f"The test picture is gone ({error.strerror or error}).",
                expected="the picture that was sent with the run",
                do="Try it on the model's page.",
            ) from error
        address = data.decode("ascii", "replace") if data.startswith(b"data:") else ""
    if address:
        data = fetched(settings, address)
    package = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(p for p in (package, os.environ.get("PYTHONPATH", "")) if p)
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-P", "-m", __name__, str(bundle)],
            input=data,
            capture_output=True,
            env={**os.environ, "PYTHONPATH": path},
            timeout=_PATIENCE_S,
            check=True,
        )
        found: dict[str, Any] = json.loads(done.stdout)
    except (subprocess.SubprocessError, ValueError) as error:
        raise WorkerError(
            f"The test picture could not be judged ({type(error).__name__}).",
            expected="an answer of the model",
            do="Try it on the model's page.",
        ) from error
    return found


def fetched(settings: Settings, url: str) -> bytes:
    """The bytes behind an address, through the guard. Raises `FetchError`, `RefusedError`."""
    from tellapart.fetch import fetch_one

    return fetch_one(url, settings).data


def main() -> None:
    """The child's end: a bundle's path as argument, a picture's bytes on standard input."""
    from tellapart.bundle import Bundle

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        said = Bundle.load(sys.argv[1], threads=1).predict(sys.stdin.buffer.read())
    except TellapartError as error:
        found = error.to_dict()
    else:
        found = said.to_dict()
        found["probability"] = max(found["probabilities"].values(), default=0.0)
    json.dump(found, answers)
    answers.close()


if __name__ == "__main__":
    main()
