"""From the start of the process until it serves, what it weighs, and how soon `compute` answers.

Cold start: from the start of `tellapart serve` until its line says that it is ready, the file
cache warm (what is read is the same at each start). Weight: the proportional set size of all of
its processes, with one worker, after 800 requests. `compute`: from the start of the client's
process to its end, beside the same interpreter that does nothing.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import main, spread, tellapart, timed
from benchmarks.beside.chains import Rows
from benchmarks.serving import measure, servers
from benchmarks.serving.material import MIDDLE, Material, material

ENGINES = ("onnxruntime", "openvino")
STARTS = 10
REQUESTS = 800
ASKED = 40


def run(data: Path, small: bool) -> dict[str, Any]:
    found = material(data, small)
    rows = Rows("serving_start", small)
    engines = ENGINES[:1] if small else ENGINES
    figures: dict[str, Any] = {"ready_s": {}, "first_start_s": {}, "memory": {}}
    for engine in engines:
        # The first start with OpenVINO compiles the model for its cache.
        first = rows.get(f"first start, {engine}", partial(_start, found, engine))
        figures["first_start_s"][engine] = first["ready_s"]
    starts: dict[str, list[float]] = {engine: [] for engine in engines}
    for number in range(1 if small else STARTS):
        for engine in engines:
            row = rows.get(f"start {number}, {engine}", partial(_start, found, engine))
            starts[engine].append(row["ready_s"])
    figures["ready_s"] = {engine: spread(each) for engine, each in starts.items()}
    for engine in engines:
        measured = partial(_memory, found, engine, 40 if small else REQUESTS)
        figures["memory"][engine] = rows.get(f"memory, {engine}", measured)
    asked = partial(_compute, found, 4 if small else ASKED)
    return {**figures, "compute": rows.get("compute", asked)}


def _start(found: Material, engine: str) -> dict[str, Any]:
    with servers.ours(found, "--engine", engine) as server:
        status, _ = server.post("/predict", found.pictures[MIDDLE][0].read_bytes())
        if status != 200:
            raise RuntimeError(f"ready, and then {status}")
        return {"ready_s": round(server.ready_s, 3)}


def _memory(found: Material, engine: str, count: int) -> dict[str, Any]:
    files = found.all_pictures
    with servers.ours(found, "--engine", engine, "--workers", "1") as server:
        before = server.pss_mb()
        phase = {"clients": 4, "count": count}
        (measured,) = measure.drive(server, measure.pictures(files), [phase])
        after = server.pss_mb()
        each = [round(process.memory_full_info().pss / 1e6, 1) for process in server.processes()]
    return {
        "requests": count,
        "statuses": measured.statuses,
        "wrong": measured.wrong(found.expected(files), 0.02),
        "ready_mb": before,
        "pss_mb": after,
        "front, spawner, worker": each,
    }


def _compute(found: Material, count: int) -> dict[str, Any]:
    """Turns of the client and of an interpreter that starts and ends."""
    files = found.pictures[MIDDLE]
    expected = found.expected(files)
    took: list[float] = []
    nothing: list[float] = []
    right = 0
    with servers.ours(found) as server:
        for number in range(count):
            item = number % len(files)
            words = tellapart("compute", str(files[item]), "--socket", str(server.socket))
            seconds, done = timed(words, env=dict(os.environ))
            took.append(seconds * 1000)
            nothing.append(timed([sys.executable, "-c", ""])[0] * 1000)
            told = [float(word) for word in done.stdout.split(",")]
            wanted = list(expected[item]["probabilities"].values())
            right += len(told) == len(wanted) and all(
                abs(a - b) <= 0.006 for a, b in zip(told, wanted, strict=True)
            )
    took.sort()
    return {
        "answers": count,
        "right": right,
        "ms": spread(took),
        "p99_ms": round(measure.quantile(took, 0.99), 1),
        "bare_interpreter_ms": spread(nothing),
    }


if __name__ == "__main__":
    main(run)
