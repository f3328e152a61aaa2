"""One variant of a model in a process of its own: it answers and it is timed, as it is asked.

Started by `timing` as `python -m tellapart.serving.timed`. One JSON object a line comes in through
standard input, one goes out through what was standard output:

- `{"load": …}` → `{"ready": seconds, "memory": MB}`
- `{"answer": FILE}` → `{"answered": n}`: the probabilities of all pictures are in the file
- `{"time": {"batch": n, "seconds": s}}` → `{"pictures": n, "seconds": s, "memory": MB}`

An error is `{"error": line}`, and the process ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from tellapart.bundle.session import Session
    from tellapart.serving.variant import Choice

#: Pictures that go through together where all are answered.
_TOGETHER = 4


def main() -> None:
    """Answer requests until the input ends."""
    began = time.perf_counter()
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints must not reach the other end
    try:
        _serve(began, out)
    except Exception as error:
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        _say(out, {"error": line[:300]})


def _say(out: TextIO, value: dict[str, Any]) -> None:
    out.write(json.dumps(value) + "\n")
    out.flush()


def _serve(began: float, out: TextIO) -> None:
    first = json.loads(sys.stdin.readline())["load"]
    import numpy as np

    from tellapart.serving.variant import Choice

    cache = Path(first["cache_dir"]) if first["cache_dir"] else None
    choice = replace(Choice(**first["choice"]), cache_dir=cache)
    session, names = _opened(Path(first["bundle"]), choice)
    pictures = np.load(first["pictures"], mmap_mode="r")

    def run(start: int, count: int) -> Any:
        return session.run(np.take(pictures, range(start, start + count), 0, mode="wrap"), names)

    run(0, 1)
    _say(out, {"ready": time.perf_counter() - began, "memory": memory()})
    for line in sys.stdin:
        request = json.loads(line)
        if "answer" in request:
            found = [
                run(at, min(_TOGETHER, len(pictures) - at))["probabilities"]
                for at in range(0, len(pictures), _TOGETHER)
            ]
            np.save(request["answer"], np.concatenate(found))
            _say(out, {"answered": len(pictures)})
            continue
        batch = request["time"]["batch"]
        if choice.engine == "openvino" and batch != choice.max_batch:
            choice = replace(choice, max_batch=batch)  # it plans for this size
            del session
            session, names = _opened(Path(first["bundle"]), choice)
        _say(out, _timed(run, **request["time"]))


def _opened(path: Path, choice: Choice) -> tuple[Session, list[str]]:
    """The session that serves so, and the outputs that answers are made of."""
    from tellapart.bundle.archive import open_archive
    from tellapart.bundle.predictor import read_model
    from tellapart.serving.variant import open_session

    with open_archive(path) as archive:
        manifest, model = read_model(archive)
    usual = ("probabilities", "familiarity")
    names = [str(name) for name in usual if name in manifest.outputs]
    return open_session(path, manifest, model, choice), names


def _timed(run: Callable[[int, int], Any], batch: int, seconds: float) -> dict[str, Any]:
    """Run batches for so many seconds, after one that is not counted."""
    run(0, batch)
    began, done = time.perf_counter(), 0
    while True:
        run(done, batch)
        done += batch
        took = time.perf_counter() - began
        if took >= seconds:
            return {"pictures": done, "seconds": took, "memory": memory()}


def memory() -> float | None:
    """This process's memory in MB, its share of what others map too (PSS); None: not told."""
    with contextlib.suppress(OSError):
        text = Path("/proc/self/smaps_rollup").read_text(encoding="ascii")
        found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
        return int(found[1]) / 1024 if found else None
    return None


if __name__ == "__main__":
    main()
