"""Drive a server with the load generator and read what came of it."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import HERE, spread
from benchmarks.serving.material import same
from benchmarks.serving.servers import Server

LOAD = HERE / "serving" / "load.py"


@dataclass(frozen=True)
class Reply:
    """One request's fate."""

    item: int
    #: 0: lost with its connection, or never answered.
    status: int
    #: Seconds after the start of the phase at which it was due.
    at: float
    #: Milliseconds from then until its answer was whole.
    took: float


@dataclass(frozen=True)
class Measured:
    """What one phase brought."""

    replies: list[Reply]
    #: By request and by status class: bodies and how often each came.
    answers: dict[int, list[tuple[int, str, int]]]
    #: Of `time.perf_counter`, which all processes of a machine share on Linux.
    start: float
    seconds: float
    #: Core seconds of the generator and of the server.
    load_cpu_s: float
    server_cpu_s: float

    @property
    def statuses(self) -> dict[str, int]:
        return {str(k): n for k, n in sorted(Counter(r.status for r in self.replies).items())}

    def took(self, status: int = 200) -> list[float]:
        """Latencies in ms, sorted."""
        return sorted(reply.took for reply in self.replies if reply.status == status)

    @property
    def rate(self) -> float:
        """Requests answered 200 within the phase's time, a second."""
        ended = sum(r.status == 200 and r.at + r.took / 1000 <= self.seconds for r in self.replies)
        return ended / self.seconds

    def wrong(
        self,
        expected: Sequence[dict[str, Any]],
        tolerance: float = 1e-3,
        only: Callable[[str], bool] = lambda _: True,
    ) -> int:
        """How many of the answers 200 (of those bodies only) are not the expected ones."""
        return sum(
            often
            for item, body, often in self.bodies(2)
            if only(body) and not _right(body, expected[item], tolerance)
        )

    def bodies(self, status_class: int) -> list[tuple[int, str, int]]:
        """Request, body and how often, of the answers of one class of status."""
        return [
            (item, body, often)
            for item, found in self.answers.items()
            for kind, body, often in found
            if kind == status_class
        ]

    def figures(self) -> dict[str, Any]:
        """What goes into a row."""
        took = self.took()
        done = max(1, len(took))
        found: dict[str, Any] = {
            "per_second": round(self.rate, 1),
            "p50_ms": round(quantile(took, 0.5), 2),
            "p99_ms": round(quantile(took, 0.99), 2),
            "answered": len(took),
            "server_core_ms": round(1000 * self.server_cpu_s / done, 3),
            "load_core_ms": round(1000 * self.load_cpu_s / done, 3),
        }
        if set(self.statuses) - {"200"}:
            found["statuses"] = self.statuses
        return found


def answers_of(measured: Measured, count: int) -> list[dict[str, Any]]:
    """The answer 200 to each of `count` requests; raises RuntimeError where one has none."""
    found = {item: json.loads(body.encode("latin-1")) for item, body, _ in measured.bodies(2)}
    if len(found) != count:
        raise RuntimeError(f"{len(found)} of {count} requests were answered: {measured.statuses}")
    return [found[item] for item in range(count)]


def medians(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of the numbers that all rows have, with the smallest and the largest."""
    return {
        name: spread([row[name] for row in rows])
        for name, value in rows[0].items()
        if isinstance(value, (int, float)) and all(name in row for row in rows)
    }


class Judge:
    """Counts answers that differ from those that the same server gave one by one."""

    def __init__(self, rest: Measured, expected: Sequence[dict[str, Any]], *, exact: bool) -> None:
        """`rest`: each request once; `exact`: those answers must be the expected ones too."""
        self.expected = answers_of(rest, len(expected))
        same_best = [a["best"] == b["best"] for a, b in zip(self.expected, expected, strict=True)]
        #: The share of the expected classes.
        self.agreement = sum(same_best) / len(same_best)
        self.wrong = rest.wrong(expected) if exact else 0
        # In bf16 a batch's other pictures move the last digits.
        self.tolerance = 1e-3 if exact else 0.05

    def look(self, measured: Measured) -> Measured:
        self.wrong += measured.wrong(self.expected, self.tolerance)
        return measured


def _right(body: str, expected: dict[str, Any], tolerance: float) -> bool:
    told = parsed(body)
    return isinstance(told, dict) and same(told, expected, tolerance)


def parsed(body: str) -> Any:
    """The JSON of an answer; None where it is none."""
    try:
        return json.loads(body.encode("latin-1"))
    except ValueError:
        return None


def quantile(values: Sequence[float], share: float) -> float:
    """By the nearest rank; NaN of nothing. `values` are sorted."""
    if not values:
        return math.nan
    return values[min(len(values) - 1, max(0, math.ceil(share * len(values)) - 1))]


def shown(values: Sequence[float], share: float) -> float | None:
    """A quantile for people, in tenths; None of nothing."""
    return round(quantile(values, share), 1) if values else None


def pictures(files: Sequence[Path], path: str = "/predict") -> list[dict[str, Any]]:
    """Requests with a picture as their body."""
    return [{"path": path, "type": "image/jpeg", "file": str(file)} for file in files]


def drive(
    server: Server,
    requests: Sequence[dict[str, Any]],
    phases: Sequence[dict[str, Any]],
    *,
    socket: bool = False,
    meanwhile: Callable[[int], None] | None = None,
) -> list[Measured]:
    """Run phases one after another; `meanwhile(number)` is called when each has begun."""
    address = str(server.socket) if socket else server.address
    found = []
    with tempfile.TemporaryDirectory() as temporary:
        plan = Path(temporary) / "plan.json"
        plan.write_text(
            json.dumps({"address": address, "requests": list(requests), "phases": list(phases)})
        )
        process = subprocess.Popen(
            [sys.executable, "-S", "-E", str(LOAD), str(plan)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": "0"},
        )
        assert process.stdin is not None and process.stdout is not None
        try:
            for number, _ in enumerate(phases):
                before = server.cpu_s()
                process.stdin.write("\n")
                process.stdin.flush()
                if meanwhile is not None:
                    meanwhile(number)
                line = process.stdout.readline()
                spent = server.cpu_s() - before
                if not line:
                    raise RuntimeError(f"the load generator ended with {process.wait()}")
                found.append(_measured(json.loads(line), spent))
        finally:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()
    return found


def once_each(server: Server, requests: Sequence[dict[str, Any]]) -> Measured:
    """Each request once, one after another."""
    return drive(server, requests, [{"clients": 1, "count": len(requests)}])[0]


def _measured(told: dict[str, Any], server_cpu_s: float) -> Measured:
    return Measured(
        [Reply(*record) for record in told["records"]],
        {int(item): [tuple(each) for each in found] for item, found in told["answers"].items()},
        told["start"],
        told["seconds"],
        told["cpu_s"],
        server_cpu_s,
    )
