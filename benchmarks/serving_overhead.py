"""What a server adds to decode + bare engine for one client, in turns of half a second.

A core's speed drifts by a third within seconds on a shared machine, so that a bare loop measured
some seconds apart says little about a part of a millisecond. Here the bare loop and the server,
both resident, take turns of half a second, and each turn's median is compared with the mean of the
bare ones before and after it. The 99th percentiles are of all pictures of a round.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import main, spread
from benchmarks.beside.chains import Rows
from benchmarks.serving import bare, choosing, measure, servers
from benchmarks.serving.material import MIDDLE, SIZES, Material, material

ROUNDS = 3
TURNS = 30
SECONDS = 0.5


def run(data: Path, small: bool) -> dict[str, Any]:
    found = material(data, small)
    rows = Rows("serving_overhead", small)
    figures: dict[str, Any] = {}
    for size in (MIDDLE,) if small else SIZES:
        rounds = [
            rows.get(f"{size}, round {number}", partial(_round, found, size, 4 if small else TURNS))
            for number in range(1 if small else ROUNDS)
        ]
        turns = [added for one in rounds for added in one["added_ms"]]
        figures[size] = {
            "overhead_p50_ms": spread(turns),
            "overhead_p99_ms": spread([one["p99_ms"] - one["bare_p99_ms"] for one in rounds]),
            **{
                name: spread([one[name] for one in rounds])
                for name in ("bare_p50_ms", "p50_ms", "bare_p99_ms", "p99_ms")
            },
        }
    return figures


def _round(found: Material, size: str, turns: int) -> dict[str, Any]:
    files = found.pictures[size]
    requests = measure.pictures(files)
    how = choosing.how(found, None)
    one = bare.How(**{**vars(how), "processes": 1})
    told = bare.asking(found.bundle, files, one, SECONDS, found.home)
    alone: list[list[float]] = []
    served: list[list[float]] = []
    with servers.ours(found) as server, bare.Bare(told) as loop:
        if not server.whole(how.processes):
            raise RuntimeError(f"not all of the {how.processes} workers came up")
        measure.drive(server, requests, [{"clients": 2, "seconds": 1.0}])  # warm
        for turn in range(turns + 1):
            loop.begin()
            alone.append(sorted(loop.end()["took_ms"]))
            if turn < turns:
                phase = {"clients": 1, "seconds": SECONDS}
                turned = measure.drive(server, requests, [phase])[0]
                # The first one of a turn opens the connection.
                served.append(sorted(reply.took for reply in turned.replies[1:]))
    medians = [measure.quantile(each, 0.5) for each in alone]
    return {
        "added_ms": [
            round(measure.quantile(each, 0.5) - (before + after) / 2, 3)
            for each, before, after in zip(served, medians[:-1], medians[1:], strict=True)
        ],
        **_quantiles("bare_", alone),
        **_quantiles("", served),
    }


def _quantiles(name: str, turns: list[list[float]]) -> dict[str, float]:
    took = sorted(each for turn in turns for each in turn)
    return {
        f"{name}p50_ms": round(measure.quantile(took, 0.5), 3),
        f"{name}p99_ms": round(measure.quantile(took, 0.99), 3),
    }


if __name__ == "__main__":
    main(run)
