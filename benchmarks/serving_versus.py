"""Beside LitServe, BentoML, Ray Serve and plain FastAPI + ONNX Runtime, in turns.

Each contender in its own environment (`sh benchmarks/serving/peers.sh FOLDER`, then
TELLAPART_PEERS_SERVING=FOLDER) with the same ONNX file, the same JPEGs and a decoder as cheap as
ours, on both cores. Several settings are tried for each, the best of them with our settings of
malloc too, and the one with most requests/s is measured: what is compared is the best that we
could make of it. Ours as `f32`, with their very
engine, and as `chosen`, with the variant that `tellapart benchmark --apply` chose. All answers are
compared with the reference.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import Skipped, main, spread
from benchmarks.beside.chains import Rows
from benchmarks.serving import choosing, measure, servers
from benchmarks.serving.material import MIDDLE, SIZES, Material, material
from tellapart.serving import spawn

CLIENTS = (1, 2, 8, 32)
SHARES = (0.5, 0.75, 0.9)
ROUNDS = 3
SECONDS = 3.0

#: What is tried for each contender; the first is the one that its documentation suggests.
SETTINGS: dict[str, list[dict[str, Any]]] = {
    "fastapi": [
        {"workers": 2, "threads": 1, "pool": True},
        {"workers": 2, "threads": 1, "pool": False},
        {"workers": 1, "threads": 1, "pool": True},
        {"workers": 1, "threads": 2, "pool": True},
    ],
    "litserve": [
        {"workers": 2, "threads": 1, "batch": 1},
        {"workers": 2, "threads": 1, "batch": 1, "fast_queue": True},
        {"workers": 2, "threads": 1, "batch": 1, "api_servers": 2},
        {"workers": 2, "threads": 1, "batch": 4, "wait": 0.002},
    ],
    "bentoml": [
        {"workers": 2, "threads": 1, "service_threads": 1, "metrics": True},
        {"workers": 2, "threads": 1, "service_threads": 2, "metrics": False},
        {"workers": 1, "threads": 1, "service_threads": 4, "metrics": False},
    ],
    "ray": [
        {"replicas": 2, "threads": 1, "ongoing": 8},
        {"replicas": 2, "threads": 1, "ongoing": 2},
        {
            "replicas": 2,
            "threads": 1,
            "ongoing": 8,
            "environment": {"RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"},
        },
    ],
}
OURS = ("f32", "chosen")


def run(data: Path, small: bool) -> dict[str, Any]:
    there, missing = _there(small)
    found = material(data, small)
    rows = Rows("serving_versus", small)
    settings = {name: _best(name, found, rows, small) for name in there}
    best = {name: one["best"] for name, one in settings.items()}
    who = ["f32" if small else each for each in OURS[: 1 if small else 2]] + there
    turns = [
        {
            name: rows.get(
                f"round {number}, {name}", partial(_turn, name, best.get(name), found, small)
            )
            for name in who
        }
        for number in range(1 if small else ROUNDS)
    ]
    return {
        "settings": settings,
        "not_measured": missing,
        "ratios": {
            f"{ours} / {peer}": _ratios(turns, ours, peer)
            for ours in OURS
            if ours in who
            for peer in there
        },
        "each": {name: _figures([turn[name] for turn in turns]) for name in who},
    }


def _there(small: bool) -> tuple[list[str], dict[str, str]]:
    """The contenders whose environments are built; raises `Skipped` without any."""
    folder = servers.peers()
    there = [name for name in SETTINGS if (folder / name / ".built").exists()]
    if not there:
        raise Skipped(f"{folder} holds no environment: sh benchmarks/serving/peers.sh {folder}")
    missing = {name: "its environment is not built" for name in SETTINGS if name not in there}
    # One of them shows at a small scale that the measurement works.
    return (there[:1] if small else there), missing


def _best(name: str, found: Material, rows: Rows, small: bool) -> dict[str, Any]:
    """The setting with the most requests a second from 8 clients."""

    def speed(key: str, setting: dict[str, Any]) -> dict[str, Any]:
        return rows.get(f"{name}, {key}", partial(_try, name, setting, found, small))

    settings = SETTINGS[name][:1] if small else SETTINGS[name]
    tried = [(speed(f"setting {k}", setting), setting) for k, setting in enumerate(settings)]
    if not small:  # our workers run so: would it help theirs?
        best = max(tried, key=_rate)[1]
        tuned = {**best, "environment": {**best.get("environment", {}), **spawn.MEMORY}}
        tried.append((speed("the best with our settings of malloc", tuned), tuned))
    figures = [{**setting, **measured} for measured, setting in tried]
    return {"best": max(tried, key=_rate)[1], "tried": figures}


def _rate(pair: tuple[dict[str, Any], dict[str, Any]]) -> float:
    return float(pair[0]["per_second"])


def _try(name: str, setting: dict[str, Any], found: Material, small: bool) -> dict[str, Any]:
    seconds = 0.7 if small else 6.0
    requests = measure.pictures(found.pictures[MIDDLE])
    with servers.contender(name, setting, found) as server:
        phases = [{"clients": 8, "seconds": part} for part in (seconds / 3, seconds)]
        figures = measure.drive(server, requests, phases)[1].figures()
    return {what: figures[what] for what in ("per_second", "p99_ms")}


def _server(
    name: str, setting: dict[str, Any] | None, found: Material
) -> AbstractContextManager[servers.Server]:
    if setting is not None:
        return servers.contender(name, setting, found)
    return servers.ours(found, home=_home(name, found))


def _home(name: str, found: Material) -> Path | None:
    return choosing.chosen_home(found) if name == "chosen" else None


def _turn(
    name: str, setting: dict[str, Any] | None, found: Material, small: bool
) -> dict[str, Any]:
    with _server(name, setting, found) as server:
        if setting is None:
            server.whole(choosing.how(found, _home(name, found)).processes)
        row: dict[str, Any] = {"ready_s": round(server.ready_s, 2), "sizes": {}}
        for size in (MIDDLE,) if small else SIZES:
            row["sizes"][size] = _size(server, found, size, name != "chosen", small)
        row["pss_mb"] = server.pss_mb()
    return row


def _size(
    server: servers.Server, found: Material, size: str, exact: bool, small: bool
) -> dict[str, Any]:
    seconds = 0.7 if small else SECONDS
    files = found.pictures[size]
    requests = measure.pictures(files)
    measure.drive(server, requests, [{"clients": 8, "seconds": seconds / 2}])  # warm
    rest = measure.once_each(server, requests)
    judge = measure.Judge(rest, found.expected(files), exact=exact)
    closed = measure.drive(server, requests, [{"clients": n, "seconds": seconds} for n in CLIENTS])
    capacity = max(1.0, closed[CLIENTS.index(8)].rate)
    phases = [{"clients": 256, "rate": share * capacity, "seconds": seconds} for share in SHARES]
    opened = measure.drive(server, requests, phases)
    return {
        "closed": {
            str(n): judge.look(one).figures() for n, one in zip(CLIENTS, closed, strict=True)
        },
        "open": {
            str(share): judge.look(one).figures() for share, one in zip(SHARES, opened, strict=True)
        },
        "wrong": judge.wrong,
        "agrees_with_f32": judge.agreement,
    }


def _ratios(turns: list[dict[str, dict[str, Any]]], ours: str, peer: str) -> dict[str, Any]:
    """Of requests a second (more is better) and of p99 (less is better), turn by turn."""
    found: dict[str, Any] = {}
    for size in turns[0][ours]["sizes"]:
        pairs = [(turn[ours]["sizes"][size], turn[peer]["sizes"][size]) for turn in turns]
        found[size] = {
            what: {
                clients: spread(
                    [_over(a["closed"][clients], b["closed"][clients], what) for a, b in pairs]
                )
                for clients in map(str, CLIENTS)
            }
            for what in ("per_second", "p99_ms")
        }
    return found


def _over(ours: dict[str, Any], theirs: dict[str, Any], what: str) -> float:
    return float(ours[what] / theirs[what]) if theirs[what] else math.inf


def _figures(turns: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {
        what: spread([turn[what] for turn in turns]) for what in ("ready_s", "pss_mb")
    }
    for size in turns[0]["sizes"]:
        each = [turn["sizes"][size] for turn in turns]
        found[size] = {
            **{
                kind: {at: measure.medians([one[kind][at] for one in each]) for at in each[0][kind]}
                for kind in ("closed", "open")
            },
            "wrong": sum(one["wrong"] for one in each),
            "agrees_with_f32": min(one["agrees_with_f32"] for one in each),
        }
    return found


if __name__ == "__main__":
    main(run)
