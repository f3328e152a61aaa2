"""Decode + bare engine in a loop, with nothing around: what a server can reach at most.

As many processes as a server has workers, each with as many threads, the same decoder, the same
session, no batch (or one of a given size), the same settings of malloc; each loops over the same
pictures.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import HERE
from benchmarks.serving.measure import quantile
from tellapart.serving import spawn


@dataclass(frozen=True)
class How:
    """What runs the model in each of the processes."""

    engine: str = "onnxruntime"
    precision: str = "f32"
    int8: bool = False
    threads: int = 1
    processes: int = 2
    batch: int = 1


def loop(
    bundle: Path, files: Sequence[Path], how: How, seconds: float, home: Path
) -> dict[str, Any]:
    """Pictures a second of all processes together, and the time that one picture takes (ms)."""
    asked = asking(bundle, files, how, seconds, home)
    with ExitStack() as stack:
        running = [stack.enter_context(Bare(asked)) for _ in range(how.processes)]
        for one in running:
            one.begin()
        return figures([one.end() for one in running])


def asking(bundle: Path, files: Sequence[Path], how: How, seconds: float, home: Path) -> str:
    """What one process is told."""
    return json.dumps(
        {
            "bundle": str(bundle),
            "files": list(map(str, files)),
            "seconds": seconds,
            "home": str(home),
            **asdict(how),
        }
    )


class Bare:
    """One process, ready when it is entered; loops for its time whenever it is told to begin."""

    def __init__(self, asked: str) -> None:
        self.asked = asked

    def __enter__(self) -> Bare:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.serving.bare", self.asked],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=HERE.parent,
            env={**spawn.MEMORY, **os.environ},
        )
        if self._line() != "ready":
            raise RuntimeError("the bare loop did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def begin(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def end(self) -> dict[str, Any]:
        """`count`, `seconds`, `cpu_s` and `took_ms` of every picture."""
        told: dict[str, Any] = json.loads(self._line())
        return told

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def figures(told: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of processes that ran at the same time."""
    took = sorted(each for one in told for each in one["took_ms"])
    return {
        "per_second": round(sum(one["count"] / one["seconds"] for one in told), 1),
        "p50_ms": round(quantile(took, 0.5), 3),
        "p99_ms": round(quantile(took, 0.99), 3),
        "core_ms": round(
            1000 * sum(one["cpu_s"] for one in told) / sum(one["count"] for one in told), 3
        ),
    }


def _main() -> None:
    asked = json.loads(sys.argv[1])
    import dataclasses

    import numpy as np

    from tellapart import images
    from tellapart.bundle.archive import open_archive
    from tellapart.bundle.predictor import read_model
    from tellapart.serving import variant
    from tellapart.settings import Settings

    path = Path(asked["bundle"])
    with open_archive(path) as archive:
        manifest, model = read_model(archive)
    picture = manifest.picture
    assert picture is not None
    choice = dataclasses.replace(
        variant.Choice(),
        engine=asked["engine"],
        precision=asked["precision"],
        int8=asked["int8"],
        threads=asked["threads"],
        max_batch=asked["batch"],
        cache_dir=Settings(home=Path(asked["home"])).cache_dir / "openvino",
    )
    session = variant.open_session(path, manifest, model, choice)
    outputs = [name for name in ("probabilities", "familiarity") if name in manifest.outputs]
    data = [Path(file).read_bytes() for file in asked["files"]]
    batch = asked["batch"]

    def once(start: int) -> None:
        pixels = [
            images.load(data[(start + k) % len(data)], picture.size, picture.view, picture.color)
            for k in range(batch)
        ]
        session.run(np.stack(pixels), outputs)

    for turn in range(3):
        once(turn)
    print("ready", flush=True)
    for _ in sys.stdin:
        took, cpu, start = [], time.process_time(), time.perf_counter()
        begun = start
        while begun - start < asked["seconds"]:
            once(len(took) * batch)
            now = time.perf_counter()
            took.append((now - begun) * 1000 / batch)
            begun = now
        told = {
            "count": len(took) * batch,
            "seconds": begun - start,
            "cpu_s": time.process_time() - cpu,
            "took_ms": took,
        }
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    _main()
