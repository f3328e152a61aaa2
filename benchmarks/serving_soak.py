"""24,000 mixed requests at twice the rate that the server can answer.

Open loop: requests come whether or not the earlier ones were answered. What is too much must be
turned away at once (503 within 50 ms), what is accepted answered correctly and by its deadline,
and the memory must not grow. The capacity is that of a closed loop over the same mix just before.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks import main
from benchmarks.serving import measure, mixed, servers
from benchmarks.serving.material import material

REQUESTS = 24_000
#: Connections at most.
CONNECTIONS = 600
DEADLINE = 10.0


class Scale(threading.Thread):
    """Weighs a server every other second until it is told to stop."""

    def __init__(self, server: servers.Server, every: float) -> None:
        super().__init__(daemon=True)
        self.server, self.every = server, every
        self.done = threading.Event()
        self.weights: list[float] = []

    def run(self) -> None:
        while not self.done.wait(self.every):
            self.weights.append(self.server.pss_mb())

    def stop(self) -> list[float]:
        self.done.set()
        self.join()
        return self.weights


def run(data: Path, small: bool) -> dict[str, Any]:
    found = material(data, small)
    with tempfile.TemporaryDirectory() as temporary:
        mix = mixed.requests(found, Path(temporary))
        requests = [asked.request for asked in mix]
        with servers.ours(found, "--deadline", f"{DEADLINE:g}") as server:
            seconds = 1.0 if small else 8.0
            phase = {"clients": 16, "seconds": seconds}
            warm, calm = measure.drive(server, requests, [phase, phase])
            capacity = max(1.0, len(calm.replies) / calm.seconds)
            scale = Scale(server, 0.2 if small else 2.0)
            scale.start()
            start = time.perf_counter()
            flood = {
                "clients": CONNECTIONS,
                "rate": 2 * capacity,
                "count": 60 if small else REQUESTS,
            }
            (measured,) = measure.drive(server, requests, [flood])
            took = time.perf_counter() - start
            weights = scale.stop()
            alive = server.get("/health")[0]
            after = measure.once_each(server, requests)
    return {
        "capacity_per_second": round(capacity, 1),
        "offered_per_second": round(2 * capacity, 1),
        "seconds": round(took, 1),
        "requests": len(measured.replies),
        **_fates(mix, measured),
        "wrong_before": mixed.wrong(mix, warm) | mixed.wrong(mix, calm),
        "wrong_afterwards": mixed.wrong(mix, after),
        "turned_away_afterwards": sum(r.status in mixed.TURNED_AWAY for r in after.replies),
        "healthy_afterwards": alive == 200,
        "memory": _memory(weights),
        "load_core_ms": round(1000 * measured.load_cpu_s / len(measured.replies), 3),
    }


def _fates(mix: list[mixed.Asked], measured: measure.Measured) -> dict[str, Any]:
    shed = measured.took(503)
    accepted = sorted(r.took for r in measured.replies if r.status not in (0, 503))
    kinds = Counter(mix[reply.item].what for reply in measured.replies)
    return {
        "by_kind": dict(sorted(kinds.items())),
        "statuses": measured.statuses,
        "lost": measured.statuses.get("0", 0),
        "wrong": mixed.wrong(mix, measured),
        "turned_away_ms": {
            "n": len(shed),
            "p50": measure.shown(shed, 0.5),
            "p99": measure.shown(shed, 0.99),
            "most": round(shed[-1], 1) if shed else None,
            "within_50_ms": round(sum(t <= 50 for t in shed) / max(1, len(shed)), 4),
        },
        "accepted_ms": {
            "n": len(accepted),
            "p50": measure.shown(accepted, 0.5),
            "p99": measure.shown(accepted, 0.99),
            "deadline": DEADLINE * 1000,
        },
    }


def _memory(weights: list[float]) -> dict[str, Any]:
    """Growth from the second quarter to the last: the first fills what is kept ready."""
    quarter = len(weights) // 4
    if not quarter:
        return {"pss_mb": weights}
    early = statistics.median(weights[quarter : 2 * quarter])
    late = statistics.median(weights[-quarter:])
    return {
        "pss_mb": {"first": weights[0], "second_quarter": early, "last_quarter": late},
        "most_mb": max(weights),
        "growth": round(late / early - 1, 4),
        "weighed": len(weights),
    }


if __name__ == "__main__":
    main(run)
