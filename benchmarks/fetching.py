"""The fetcher alone: small JPEGs from a server on loopback, guard, robots and sniffing on.

Pictures a second of wall time and of the client's own processor time (user and system: what
one core gives), and how its memory grows from picture 500 to the last.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks import HERE, main, spread
from tellapart.fetch import Fetcher
from tellapart.settings import Settings


async def fetch_all(port: int, count: int) -> dict[str, float]:
    """Fetch `count` pictures with 32 workers; figures of this one turn."""
    process, memory, done = psutil.Process(), {0: 0.0}, 0
    numbers = iter(range(count))

    async def work(fetcher: Fetcher) -> None:
        nonlocal done
        for number in numbers:
            await fetcher.get(f"http://127.0.0.1:{port}/pictures/{number}.jpg")
            done += 1
            if done in (count // 4, count):
                memory[done] = process.memory_info().rss / 1e6

    async with Fetcher(Settings(allow_hosts=(f"127.0.0.1:{port}",))) as fetcher:
        wall, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(work(fetcher) for _ in range(32)))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {
        "per_second": count / wall,
        "per_second_of_cpu": count / cpu,
        "growth_mb": memory[count] - memory[count // 4],
    }


def run(data: Path, small: bool) -> dict[str, Any]:
    count, turns = (400, 2) if small else (2000, 5)
    command = [sys.executable, str(HERE / "beside" / "picture_server.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port, size = map(int, server.stdout.readline().split())
        try:
            found = [asyncio.run(fetch_all(port, count)) for _ in range(turns)]
        finally:
            server.terminate()
    figures = {name: spread([turn[name] for turn in found]) for name in found[0]}
    return {"pictures": count, "mean_bytes": size, **figures}


if __name__ == "__main__":
    main(run)
