"""Workers killed and stopped, and bundles exchanged, under load.

`killed`: SIGKILL for one worker after another while 8 clients ask; `stopped`: SIGSTOP, which is
what a hang looks like from outside; `spawner killed`: SIGKILL for the process that workers are
forked from. Counted: requests that were not answered 200, answers that
were wrong, and the longest time without any answer after each blow. With one worker that is the
time until the service is back. `reloaded`: the bundle's file is exchanged for the other version
and SIGHUP sent; every answer must be that of the version it names.
"""

from __future__ import annotations

import itertools
import json
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
from tellapart.serving import options

CLIENTS = 8
#: Seconds between two blows.
APART = 3.0
BLOWS = 10
HANG = 2.0
BLOWN = {"killed": signal.SIGKILL, "stopped": signal.SIGSTOP, "spawner killed": signal.SIGKILL}


def run(data: Path, small: bool) -> dict[str, Any]:
    found = material(data, small)
    rows = Rows("serving_lives", small)
    blows, apart = (1, 1.0) if small else (BLOWS, APART)
    figures: dict[str, Any] = {}
    for workers in (1,) if small else (1, 2):
        for what in BLOWN:
            key = f"{what}, {workers} worker{'s' if workers > 1 else ''}"
            figures[key] = rows.get(key, partial(_struck, found, workers, what, (blows, apart)))
    figures["reloaded"] = rows.get("reloaded", partial(_reloaded, found, 2 if small else BLOWS))
    return figures


class _Blows:
    """Struck one after another by a thread, once a phase has begun, which goes on until the end.

    A blow gives the moment (of `time.perf_counter`) at which it was struck.
    """

    def __init__(self, blow: Callable[[int], float], count: int, apart: float, end: Path) -> None:
        self.blow, self.count, self.apart, self.end = blow, count, apart, end
        self.moments: list[float] = []
        self.failed: BaseException | None = None

    @property
    def phase(self) -> dict[str, Any]:
        return {"clients": CLIENTS, "seconds": 1, "until": str(self.end)}

    def begin(self, _: int) -> None:
        threading.Thread(target=self._strike, daemon=True).start()

    def _strike(self) -> None:
        try:
            for number in range(self.count):
                time.sleep(self.apart)
                self.moments.append(self.blow(number))
            time.sleep(self.apart)
        except BaseException as error:
            self.failed = error
        finally:
            self.end.touch()


def _until(holds: Callable[[], bool], seconds: float = 30.0) -> float | None:
    """Seconds until something holds; None where it never did."""
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        if holds():
            return time.perf_counter() - start
        time.sleep(0.02)
    return None


def _struck(found: Material, workers: int, what: str, plan: tuple[int, float]) -> dict[str, Any]:
    number, (blows, apart) = BLOWN[what], plan
    apart += HANG if number == signal.SIGSTOP else 0.0
    files = found.pictures[MIDDLE]
    requests = measure.pictures(files)
    asked = ("--workers", str(workers), "--hang", str(HANG))
    with (
        tempfile.TemporaryDirectory() as temporary,
        servers.ours(found, *asked) as server,
    ):
        server.whole(workers)
        measure.drive(server, requests, [{"clients": CLIENTS, "seconds": 1}])

        def blow(turn: int) -> float:
            server.whole(workers)
            alive = sorted(server.workers(), key=lambda process: process.pid)
            spawner = what == "spawner killed"
            struck = server.spawner() if spawner else alive[turn % len(alive)]
            moment = time.perf_counter()
            struck.send_signal(number)
            return moment

        struck = _Blows(blow, blows, apart, Path(temporary) / "end")
        (measured,) = measure.drive(server, requests, [struck.phase], meanwhile=struck.begin)
        whole = server.whole(workers)
        status, _ = server.get("/health")
    if struck.failed is not None:
        raise struck.failed
    moments = struck.moments
    silences = _silences(measured, moments)
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
        "all_workers_afterwards": whole,
    }


def _silences(measured: measure.Measured, moments: list[float]) -> list[float]:
    """After each blow, until the next or the end: the longest time without any answer."""
    struck = [moment - measured.start for moment in moments]
    ends = sorted(r.at + r.took / 1000 for r in measured.replies if r.status == 200)
    found = []
    for since, until in itertools.pairwise([*struck, measured.seconds]):
        times = [since, *(end for end in ends if since < end < until), until]
        found.append(max(b - a for a, b in itertools.pairwise(times)))
    return found


def _reloaded(found: Material, blows: int) -> dict[str, Any]:
    files = found.pictures[MIDDLE]
    requests = measure.pictures(files)
    with tempfile.TemporaryDirectory() as temporary:
        current = Path(temporary) / "current.zip"
        shutil.copy(found.bundles[0], current)
        with servers.ours(found, bundles=[current]) as server:
            server.whole(options.cores())
            measure.drive(server, requests, [{"clients": CLIENTS, "seconds": 1}])
            before = server.pss_mb()
            took: list[float] = []

            def blow(turn: int) -> float:
                fresh = Path(temporary) / "fresh.zip"
                version = (turn + 1) % 2
                shutil.copy(found.bundles[version], fresh)
                fresh.replace(current)
                moment = time.perf_counter()
                server.process.send_signal(signal.SIGHUP)
                seconds = _until(lambda: _serves(server) == version + 1)
                if seconds is not None:
                    took.append(seconds)
                return moment

            struck = _Blows(blow, blows, 1.0, Path(temporary) / "end")
            (measured,) = measure.drive(server, requests, [struck.phase], meanwhile=struck.begin)
            after = server.pss_mb()
    if struck.failed is not None:
        raise struck.failed
    versions: Counter[int] = Counter()
    for _, body, often in measured.bodies(2):
        versions[_version(body)] += often
    wrong = sum(
        measured.wrong(found.expected(files, version), only=partial(_is, version))
        for version in (1, 2)
    )
    return {
        "reloads": blows,
        "switched": len(took),
        "switched_after_s": spread(took or [-1.0]),
        "answered_by_version": dict(sorted(versions.items())),
        "not_answered_200": {k: n for k, n in measured.statuses.items() if k != "200"},
        "wrong": wrong,
        "longest_wait_ms": round(max(measured.took(), default=0.0), 1),
        "pss_mb": [before, after],
    }


def _serves(server: servers.Server) -> int:
    """The version of the model that the server says it holds."""
    (model,) = json.loads(server.get("/health")[1])["models"]
    return int(model["version"])


def _version(body: str) -> int:
    told = measure.parsed(body)
    return int(told.get("version", 0)) if isinstance(told, dict) else 0


def _is(version: int, body: str) -> bool:
    return _version(body) == version


if __name__ == "__main__":
    main(run)
