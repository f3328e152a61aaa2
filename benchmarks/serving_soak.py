"""24,000 mixed requests at twice the rate that the server can answer.

Open loop: requests come whether or not the earlier ones were answered. What is too much must be
turned away at once (503 within 50 ms), what is accepted answered correctly and by its deadline,
and the memory must not grow. The capacity is that of a closed loop over the same mix just before.
The flood comes in four portions; the server is weighed all the time, and at rest after each.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks import main
from benchmarks.serving import measure, mixed, servers
from benchmarks.serving.material import material
from tellapart.serving import options

REQUESTS = 24_000
PORTIONS = 4
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
            server.whole(options.cores())
            seconds = 1.0 if small else 8.0
            phase = {"clients": 16, "seconds": seconds}
            warm, calm = measure.drive(server, requests, [phase, phase])
            capacity = max(1.0, len(calm.replies) / calm.seconds)
            flood = {
                "clients": CONNECTIONS,
                "rate": 2 * capacity,
                "count": (60 if small else REQUESTS) // PORTIONS,
            }
            scale = Scale(server, 0.2 if small else 1.0)
            scale.start()
            time.sleep(0.1 if small else 3.0)
            portions, resting = [], [server.pss_mb()]
            for number in range(PORTIONS):
                portions += measure.drive(server, requests, [{**flood, "seed": number}])
                time.sleep(0.1 if small else 3.0)
                resting.append(server.pss_mb())
            most = max(scale.stop(), default=0.0)
            alive = server.get("/health")[0]
            after = measure.once_each(server, requests)
    replies = [reply for one in portions for reply in one.replies]
    return {
        "capacity_per_second": round(capacity, 1),
        "offered_per_second": round(2 * capacity, 1),
        "seconds": round(sum(one.seconds for one in portions), 1),
        "requests": len(replies),
        **_fates(mix, replies),
        "wrong": _sum(mixed.wrong(mix, one) for one in portions),
        "wrong_before": _sum(mixed.wrong(mix, one) for one in (warm, calm)),
        "wrong_afterwards": mixed.wrong(mix, after),
        "turned_away_afterwards": sum(r.status in mixed.TURNED_AWAY for r in after.replies),
        "healthy_afterwards": alive == 200,
        "pss_mb": {"at_rest_before_and_after_each_portion": resting, "most": most},
        "growth_at_rest": round(resting[-1] / resting[0] - 1, 4),
        "growth_at_rest_after_the_first_portion": round(resting[-1] / resting[1] - 1, 4),
        "load_core_ms": round(1000 * sum(one.load_cpu_s for one in portions) / len(replies), 3),
    }


def _sum(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(total)


def _fates(mix: list[mixed.Asked], replies: list[measure.Reply]) -> dict[str, Any]:
    statuses = Counter(reply.status for reply in replies)
    shed = sorted(reply.took for reply in replies if reply.status == 503)
    # What is answered with another 4xx never waited for a worker.
    accepted = sorted(reply.took for reply in replies if reply.status in (200, 504))
    return {
        "by_kind": dict(sorted(Counter(mix[reply.item].what for reply in replies).items())),
        "statuses": {str(status): n for status, n in sorted(statuses.items())},
        "lost": statuses[0],
        "turned_away_ms": {
            "n": len(shed),
            "p50": measure.shown(shed, 0.5),
            "p99": measure.shown(shed, 0.99),
            "most": shed[-1] if shed else None,
            "within_50_ms": round(sum(t <= 50 for t in shed) / len(shed), 4) if shed else None,
        },
        "accepted_ms": {
            "n": len(accepted),
            "p50": measure.shown(accepted, 0.5),
            "p99": measure.shown(accepted, 0.99),
            "deadline": DEADLINE * 1000,
            "too_late": statuses[504],
        },
    }


if __name__ == "__main__":
    main(run)
