"""A served bundle beside decode + bare engine: overhead at one client, throughput on all cores.

The bare loop is the same decoder and the same session in as many processes, without a server
(`benchmarks/serving/bare.py`). Both live on the same machine and take turns; the load generator
runs there too, and its core time is reported. `f32` is ONNX Runtime, `chosen` the variant that
`tellapart benchmark --apply` chose. `of_bare` is the better rate of 8 and 32 clients as a share of
the bare loop's better one of two; `less_the_generator` leaves out the core time that the generator
took, and `core_time_of_bare` compares the core time of one answer. An open loop's share is of the
rate that 8 clients had just reached; its latencies count from the moment when a request was due.
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import main, spread
from benchmarks.beside.chains import Rows
from benchmarks.serving import bare, choosing, measure, servers
from benchmarks.serving.material import MIDDLE, SIZES, Material, material

CLIENTS = (1, 2, 8, 32)
SHARES = (0.5, 0.75, 0.9)
ROUNDS = 3
SECONDS = 3.0


def run(data: Path, small: bool) -> dict[str, Any]:
    found = material(data, small)
    rows = Rows("serving_speed", small)
    figures: dict[str, Any] = {}
    for variant in ("f32",) if small else ("f32", "chosen"):
        home = choosing.chosen_home(found) if variant == "chosen" else None
        how = choosing.how(found, home)
        turns = []
        for number in range(1 if small else ROUNDS):
            turn = partial(_turn, found, home, how, small)
            turns.append(rows.get(f"{variant}, round {number}", turn))
        figures[variant] = {"runs_on": turns[0]["runs_on"], "sizes": _figures(turns)}
    return figures


def _turn(found: Material, home: Path | None, how: bare.How, small: bool) -> dict[str, Any]:
    """One start of the server; the bare loop before and after each of its measurements."""
    seconds = 0.7 if small else SECONDS
    row: dict[str, Any] = {"runs_on": vars(how), "sizes": {}}
    with servers.ours(found, home=home) as server:
        if not server.whole(how.processes):
            raise RuntimeError(f"not all of the {how.processes} workers came up")
        for size in (MIDDLE,) if small else SIZES:
            row["sizes"][size] = _size(server, found, size, how, seconds, home)
    return row


def _size(
    server: servers.Server,
    found: Material,
    size: str,
    how: bare.How,
    seconds: float,
    home: Path | None,
) -> dict[str, Any]:
    files = found.pictures[size]
    requests = measure.pictures(files)

    def alone(**changes: Any) -> dict[str, Any]:
        asked = replace(how, **changes)
        return bare.loop(found.bundle, files, asked, seconds, home or found.home)

    def served(**phase: Any) -> measure.Measured:
        return measure.drive(server, requests, [{"seconds": seconds, **phase}])[0]

    measure.drive(server, requests, [{"clients": 8, "seconds": seconds / 2}])  # warm
    judge = measure.Judge(
        measure.once_each(server, requests), found.expected(files), exact=home is None
    )
    row: dict[str, Any] = {"bare_one": alone(processes=1), "closed": {}, "open": {}}
    first = alone()
    for clients in CLIENTS:
        row["closed"][str(clients)] = judge.look(served(clients=clients)).figures()
    # The better of two, as the server's is: one before its measurements, one after.
    row["bare_all"] = max(first, alone(), key=lambda one: float(one["per_second"]))
    row["bare_all_of_4"] = alone(batch=4)
    capacity = max(1.0, row["closed"]["8"]["per_second"])
    for share in SHARES:
        one = judge.look(served(clients=256, rate=share * capacity))
        row["open"][str(share)] = one.figures()
    return {**row, "wrong": judge.wrong, "agrees_with_f32": judge.agreement}


def _figures(turns: list[dict[str, Any]]) -> dict[str, Any]:
    """By size: medians over the rounds, and what the server adds to the bare loop of its round."""
    found: dict[str, Any] = {}
    for size in turns[0]["sizes"]:
        each = [turn["sizes"][size] for turn in turns]
        best = [max(one["closed"][c]["per_second"] for c in ("8", "32")) for one in each]
        found[size] = {
            "overhead_p50_ms": spread(_added(each, "p50_ms")),
            "overhead_p99_ms": spread(_added(each, "p99_ms")),
            "of_bare": spread(
                [b / one["bare_all"]["per_second"] for b, one in zip(best, each, strict=True)]
            ),
            "of_bare_less_the_generator": spread(
                [
                    b / (one["bare_all"]["per_second"] * (1 - _generator(one)))
                    for b, one in zip(best, each, strict=True)
                ]
            ),
            "of_bare_in_batches_of_4": spread(
                [b / one["bare_all_of_4"]["per_second"] for b, one in zip(best, each, strict=True)]
            ),
            "core_time_of_bare": spread(
                [one["closed"]["8"]["server_core_ms"] / one["bare_all"]["core_ms"] for one in each]
            ),
            "bare_one": measure.medians([one["bare_one"] for one in each]),
            "bare_all": measure.medians([one["bare_all"] for one in each]),
            "bare_all_of_4": measure.medians([one["bare_all_of_4"] for one in each]),
            **{
                kind: {at: measure.medians([one[kind][at] for one in each]) for at in each[0][kind]}
                for kind in ("closed", "open")
            },
            "wrong": sum(one["wrong"] for one in each),
            "agrees_with_f32": min(one["agrees_with_f32"] for one in each),
        }
    return found


def _generator(one: dict[str, Any]) -> float:
    """The share of all cores that the load generator took from the server it measured."""
    row = one["closed"]["32"]
    return float(row["per_second"] * row["load_core_ms"] / 1000 / (os.cpu_count() or 1))


def _added(each: list[dict[str, Any]], what: str) -> list[float]:
    return [one["closed"]["1"][what] - one["bare_one"][what] for one in each]


if __name__ == "__main__":
    main(run)
