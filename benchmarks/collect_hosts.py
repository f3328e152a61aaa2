"""Collecting from ten hosts, four of which do not behave, beside ten that do.

Asked: at least 80 % of the throughput, and never more requests to any host than are stated: at
most eight at once, none while a host has asked to be left alone, at most four for a picture.
Runs with good and with mixed hosts take turns, each with a home and servers of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from benchmarks import HERE, main, spread

_WORDS = ("apple", "boat", "fish", "star")
BAD = ("slow", "failing", "limiting", "lying")
#: As the settings and the fetcher's limits say.
PER_HOST, ATTEMPTS = 8, 4


def _client(home: str, ports: dict[str, Any], per_class: int) -> dict[str, Any]:
    """Runs in a process of its own."""
    import tellapart.fetch  # noqa: F401 - imports are not collecting
    from tellapart.catalog import Catalog
    from tellapart.recipe import asked, check
    from tellapart.settings import Settings
    from tellapart.steps import collect, open_context
    from tellapart.store.database import open_database

    hosts = [f"127.0.0.1:{port}" for port in (ports["search"], *ports["hosts"])]
    settings = Settings(
        home=Path(home),
        openverse_url=f"http://{hosts[0]}/v1",
        openverse_token="a token for pages of 100",
        allow_hosts=tuple(hosts),
        max_per_host=PER_HOST,
    )
    recipe = check(
        {
            "name": "bench",
            "classes": list(_WORDS),
            "per_class": per_class,
            "sources": ["openverse"],
        }
    )
    Catalog.create(open_database(settings), "bench", asked(recipe))
    context = open_context(settings, "bench")
    start = time.perf_counter()
    result = collect.run(context)
    wall = time.perf_counter() - start
    rows = context.catalog.pictures()
    return {
        "pictures": result["found"],
        "wall_s": round(wall, 3),
        "pictures_per_s": round(result["found"] / wall, 2),
        "tried": sum(row.status in ("ok", "failed", "refused") for row in rows),
        "offered_by_each": max(
            sum(f":{port}/" in row.file_url for row in rows) for port in ports["hosts"]
        ),
    }


def _once(kinds: tuple[str, ...], per_class: int) -> dict[str, Any]:
    """One run against fresh servers: the client's figures, and what each host saw."""
    hits = min(2000, max(100, 2 * per_class))
    command = [sys.executable, "-m", "benchmarks.beside.ten_hosts", str(hits), *kinds]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=HERE.parent) as server:
        try:
            assert server.stdout is not None
            ports = json.loads(server.stdout.readline())
            with tempfile.TemporaryDirectory() as home:
                code = (
                    "import json, sys; from benchmarks.collect_hosts import _client; print(json."
                    f"dumps(_client(sys.argv[1], json.loads(sys.argv[2]), {per_class})))"
                )
                done = subprocess.run(
                    [sys.executable, "-c", code, home, json.dumps(ports)],
                    capture_output=True,
                    text=True,
                    check=True,
                    cwd=HERE.parent,
                )
            found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
            with urllib.request.urlopen(f"http://127.0.0.1:{ports['search']}/counts") as answer:
                found["hosts"] = json.load(answer)
        finally:
            server.terminate()
    return found


def run(data: Path, small: bool) -> dict[str, Any]:
    per_class, turns = (60, 1) if small else (1000, 5)
    good: list[dict[str, Any]] = []
    mixed: list[dict[str, Any]] = []
    for _ in range(turns):
        good.append(_once((), per_class))
        mixed.append(_once(BAD, per_class))
    return told(good, mixed, per_class)


def told(good: list[dict[str, Any]], mixed: list[dict[str, Any]], per_class: int) -> dict[str, Any]:
    """The figures of runs that took turns."""
    hosts = [host for one in (*good, *mixed) for host in one["hosts"]]
    per_picture = max(
        host["requests"] / one["offered_by_each"] for one in mixed for host in one["hosts"]
    )
    return {
        "pictures": per_class * len(_WORDS),
        "complete": all(one["pictures"] == per_class * len(_WORDS) for one in (*good, *mixed)),
        "good_per_s": spread([one["pictures_per_s"] for one in good]),
        "mixed_per_s": spread([one["pictures_per_s"] for one in mixed]),
        "share": spread(
            [m["pictures_per_s"] / g["pictures_per_s"] for g, m in zip(good, mixed, strict=True)]
        ),
        "most_at_once_at_a_host": max(host["most_at_once"] for host in hosts),
        "stated_at_once": PER_HOST,
        "requests_in_a_pause": sum(host["in_a_pause"] for host in hosts),
        "most_requests_for_an_offered_picture": round(per_picture, 3),
        "stated_for_a_picture": ATTEMPTS,
        "requests_to_the_bad": {
            kind: spread(
                [h["requests"] for one in mixed for h in one["hosts"] if h["kind"] == kind]
            )
            for kind in BAD
        },
    }


if __name__ == "__main__":
    main(run)
