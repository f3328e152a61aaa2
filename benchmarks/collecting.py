"""Collecting from a web on this machine: pictures a second, CPU a picture, growth of memory.

The server is a process of its own and draws nothing while it is measured; what is measured is
the client with guard, robots.txt, sniffing, header check, files and a complete ledger.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks import main

_WORDS = ("apple", "banana", "boat", "car", "fish", "house", "star", "tree")


def _client(port: int, home: str, per_class: int) -> dict[str, Any]:
    """Runs in a process of its own: its CPU time and memory are those of the client."""
    import psutil

    from tellapart.catalog import Catalog
    from tellapart.recipe import asked, check
    from tellapart.settings import Settings
    from tellapart.steps import Progress, collect, open_context
    from tellapart.store.database import open_database

    host = f"127.0.0.1:{port}"
    settings = Settings(home=Path(home), openverse_url=f"http://{host}/v1", allow_hosts=(host,))
    recipe = check(
        {
            "name": "bench",
            "classes": list(_WORDS),
            "per_class": per_class,
            "sources": ["openverse"],
        }
    )
    Catalog.create(open_database(settings), "bench", asked(recipe))
    total, process = per_class * len(_WORDS), psutil.Process()
    memory: dict[int, float] = {}

    def watch(progress: Progress) -> None:
        for mark in (500, 1000, 1500, total):
            if progress.done >= mark and mark not in memory:
                memory[mark] = process.memory_info().rss / 2**20

    context = open_context(settings, "bench", watch)
    import tellapart.fetch  # noqa: F401 - imports are not collecting

    usage, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    result = collect.run(context)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime
    rows = context.catalog.pictures()
    complete = [r for r in rows if r.status == "ok" and r.sha256 and r.license and r.page_url]
    return {
        "pictures": result["found"],
        "complete_rows": len(complete),
        "statuses": dict(Counter(r.status for r in rows)),
        "wall_s": round(wall, 3),
        "pictures_per_s": round(total / wall, 1),
        "client_cpu_ms_per_picture": round(1000 * cpu / total, 3),
        "pictures_per_s_of_one_core": round(total / cpu, 1),
        "rss_mib": {str(mark): round(value, 1) for mark, value in memory.items()},
        "rss_growth_500_to_end_mib": round(memory[total] - memory.get(500, memory[total]), 1),
    }


def run(data: Path, small: bool) -> dict[str, Any]:
    per_class = 25 if small else 250
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "tellapart.demo.picture_web", "--no-faults"),
            *("-n", str(per_class), "--words", *_WORDS),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        port = json.loads(server.stdout.readline())["port"]
        with tempfile.TemporaryDirectory() as home:
            code = (
                "import json, sys; from benchmarks.collecting import _client; "
                f"print(json.dumps(_client({port}, sys.argv[1], {per_class})))"
            )
            done = subprocess.run(
                [sys.executable, "-c", code, home], capture_output=True, text=True, check=True
            )
        figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/requests") as answer:
            counts = Counter(json.load(answer))
        figures["requests_for_pictures"] = sum(
            n for path, n in counts.items() if path.startswith("/files/")
        )
    finally:
        server.terminate()
        server.wait()
    return figures


if __name__ == "__main__":
    main(run)
