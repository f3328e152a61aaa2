"""One variant of a model in a process of its own: it answers and it is timed, as it is asked.

Started by `timing` as `python -m tellapart.serving.timed`. One JSON object a line comes in through
standard input, one goes out through what was standard output:

- `{"load": …}` → `{"ready": seconds, "memory": MB}`
- `{"answer": FILE}` → `{"answered": n}`: the probabilities of all pictures are in the file
- `{"decode": {"folder": …, "size": …, "view": …, "color": …}}` → `{"seconds": s}`: of one core, to
  prepare one of the pictures in the folder
- `{"prepare": {"batch": n}}` → `{"prepared": n, "at": t}`: such batches can be timed
- `{"time": {"batch": n, "seconds": s, "at": t}}` → `{"began": t, "ends": [t, …], "memory": MB}`:
  when each batch was answered, from t on for s seconds

Times are of the monotonic clock, which all processes of a machine share. What is slow the first
time comes before the window, so that all work side by side for the whole of it.

An error is `{"error": line}`, and the process ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

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
    prepared = 0
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
        if "decode" in request:
            _say(out, {"seconds": _decoding(**request["decode"])})
        elif "prepare" in request:
            batch = request["prepare"]["batch"]
            if choice.engine == "openvino" and batch != choice.max_batch:
                choice = replace(choice, max_batch=batch)  # it plans for this size
                del session
                session, names = _opened(Path(first["bundle"]), choice)
            run(0, batch)
            prepared = batch
            _say(out, {"prepared": batch, "at": time.monotonic()})
        elif request["time"]["batch"] != prepared:
            raise ValueError(f"a batch of {request['time']['batch']} was not prepared")
        else:
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


def _timed(run: Callable[[int, int], Any], batch: int, seconds: float, at: float) -> dict[str, Any]:
    """Run batches until so many seconds after `at`, beginning then."""
    time.sleep(max(0.0, at - time.monotonic()))
    began = time.monotonic()
    ends: list[float] = []
    while True:
        run(len(ends) * batch, batch)
        ends.append(time.monotonic())
        if ends[-1] >= at + seconds:
            return {"began": began, "ends": ends, "memory": memory()}


def _decoding(folder: str, size: Sequence[int], view: str, color: str) -> float:
    """Seconds of one core that preparing a picture takes: the median of those in the folder."""
    import statistics

    from tellapart import images

    took = []
    for file in sorted(Path(folder).iterdir()):
        data = file.read_bytes()
        began = time.thread_time()
        images.load(data, (size[0], size[1]), cast(Any, view), cast(Any, color))
        took.append(time.thread_time() - began)
    return statistics.median(took)


def memory() -> float | None:
    """This process's memory in MB, its share of what others map too (PSS); None: not told."""
    with contextlib.suppress(OSError):
        text = Path("/proc/self/smaps_rollup").read_text(encoding="ascii")
        found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
        return int(found[1]) / 1024 if found else None
    return None


if __name__ == "__main__":
    main()
