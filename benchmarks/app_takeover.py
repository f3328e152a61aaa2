"""Two workers, one killed for good amid a run: how long until the other one goes on with it.

Once as on one machine, where the operating system tells that a process is gone, and once as on two
machines, where only the silence of its row tells it. From the kill until the other worker has the
run, and until it begins a step of it; on SQLite, and on PostgreSQL where there is one.
"""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import main, postgres, spread
from tellapart.chain import ORDER
from tellapart.demo.drawing import write_folder
from tellapart.learn.backbone import embedded
from tellapart.runtime import Request, Run, Runs
from tellapart.settings import Settings
from tellapart.store.database import open_database

#: A worker that believes itself on a machine of its own, where `place` says so.
WORKER = (
    "import json, sys\n"
    "from pathlib import Path\n"
    "given = json.loads(sys.argv[1])\n"
    "from tellapart.runtime import presence\n"
    "if given['place']:\n"
    "    presence.place = lambda: given['place']\n"
    "from tellapart.runtime.worker import main\n"
    "from tellapart.settings import Settings\n"
    "main(Settings(home=Path(given['home']), database_url=given['url']))\n"
)
PATIENCE = 900.0


class Pair:
    """Two workers of one queue."""

    def __init__(self, settings: Settings, *, apart: bool) -> None:
        self._settings = settings
        self._apart = apart
        self._started = 0
        self.processes: list[subprocess.Popen[bytes]] = []

    def hire(self) -> None:
        """One more worker."""
        self._started += 1
        given = {
            "home": str(self._settings.home),
            "url": self._settings.database_url,
            "place": f"machine {self._started}" if self._apart else "",
        }
        command = [sys.executable, "-c", WORKER, json.dumps(given)]
        quiet = subprocess.DEVNULL
        self.processes.append(subprocess.Popen(command, stdout=quiet, stderr=quiet))

    def kill(self, run: Run) -> None:
        """Kill the one that has the run."""
        pid = int(run.worker.split("_")[2])
        [it] = [process for process in self.processes if process.pid == pid]
        it.kill()
        it.wait()
        self.processes.remove(it)

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


@contextlib.contextmanager
def pair(settings: Settings, *, apart: bool) -> Iterator[Pair]:
    found = Pair(settings, apart=apart)
    try:
        found.hire()
        found.hire()
        yield found
    finally:
        found.stop()


def until(runs: Runs, id: str, ready: Any) -> Run:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        run = runs.get(id)
        if ready(run):
            return run
        if run.ended_state:
            raise RuntimeError(f"the run ended as {run.state}: {run.error}")
        time.sleep(0.02)
    raise TimeoutError(f"it never came: {runs.get(id)}")


def once(workers: Pair, runs: Runs, name: str, data: Path, step: str) -> tuple[float, float]:
    """Kill the worker of a run amid `step`: seconds until another has it, and until it works."""
    id = runs.submit(Request(recipe={"name": name, "data": str(data)})).id
    before = until(runs, id, lambda run: run.step in ORDER[ORDER.index(step) :])
    workers.kill(before)
    killed = time.monotonic()
    until(runs, id, lambda run: run.worker and run.worker != before.worker)
    taken = time.monotonic() - killed
    until(runs, id, lambda run: run.step)
    begun = time.monotonic() - killed
    workers.hire()
    runs.cancel(id)  # that it comes to its end is what app_kills shows
    while not runs.get(id).ended_state:
        time.sleep(0.1)
    return taken, begun


def measure(settings: Settings, data: Path, *, apart: bool, trials: int) -> dict[str, Any]:
    embedded(settings.cache_dir)
    engine = open_database(settings)
    runs = Runs(engine, settings)
    rng = random.Random(5)
    taken, begun = [], []
    with pair(settings, apart=apart) as workers:
        for trial in range(trials):
            end = time.monotonic() + PATIENCE
            while len(runs.overview()["workers"]) < 2 and time.monotonic() < end:
                time.sleep(0.1)
            step = rng.choice(("collect", "curate", "evaluate"))
            one, two = once(workers, runs, f"run-{trial}", data, step)
            taken.append(one)
            begun.append(two)
    engine.dispose()
    return {
        "trials": trials,
        "taken_over_s": spread(taken),
        "step_begun_s": spread(begun),
        "all_within_60_s": max(begun) <= 60,
    }


def run(data: Path, small: bool) -> dict[str, Any]:
    trials = 1 if small else 5
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        pictures = home / "pictures"
        write_folder(pictures, ["apple", "boat"], 10)
        settings = Settings(home=home / "sqlite")
        found["sqlite, one machine"] = measure(settings, pictures, apart=False, trials=trials)
        if small:
            return found
        settings = Settings(home=home / "sqlite apart")
        found["sqlite, two machines"] = measure(settings, pictures, apart=True, trials=trials)
        try:
            with postgres.cluster() as cluster:
                for apart, name in ((False, "one machine"), (True, "two machines")):
                    url = cluster.database()
                    settings = Settings(home=home / f"postgresql {apart}", database_url=url)
                    found[f"postgresql, {name}"] = measure(
                        settings, pictures, apart=apart, trials=trials
                    )
        except postgres.MissingError as reason:
            found["postgresql"] = f"not measured: {reason}"
    return found


if __name__ == "__main__":
    main(run)
