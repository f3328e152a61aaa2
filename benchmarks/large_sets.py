"""A set of 300,000 small local pictures: rate, memory, runs again, near duplicates, decisions.

Synthetic pictures (96 x 96, JPEG) with one re-encoded copy in fifty are referenced in place and
curated without features. Each stage is a process of its own whose CPU time and greatest memory are
taken from the operating system, children included: the whole chain up to the split; nothing new;
1 % new; another threshold; the whole list as JSON. Shares are those of all three steps (scan and
measure, decide, split); what deciding takes anew is told without and with the split that follows.
Stages that are done are kept, so that a run that was cut off goes on. CI runs a twentieth of it.
"""

from __future__ import annotations

import io
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import main
from benchmarks.beside import chains

PICTURES, SMALL = 300_000, 15_000
CLASSES = ("apple", "birch", "cloud", "drum")
#: One picture in so many is a copy of one thirty before it, re-encoded at quality 40.
COPY_EVERY = 50
SIDE, PER_FOLDER = 96, 2000
NAME = "many"
#: Pictures drawn by one process, and such processes.
_PART, _DRAWING = 25_000, 4
_STEPS = ("collect", "curate", "split")
#: The folder and its ledger may be kept between stages of one measurement.
KEPT = "TELLAPART_LARGE_SETS"

_STAGE = """
import json, resource, sys, time
from pathlib import Path
from tellapart.project import Project
from tellapart.settings import Settings
from tellapart.steps import run_step
settings = Settings(home=Path(sys.argv[1]), threads=1)
project = Project.open("many", settings)
said = {}
for step in sys.argv[2].split(","):
    before, wall = time.process_time(), time.monotonic()
    context = project.context()
    found = run_step(step, context)
    context.close()
    said[step] = {
        "cpu": time.process_time() - before,
        "wall": time.monotonic() - wall,
        "found": {k: found[k] for k in ("found", "kept", "reasons", "splits") if k in found},
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
print(json.dumps(said))
"""


def run(data: Path, small: bool) -> dict[str, Any]:
    count = SMALL if small else PICTURES
    kept = os.environ.get(KEPT)
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(kept or temporary)
        rows = chains.Rows("large_sets", small or kept is None)
        stages = {
            name: rows.get(name, measure)
            for name, measure in {
                "pictures": partial(_draw, root, count),
                "first": partial(_first, root, count),
                "nothing new": partial(_again, root),
                "1 % new": partial(_more, root, count),
                "another threshold": partial(_threshold, root),
                "list": partial(_listed, root),
                "near duplicates": partial(_search, root),
            }.items()
        }
    return _figures(stages, count)


def _draw(root: Path, count: int) -> dict[str, Any]:
    shutil.rmtree(root / "data", ignore_errors=True)
    starts = range(0, count, _PART)
    with ProcessPoolExecutor(_DRAWING) as pool:
        parts = [pool.submit(draw, root / "data", s, min(_PART, count - s)) for s in starts]
        return {"copies": sum(part.result() for part in parts)}


def draw(folder: Path, first: int, count: int) -> int:
    """Pictures `first` … of random soft patches; how many are re-encoded copies."""
    from PIL import Image

    drawn = np.random.default_rng(first + 5)
    kept: tuple[Any, str] | None = None
    copies = 0
    for number in range(first, first + count):
        label, quality = CLASSES[number % len(CLASSES)], 85
        if number % COPY_EVERY == COPY_EVERY - 1 and kept is not None:
            (image, label), quality, copies = kept, 40, copies + 1
        else:
            patches = drawn.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            image = Image.fromarray(patches).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        if number % COPY_EVERY == COPY_EVERY - 31:
            kept = image, label
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        place = folder / label / f"{number // PER_FOLDER:04d}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:06d}.jpg").write_bytes(file.getvalue())
    return copies


def _first(root: Path, count: int) -> dict[str, Any]:
    from tellapart import recipe
    from tellapart.project import Project
    from tellapart.settings import Settings

    shutil.rmtree(root / "home", ignore_errors=True)
    asked = {"name": NAME, "data": str(root / "data"), "curate": {"features": False}}
    Project.create(recipe.check(asked), Settings(home=root / "home")).close()
    return _stage(root, ",".join(_STEPS))


def _again(root: Path) -> dict[str, Any]:
    return _stage(root, ",".join(_STEPS))


