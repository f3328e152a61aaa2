"""Workers killed and stopped, and bundles exchanged, under load.

`killed`: SIGKILL for one worker after another while 8 clients ask; `stopped`: SIGSTOP, which is
what a hang looks like from outside. Counted: requests that were not answered 200, answers that
were wrong, and the longest time without any answer after each blow. With one worker that is the
time until the service is back. `reloaded`: the bundle's file is exchanged for the other version
and SIGHUP sent; every answer must be that of the version it names.
"""

from __future__ import annotations

import itertools
import shutil
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import main, spread
from benchmarks.beside.chains import Rows
from benchmarks.serving import measure, servers
from benchmarks.serving.material import MIDDLE, Material, material

CLIENTS = 8
#: Seconds between two blows.
APART = 3.0
BLOWS = 10
HANG = 2.0


def run(data: Path, small: bool) -> dict[str, Any]:
    found = material(data, small)
    rows = Rows("serving_lives", small)
    blows = 1 if small else BLOWS
    figures: dict[str, Any] = {}
    for workers in (1,) if small else (1, 2):
        for what, number in (("killed", signal.SIGKILL), ("stopped", signal.SIGSTOP)):
            key = f"{what}, {workers} worker{'s' if workers > 1 else ''}"
            figures[key] = rows.get(key, partial(_struck, found, workers, number, blows))
    figures["reloaded"] = rows.get("reloaded", partial(_reloaded, found, 2 if small else BLOWS))
    return figures


def _strike(blow: Callable[[int], None], blows: int, apart: float) -> tuple[list[float], Any]:
    """The moments of the blows, and what strikes them once a phase has begun."""
    moments: list[float] = []

    def strike() -> None:
        for number in range(blows):
            time.sleep(apart)
            moments.append(time.perf_counter())
            blow(number)

    return moments, lambda _: threading.Thread(target=strike, daemon=True).start()


def _struck(found: Material, workers: int, number: int, blows: int) -> dict[str, Any]:
    files = found.pictures[MIDDLE]
    requests = measure.pictures(files)
    apart = APART + (HANG if number == signal.SIGSTOP else 0)
    options = ("--workers", str(workers), "--hang", str(HANG))
    with servers.ours(found, *options) as server:
        measure.drive(server, requests, [{"clients": CLIENTS, "seconds": 1}])

        def blow(turn: int) -> None:
            alive = sorted(server.workers(), key=lambda process: process.pid)
            alive[turn % len(alive)].send_signal(number)

        moments, begin = _strike(blow, blows, apart)
        phase = {"clients": CLIENTS, "seconds": apart * (blows + 1)}
        (measured,) = measure.drive(server, requests, [phase], meanwhile=begin)
        status, _ = server.get("/health")
        left = len(server.workers())
    silences = [_silence(measured, moment, apart) for moment in moments]
    lost = {code: n for code, n in measured.statuses.items() if code != "200"}
    return {
        "blows": len(moments),
        "answered": measured.statuses.get("200", 0),
        "wrong": measured.wrong(found.expected(files)),
        "not_answered_200": lost,
        "not_answered_200_a_blow": round(sum(lost.values()) / len(moments), 2),
        "longest_silence_s": spread(silences),
        "waited_longest_ms": round(max(measured.took(), default=0.0), 1),
        "healthy_afterwards": status == 200,
        "workers_afterwards": left,
    }


def _silence(measured: measure.Measured, moment: float, apart: float) -> float:
    """The longest time in which nothing was answered, from a blow to shortly before the next."""
    since = moment - measured.start
    ends = [
        reply.at + reply.took / 1000
        for reply in measured.replies
        if reply.status == 200 and since < reply.at + reply.took / 1000 < since + apart - 0.2
    ]
    times = [since, *sorted(ends), since + apart - 0.2]
    return max(b - a for a, b in itertools.pairwise(times))


def _reloaded(found: Material, blows: int) -> dict[str, Any]:
    files = found.pictures[MIDDLE]
    requests = measure.pictures(files)
    with tempfile.TemporaryDirectory() as temporary:
        current = Path(temporary) / "current.zip"
        shutil.copy(found.bundles[0], current)
        with servers.ours(found, bundles=[current]) as server:
            measure.drive(server, requests, [{"clients": CLIENTS, "seconds": 1}])
            before = server.pss_mb()

            def blow(turn: int) -> None:
                fresh = Path(temporary) / "fresh.zip"
                shutil.copy(found.bundles[(turn + 1) % 2], fresh)
                fresh.replace(current)
                server.process.send_signal(signal.SIGHUP)

            moments, begin = _strike(blow, blows, APART)
            phase = {"clients": CLIENTS, "seconds": APART * (blows + 1)}
            (measured,) = measure.drive(server, requests, [phase], meanwhile=begin)
            after = server.pss_mb()
    versions: Counter[int] = Counter()
    for _, body, often in measured.bodies(2):
        versions[_version(body)] += often
    wrong = sum(
        measured.wrong(found.expected(files, version), only=partial(_is, version))
        for version in (1, 2)
    )
    return {
        "reloads": len(moments),
        "answered_by_version": dict(sorted(versions.items())),
        "not_answered_200": {k: n for k, n in measured.statuses.items() if k != "200"},
        "wrong": wrong,
        "longest_silence_s": spread([_silence(measured, moment, APART) for moment in moments]),
        "pss_mb": [before, after],
    }


def _version(body: str) -> int:
    told = measure.parsed(body)
    return int(told.get("version", 0)) if isinstance(told, dict) else 0


def _is(version: int, body: str) -> bool:
    return _version(body) == version


if __name__ == "__main__":
    main(run)
