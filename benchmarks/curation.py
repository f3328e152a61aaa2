"""Curation: pictures a second on one core, deciding again, and how many planted faults are found.

- `speed`: measuring real photographs in one thread bound to one core, with and without features;
- `decide_again`: a project of 10,000 rows (synthetic figures and features): the first decision,
  a changed threshold, a changed label, the split;
- `planted`: real photographs with copies, foreign and mislabelled pictures planted among them.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance

from benchmarks import main, need
from benchmarks.beside.planting import SAME
from tellapart.catalog import Catalog, NewPicture
from tellapart.learn import backbone, features, measuring, overlay
from tellapart.plugins.analyzers.basic import Basic
from tellapart.plugins.analyzers.phash import PerceptualHash
from tellapart.plugins.analyzers.sketch import Sketch
from tellapart.project import Project
from tellapart.recipe import asked, check
from tellapart.settings import Settings
from tellapart.steps import curate, open_context, split
from tellapart.store.database import open_database

_SETS = ("trashnet_100", "caltech101_10", "grocery_10")
_TOOLS = (Basic(), PerceptualHash())
_DIM = 1280


def run(data: Path, small: bool) -> dict[str, Any]:
    for name in _SETS:
        need(data / name)
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        sets = _SETS[:1] if small else _SETS
        return {
            "speed": {name: _speed(data / name, home, 48 if small else 480) for name in sets},
            "decide_again": _decide_again(home, 1_000 if small else 10_000),
            "planted": _planted(data, home, range(1 if small else 3), sets),
        }


def _speed(folder: Path, home: Path, most: int) -> dict[str, Any]:
    """Pictures a second in one thread on one core, by wall clock and by CPU time."""
    photos = sorted(folder.rglob("*.jpg"))
    chosen = photos[:: max(1, len(photos) // most)][:most]
    settings = Settings(home=home / f"speed-{folder.name}", threads=1)
    net = backbone.embedded(settings.cache_dir)
    cache = features.FeatureCache(settings.cache_dir, features.cache_key(net, "squash"), net.dim)

    def plans(with_features: bool) -> list[measuring.Plan]:
        return [
            measuring.Plan(
                hashlib.sha256(path.read_bytes()).hexdigest(),
                path.read_bytes,
                _TOOLS,
                with_features,
            )
            for path in chosen
        ]

    def survey() -> measuring.Survey:
        return measuring.Survey(save=lambda *_: None, hint=net.size, on_done=lambda _: None)

    light, full = plans(False), plans(True)
    # Once before the clock runs: engine compiled, files in the page cache.
    survey().run_full(full[:16], net, "squash", settings, cache)
    with _one_core():
        without = _clocked(lambda: survey().run_light(light, 1), len(light))
        both = _clocked(lambda: survey().run_full(full, net, "squash", settings, cache), len(full))
    return {"pictures": len(chosen), "without_features": without, "with_features": both}


class _one_core:  # noqa: N801 - reads as a word of the language
    """Binds this process to one core where the system can."""

    def __enter__(self) -> None:
        self.before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
        if self.before:
            os.sched_setaffinity(0, {min(self.before)})

    def __exit__(self, *_: object) -> None:
        if self.before:
            os.sched_setaffinity(0, self.before)


def _clocked(work: Callable[[], None], pictures: int) -> dict[str, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {
        "pictures_per_s": round(pictures / wall, 1),
        "pictures_per_cpu_s": round(pictures / cpu, 1),
    }


def _decide_again(home: Path, n: int) -> dict[str, Any]:
    """Seconds of each step on a project of `n` rows whose pictures are figures alone."""
    settings = Settings(home=home / "many")
    recipe = check({"name": "many", "classes": ["a", "b", "c", "d", "e"]})
    catalog = Catalog.create(open_database(settings), "many", asked(recipe))
    _fill(catalog, settings, n)
    project = Project.open("many", settings)
    seconds: dict[str, float] = {}

    def timed(name: str, work: Callable[[Any], Any]) -> None:
        context = open_context(settings, "many")
        start = time.perf_counter()
        work(context)
        seconds[name] = round(time.perf_counter() - start, 3)

    timed("first decision (pairs, scores, verdicts)", curate.run)
    timed("first split", split.run)
    timed("nothing changed", curate.run)
    for key, value in (("near_duplicate_cosine", 0.85), ("off_topic", 0.5), ("min_side", 130)):
        project.update({"curate": {key: value}})
        timed(f"changed {key}", curate.run)
    timed("split after that", split.run)
    row = project.pictures(label="a", kept=True)[0]
    project.relabel(row.id, "b")
    timed("changed a label", curate.run)
    return {"pictures": n, "seconds": seconds, "kept": project.counts()["kept"]}


def _fill(catalog: Catalog, settings: Settings, n: int) -> None:
    """Rows, measurements and features of `n` pictures, every tenth a near duplicate."""
    rng = np.random.default_rng(0)
    shas = [hashlib.sha256(str(i).encode()).hexdigest() for i in range(n)]
    labels = ["abcde"[i % 5] for i in range(n)]
    hashes = rng.integers(0, 2**64, n, dtype=np.uint64)
    centers = np.abs(rng.normal(0, 1, (5, _DIM))).astype(np.float32)
    vectors = centers[np.arange(n) % 5] + 2 * np.abs(rng.normal(0, 1, (n, _DIM)))
    cells = rng.integers(0, 256, (n, overlay.SIDE, overlay.SIDE), dtype=np.uint8)
    colors = rng.integers(64, 192, (n, 2, overlay.COLOR_SIDE, overlay.COLOR_SIDE), dtype=np.uint8)
    for i in range(10, n, 10):
        hashes[i], vectors[i] = hashes[i - 5] ^ np.uint64(1), vectors[i - 5] * 1.01
        cells[i], colors[i] = cells[i - 5], colors[i - 5]
    catalog.add(
        NewPicture(
            label=labels[i],
            source="folder",
            key=str(i),
            rank=i,
            status="ok",
            sha256=shas[i],
            bytes=9,
        )
        for i in range(n)
    )
    basic = {
        sha: {"width": 200, "height": 120 + i % 50, "entropy": 6.0, "blur": 0.3}
        for i, sha in enumerate(shas)
    }
    catalog.save_measurements("basic", Basic.version, basic)
    codes = {sha: {"phash": f"{int(code):016x}"} for sha, code in zip(shas, hashes, strict=True)}
    catalog.save_measurements("phash", PerceptualHash.version, codes)
    sketches = {
        sha: {
            "sketch": overlay.packed(cells[i]),
            "frame": "",
            "colors": overlay.packed_colors(colors[i]),
        }
        for i, sha in enumerate(shas)
    }
    catalog.save_measurements("sketch", Sketch.version, sketches)
    net = backbone.embedded(settings.cache_dir)
    cache = features.FeatureCache(settings.cache_dir, features.cache_key(net, "squash"), net.dim)
    cache.put(shas, vectors.astype(np.float32))


_CHANGES: tuple[Callable[[Image.Image], tuple[Image.Image, int]], ...] = (
    lambda image: (image, 40),
    lambda image: (image.resize((image.width * 2 // 3, image.height * 2 // 3)), 85),
    lambda image: (ImageEnhance.Brightness(image).enhance(1.2), 85),
    lambda image: (ImageEnhance.Color(image).enhance(0.6), 75),
)
_FOUND = {
    "exact_duplicate": {"exact_duplicate"},
    "near_duplicate": {"near_duplicate"},
    "foreign": {"off_topic"},
    "mislabelled": {"mislabelled"},
}


def _planted(data: Path, home: Path, seeds: range, sets: Sequence[str]) -> dict[str, Any]:
    """Precision and recall of each planted fault, and what is set aside of clean sets."""
    hits: Counter[str] = Counter()
    flagged: Counter[str] = Counter()
    planted: Counter[str] = Counter()
    for seed in seeds:
        folder, faults = _with_faults(data, home / f"faults-{seed}", seed)
        for row in _curated(folder, home / f"curated-{seed}"):
            fault = faults.get(Path(row.path).name, "")
            planted[fault] += 1
            for kind, words in _FOUND.items():
                flagged[kind] += row.verdict in words
                hits[kind] += row.verdict in words and fault == kind
    figures: dict[str, Any] = {
        kind: {
            "planted": planted[kind],
            "precision": round(hits[kind] / max(1, flagged[kind]), 3),
            "recall": round(hits[kind] / max(1, planted[kind]), 3),
        }
        for kind in _FOUND
    }
    clean = {}
    for name in sets:
        rows = _curated(data / name, home / f"clean-{name}")
        reasons = Counter(row.verdict for row in rows if not row.kept)
        clean[name] = {"pictures": len(rows), **dict(sorted(reasons.items()))}
    return {**figures, "set_aside_of_clean_sets": clean}


def _curated(folder: Path, home: Path) -> list[Any]:
    project = Project.create(check({"name": "x", "data": str(folder)}), Settings(home=home))
    project.collect()
    project.curate()
    return project.pictures(status="ok")


def _with_faults(data: Path, folder: Path, seed: int) -> tuple[Path, dict[str, str]]:
    """Five classes of 60 photographs with 5 % each of four faults; what is wrong, by file name."""
    rng = random.Random(seed)
    names = sorted(path.name for path in (data / "caltech101_10").iterdir() if path.is_dir())
    chosen = rng.sample([name for name in names if name != "BACKGROUND_Google"], 5)
    foreign = sorted((data / "trashnet_100").rglob("*.jpg"))
    foreign += sorted((data / "grocery_10").rglob("*.jpg"))
    faults: dict[str, str] = {}

    def put(source: Path | bytes, label: str, fault: str) -> None:
        target = folder / label / f"{len(faults):04d}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(source, bytes):
            target.write_bytes(source)
        else:
            shutil.copyfile(source, target)
        faults[target.name] = fault

    own = {
        name: [
            path
            for path in sorted((data / "caltech101_10" / name).glob("*.jpg"))
            if path.relative_to(data).as_posix() not in SAME  # copies of others as they are
        ]
        for name in chosen
    }
    for name in chosen:
        mine = rng.sample(own[name], 60)
        for path in mine:
            put(path, name, "")
        for k, path in enumerate(mine[:6]):
            if k % 2:
                put(path, name, "exact_duplicate")
            else:
                put(_changed(path, rng.randrange(len(_CHANGES))), name, "near_duplicate")
        for path in rng.sample(foreign, 3):
            put(path, name, "foreign")
        other = rng.choice([label for label in chosen if label != name])
        for path in rng.sample(own[other][-20:], 3):
            put(_changed(path, 3, mirror=True), name, "mislabelled")
    return folder, faults


def _changed(path: Path, how: int, *, mirror: bool = False) -> bytes:
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    if mirror:  # not also a near duplicate of the same picture in its own class
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    image, quality = _CHANGES[how](image)
    out = BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


if __name__ == "__main__":
    main(run)
