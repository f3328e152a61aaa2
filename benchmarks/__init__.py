"""Every figure the project claims, each by a module with `run(data, small) -> dict`.

`python -m benchmarks` measures all at full scale, one JSON each in `benchmarks/results/`;
what is there already is not measured again. `python -m benchmarks.NAME` measures one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
#: Rows of figures that take hours, kept until the whole is measured.
WORK = HERE / "work"

Run = Callable[[Path, bool], dict[str, Any]]


class Skipped(Exception):  # noqa: N818 - not a fault
    """A figure cannot be measured here; says why."""


def data_folder() -> Path:
    """The folder of real pictures: TELLAPART_TEST_DATA, else `../shared/data`."""
    return Path(os.environ.get("TELLAPART_TEST_DATA", HERE.parent.parent / "shared" / "data"))


def need(folder: Path) -> Path:
    """`folder`, or `Skipped` where it is missing."""
    if not folder.is_dir():
        raise Skipped(f"the data set {folder.name} is not here: set TELLAPART_TEST_DATA")
    return folder


def machine() -> dict[str, Any]:
    """What a figure depends on."""
    cpu = ""
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].split(":", 1)[1].strip() if names else ""
    libraries = ["numpy", "onnxruntime", "openvino", "scikit-learn", "pillow"]
    for extra in ("coremltools", "lightning", "timm", "torch"):
        with contextlib.suppress(PackageNotFoundError):
            version(extra)
            libraries.append(extra)
    return {
        "cpu": cpu or platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in libraries},
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median with the smallest and the largest value."""
    return {
        "median": round(statistics.median(values), 4),
        "low": round(min(values), 4),
        "high": round(max(values), 4),
        "n": len(values),
    }


def timed(command: Sequence[str], **kwargs: Any) -> tuple[float, subprocess.CompletedProcess[str]]:
    """Wall seconds of a whole process, and what it printed; raises where it fails."""
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False, **kwargs)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} exited with {done.returncode}:\n{done.stderr}")
    return seconds, done


def tellapart(*words: str) -> list[str]:
    """The command line of this environment's `tellapart`."""
    return [sys.executable, "-m", "tellapart", *words]


def main(run: Run) -> None:
    """The command line of one benchmark module: print its figures as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", action="store_true", help="a small scale, for a quick look")
    arguments = parser.parse_args()
    print(json.dumps(run(data_folder(), arguments.small), indent=2))
