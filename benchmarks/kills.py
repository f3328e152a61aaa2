"""`make` killed with SIGKILL at random moments, again and again, then let finish.

Against the picture web with its planted faults. A project is killed until it comes through, then
the next one is begun, until there were as many kills as asked for. Every bundle must be the
undisturbed run's, byte for byte. The server counts: a picture with a committed ledger row is never
asked for again, so only requests in flight at a kill are repeated.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import sqlite3
import subprocess
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import main, tellapart, timed
from tellapart.chain import ORDER
from tellapart.demo.picture_web import PictureWeb

WORDS = ("apple", "boat", "star")


@dataclass
class _Tally:
    """What happened over all kills."""

    kills: int = 0
    during: Counter[str] = field(default_factory=Counter)
    #: Requests for pictures that already had a committed outcome.
    repeated: int = 0
    #: The most pictures asked for and without an outcome at one kill.
    in_flight: int = 0
    sums: list[str] = field(default_factory=list)


def _environment(web: PictureWeb, home: Path) -> dict[str, str]:
    return {
        **os.environ,
        "TELLAPART_HOME": str(home),
        "TELLAPART_OPENVERSE_URL": web.openverse_url,
        "TELLAPART_COMMONS_URL": web.commons_url,
        "TELLAPART_ALLOW_HOSTS": web.host,
    }


def _command(per_class: int) -> list[str]:
    options = ("--name", "kills", "--per-class", str(per_class), "--quiet", "--json")
    return tellapart("make", *WORDS, *options)


def _finish(command: list[str], environment: dict[str, str]) -> tuple[float, str]:
    seconds, done = timed(command, env=environment)
    bundle = Path(json.loads(done.stdout.splitlines()[-1])["bundle"])
    return seconds, hashlib.sha256(bundle.read_bytes()).hexdigest()


def _query(home: Path, query: str) -> list[str]:
    """One column from the project's database; empty while its tables are not there."""
    database = home / "tellapart.sqlite"
    if not database.exists():
        return []
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)
    try:
        return [str(row[0]) for row in connection.execute(query)]
    except sqlite3.OperationalError:  # the first migration was cut off
        return []
    finally:
        connection.close()


def _settled(home: Path) -> set[str]:
    """The addresses whose ledger rows are committed with an outcome."""
    taken = "SELECT file_url FROM pictures WHERE status IN ('ok', 'failed', 'refused')"
    return set(_query(home, taken))


def _step(home: Path) -> str:
    """The step that was under way: the first one without a stored end."""
    ended = set(_query(home, "SELECT step FROM steps"))
    return next((step for step in ORDER if step not in ended), "after")


def _kill_after(seconds: float, command: list[str], environment: dict[str, str]) -> bool:
    """Whether the process was still at work when it was killed."""
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    return False


def _counts(web: PictureWeb) -> Counter[str]:
    """Requests for pictures so far, by address."""
    return Counter({f"http://{web.host}{path}": n for path, n in web.requests.items()})


def _live(
    web: PictureWeb, home: Path, command: list[str], moments: list[float], tally: _Tally
) -> None:
    """Kill one project at each of `moments` (seconds after its start) until it comes through."""
    web._was_busy.clear()  # each project meets the same answers
    environment = _environment(web, home)
    while moments:
        before, settled = _counts(web), _settled(home)
        killed = _kill_after(moments.pop(), command, environment)
        time.sleep(0.2)  # what was in flight reaches the server's counter
        asked = _counts(web) - before
        tally.repeated += sum(asked[address] for address in settled)
        if not killed:
            break
        tally.kills += 1
        tally.during[_step(home)] += 1
        tally.in_flight = max(tally.in_flight, len(set(asked) - _settled(home)))
    before, settled = _counts(web), _settled(home)
    tally.sums.append(_finish(command, environment)[1])
    asked = _counts(web) - before
    tally.repeated += sum(asked[address] for address in settled)


def run(data: Path, small: bool) -> dict[str, Any]:
    kills, per_class = (2, 8) if small else (20, 40)
    rng = random.Random(7)
    tally = _Tally()
    with (
        tempfile.TemporaryDirectory() as temporary,
        PictureWeb(WORDS, n=per_class + 10, delay=0.02, big=30_000_000) as web,
    ):
        command = _command(per_class)
        seconds, undisturbed = _finish(command, _environment(web, Path(temporary) / "calm"))
        while tally.kills < kills and len(tally.sums) < 2 * kills:
            moments = [
                0.3 + rng.random() * max(seconds - 0.3, 0.3) for _ in range(kills - tally.kills)
            ]
            home = Path(temporary) / f"rough-{len(tally.sums)}"
            _live(web, home, command, moments, tally)
    return {
        "kills": tally.kills,
        "killed_during": {s: n for s in (*ORDER, "after") if (n := tally.during[s])},
        "projects": len(tally.sums),
        "undisturbed_s": round(seconds, 2),
        "same_bytes": set(tally.sums) == {undisturbed},
        "sha256": undisturbed,
        "settled_pictures_asked_for_again": tally.repeated,
        "most_in_flight_at_a_kill": tally.in_flight,
    }


if __name__ == "__main__":
    main(run)