def _more(root: Path, count: int) -> dict[str, Any]:
    draw(root / "data", count, count // 100)
    return _stage(root, ",".join(_STEPS))


def _threshold(root: Path) -> dict[str, Any]:
    from tellapart.project import Project
    from tellapart.settings import Settings

    with Project.open(NAME, Settings(home=root / "home")) as project:
        # So that some hundredth of the pictures changes sides.
        entropies = sorted(_entropies(project))
        project.update({"curate": {"min_entropy": round(entropies[len(entropies) // 100], 4)}})
    return _stage(root, "curate,split")


def _entropies(project: Any) -> list[float]:
    from tellapart.learn import arrays
    from tellapart.steps import plainly

    kept = arrays.load(project.folder / "work" / plainly.FIGURES_FILE, plainly.figure_facts())
    return [] if kept is None else [float(value) for value in kept["entropy"]]


def _stage(root: Path, steps: str) -> dict[str, Any]:
    out, cost = _process([sys.executable, "-c", _STAGE, str(root / "home"), steps])
    return {"steps": json.loads(out.splitlines()[-1]), **cost}


def _listed(root: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "tellapart", "show", NAME, "--pictures", "--json"]
    out, cost = _process(command, TELLAPART_HOME=str(root / "home"))
    return {"listed": len(json.loads(out)), **cost}


def _search(root: Path) -> dict[str, Any]:
    """The search for near hashes by itself, among a quarter, a half and all of them."""
    from tellapart.learn import arrays, deciding
    from tellapart.project import Project
    from tellapart.settings import Settings
    from tellapart.steps import plainly

    with Project.open(NAME, Settings(home=root / "home")) as project:
        path = project.folder / "work" / plainly.FIGURES_FILE
    kept = arrays.load(path, plainly.figure_facts()) or {}
    codes = np.random.default_rng(0).permutation(kept["phash"])
    seconds = {}
    for share in (4, 2, 1):
        part = codes[: len(codes) // share]
        before = time.process_time()
        found = deciding.near(part, deciding.LOOSE_BITS)
        seconds[len(part)] = round(time.process_time() - before, 3)
    return {"cpu": seconds, "pairs": len(found.rows), "bits": found.limit}


def _process(command: list[str], **more: str) -> tuple[str, dict[str, float]]:
    """What a command writes, its CPU seconds, and the greatest memory of it and its children."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **more}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    peak = [0.0]
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(process.pid, peak, over))
    watch.start()
    out, _ = process.communicate()
    over.set()
    watch.join()
    if process.returncode:
        raise RuntimeError(f"{command[-2:]} ended with {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return out, {"cpu": cpu, "wall": time.monotonic() - started, "peak_mb": peak[0]}


def _watch(pid: int, peak: list[float], over: threading.Event) -> None:
    while not over.wait(0.2):
        peak[0] = max(peak[0], sum(_resident(one) for one in _tree(pid)))


def _tree(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        try:
            children = Path(f"/proc/{one}/task/{one}/children").read_text().split()
        except OSError:
            continue
        found += map(int, children)
    return found


def _resident(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * resource.getpagesize() / 2**20


def _figures(stages: dict[str, Any], count: int) -> dict[str, Any]:
    first, more, anew = stages["first"], stages["1 % new"], stages["another threshold"]
    looked = _seconds(first, "collect", "curate")
    all_steps = _seconds(first, *_STEPS)
    search = stages["near duplicates"]["cpu"]
    least, _, whole = sorted(map(int, search))
    copies = first["steps"]["curate"]["found"]["reasons"].get("near_duplicate", 0)
    redecide = anew["cpu"] - _seconds(anew, "split")
    measured = {
        "pictures": count,
        "a_second_a_core": round(count / looked, 1),
        "peak_mb": round(max(stages[n]["peak_mb"] for n in stages if "peak_mb" in stages[n]), 1),
        "again_share": round(_seconds(more, *_STEPS) / all_steps, 4),
        "again_steps": {step: round(_seconds(more, step) / all_steps, 4) for step in _STEPS},
        "nothing_new_share": round(_seconds(stages["nothing new"], *_STEPS) / all_steps, 4),
        "near_seconds": _of(search, whole),
        "near_growth": round(_of(search, whole) / max(0.001, _of(search, least)), 2),
        "redecide_seconds": round(redecide, 2),
        "redecide_share": round(redecide / all_steps, 4),
        "redecide_and_split_seconds": round(anew["cpu"], 2),
        "copies_found": round(copies / stages["pictures"]["copies"], 4),
        "listed": stages["list"]["listed"],
    }
    return {"claims": measured, "stages": stages}


def _seconds(stage: dict[str, Any], *steps: str) -> float:
    return float(sum(stage["steps"][step]["cpu"] for step in steps))


def _of(seconds: dict[Any, float], size: int) -> float:
    return seconds[size] if size in seconds else seconds[str(size)]


if __name__ == "__main__":
    main(run)
