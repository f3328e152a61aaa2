"""1,000 people, each with a taste of their own and 200 candidates, served by one process.

Heads: every person labels some candidates of a stream of real photographs; all heads are loaded
from their bytes in a fresh process, with the network beside them, and its memory is read. Then all
200,000 candidates are scored by their own person's head. Independence: one person's labels are
turned round; no score of another may change in a single bit.

Speed: candidates of small JPEGs (as a service's smallest processed files) are decoded, looked at
and decided for changing people, the first picture above the threshold deciding; the next picture of
all that are undecided is looked at together. Rounds of each kind take turns; medians are told, by
the clock and by the processor's time (what two cores would do that have nothing else to do). Where
the machine has it, the network runs in bf16 too, in turns with fp32; the heads are the same there,
for a score costs the same.

Precision: all pictures of the stream are looked at in fp32 and in bf16. Of the same labels of the
same people a head is fitted to either; told is how often both decide alike of candidates that
neither has seen, and how often each decides as the person would.
"""

from __future__ import annotations

import hashlib
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import main, need, spread
from benchmarks.beside import photographs, tastes
from tellapart.learn.taste import Sight, Taste, fit
from tellapart.settings import Settings

PEOPLE, CANDIDATES, LABELS = 1_000, 200, 24
#: Kinds of candidates: the pictures' (width, height), and how many each has.
KINDS = {
    "1 picture of 172×216": ((172, 216), 1),
    "1 picture of 320×400": ((320, 400), 1),
    "2 pictures of 172×216": ((172, 216), 2),
}
_STREAM, _ROUNDS, _EACH, _TOGETHER = "mixed", 5, 600, 64
#: People, and how many labels of each, on whom precisions are compared.
_COMPARED, _LABELS = 100, (24, 100)


def run(data: Path, small: bool) -> dict[str, Any]:
    people, candidates = (12, 20) if small else (PEOPLE, CANDIDATES)
    name = "caltech101_10" if small else _STREAM
    shown = tastes.stream(data, name, 12 if small else None)
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        start = time.perf_counter()
        heads = [_head(tastes.person(shown, name, seed)) for seed in range(people)]
        fitted = time.perf_counter() - start
        raw = b"".join(len(one).to_bytes(4, "big") + one for one in heads)
        (home / "heads").write_bytes(raw)
        speed = _speed(need(data / "caltech101_10"), heads, home, small)
        sights = _sights(home)
        memory = {sight.precision: _memory(home, sight.precision) for sight in sights}
        precision: Any = _unlike(data, sights, small) if len(sights) > 1 else "no bf16 here"
        return {
            "people": people,
            "bytes a head": len(heads[0]),
            "memory": memory,
            "seconds a fit": round(fitted / people, 4),
            **_apart(shown, name, heads, candidates),
            "decisions a second, decoding included": speed,
            "heads on bf16 beside heads on fp32": precision,
        }


def _head(person: tastes.Person) -> bytes:
    """A head of a few labels, both kinds among them; its penalty is given, to save time."""
    liked, passed = np.flatnonzero(person.likes), np.flatnonzero(~person.likes)
    chosen = np.concatenate([liked[: LABELS // 3], passed[: LABELS - LABELS // 3]])
    given = Taste(np.zeros(person.features.shape[1], np.float32), 0.0, C=10.0, tuned_at=LABELS)
    return fit(person.labelled(chosen), start=given).to_bytes()


_HOLD = """
import sys
from pathlib import Path
from tellapart.learn.taste import Sight, Taste
from tellapart.settings import Settings
def resident():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
home = Path(sys.argv[1])
sight = Sight.shared(Settings(home=home, threads=2, sight_precision=sys.argv[2]))
sight.look([(home / "one.jpg").read_bytes()])
before = resident()
raw, heads, at = (home / "heads").read_bytes(), [], 0
while at < len(raw):
    size = int.from_bytes(raw[at : at + 4], "big")
    heads.append(Taste.from_bytes(raw[at + 4 : at + 4 + size]))
    at += 4 + size
del raw
print(len(heads), before, resident())
"""


def _memory(home: Path, precision: str) -> dict[str, Any]:
    """Resident MB of a process with the network, and of one with all heads beside it."""
    words = [sys.executable, "-c", _HOLD, str(home), precision]
    found = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    return {
        "heads": int(found[0]),
        "process with the network, MB": round(float(found[1]), 1),
        "with all heads, MB": round(float(found[2]), 1),
        "heads alone, MB": round(float(found[2]) - float(found[1]), 1),
    }


def _apart(shown: tastes.Stream, name: str, heads: list[bytes], candidates: int) -> dict[str, Any]:
    """Score everybody's candidates; turn one person's labels round and score them all again."""
    fitted = [Taste.from_bytes(head) for head in heads]
    start = time.perf_counter()
    before = [_scores(shown, head, seed, candidates) for seed, head in enumerate(fitted)]
    seconds = time.perf_counter() - start
    turned = len(fitted) // 2
    person = tastes.person(shown, name, turned)
    wrong = person.labelled(np.arange(60), ~person.likes)
    fitted[turned] = fit(wrong, start=fitted[turned])
    after = [_scores(shown, head, seed, candidates) for seed, head in enumerate(fitted)]
    changed = [seed for seed in range(len(fitted)) if before[seed] != after[seed]]
    return {
        "scores from features a second": round(len(fitted) * candidates / seconds),
        "people whose scores moved when one's labels were turned round": len(changed),
        "others among them": len([seed for seed in changed if seed != turned]),
    }


def _scores(shown: tastes.Stream, head: Taste, seed: int, candidates: int) -> str:
    rows = np.random.default_rng(seed).integers(0, len(shown.y), candidates)
    return hashlib.sha256(head.score(shown.features[rows]).tobytes()).hexdigest()


def _speed(source: Path, heads: list[bytes], home: Path, small: bool) -> dict[str, Any]:
    """Interleaved rounds of each kind of candidate."""
    rounds, each = (1, 24) if small else (_ROUNDS, _EACH)
    people = [Taste.from_bytes(head) for head in heads]
    files = sorted(source.glob("*/*.jpg"))
    chosen = [files[at] for at in np.random.default_rng(0).permutation(len(files))[: 2 * each]]
    drawn = {size: [_small(file, size) for file in chosen] for size, _ in KINDS.values()}
    (home / "one.jpg").write_bytes(drawn[172, 216][0])
    sights = _sights(home)
    for sight in sights:
        sight.look(drawn[172, 216][:16])
    told: dict[str, list[dict[str, float]]] = {}
    for turn in range(rounds):
        for kind, (size, count) in KINDS.items():
            for sight in sights[:: 1 if turn % 2 else -1]:
                pictures = drawn[size][: each * count]
                start, worked = time.perf_counter(), time.process_time()
                asked = _decide(sight, pictures, count, people, turn)
                worked, start = time.process_time() - worked, time.perf_counter() - start
                decided = len(pictures) / count
                told.setdefault(f"{kind}, {sight.precision}", []).append(
                    {
                        "by the clock": decided / start,
                        "by the processor's time": 2 * decided / worked,
                        "pictures looked at each": asked / decided,
                        "core-ms a picture": 1000 * worked / asked,
                    }
                )
    return {
        kind: {
            what: spread([one[what] for one in rows])
            if what.startswith("by")
            else round(statistics.median(one[what] for one in rows), 3)
            for what in rows[0]
        }
        for kind, rows in sorted(told.items())
    } | {"load before, of two cores": round(os.getloadavg()[0], 1)}


def _sights(home: Path) -> list[Sight]:
    """The network in fp32, and in bf16 where this machine has it."""
    found = [
        Sight.shared(Settings(home=home, threads=2)),
        Sight.shared(Settings(home=home, threads=2, sight_precision="bf16")),
    ]
    return found if found[1].precision == "bf16" else found[:1]


def _unlike(data: Path, sights: list[Sight], small: bool) -> dict[str, Any]:
    """Heads on either precision's features: do they decide alike, and who is right how often?"""
    name, each = ("caltech101_10", 12) if small else (_STREAM, None)
    sets = tastes.SETS if name == "mixed" else (name,)
    files = [file for one in sets for file in photographs.paths(data / one, each)]
    y = tastes.stream(data, name, each).y
    shown = [tastes.Stream(_looked(sight, files), y) for sight in sights]
    alike = [
        float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
        for a, b in zip(shown[0].features, shown[1].features, strict=True)
    ]
    return {
        "pictures": len(files),
        "cosine of a picture's features": spread(alike),
        **{
            f"{labels} labels": _compared(shown, name, labels, 6 if small else _COMPARED)
            for labels in _LABELS[: 1 if small else None]
        },
    }


def _looked(sight: Sight, files: list[Path]) -> np.ndarray:
    rows: list[np.ndarray] = []
    for start in range(0, len(files), _TOGETHER):
        for look in sight.look([file.read_bytes() for file in files[start : start + _TOGETHER]]):
            assert look.features is not None, look.problem
            rows.append(look.features)
    return np.stack(rows)


def _compared(shown: list[tastes.Stream], name: str, labels: int, people: int) -> dict[str, Any]:
    alike: list[float] = []
    right: list[list[float]] = [[], []]
    for seed in range(people):
        decided: list[np.ndarray] = []
        for at, one in enumerate(shown):
            person = tastes.person(one, name, seed)
            liked, passed = np.flatnonzero(person.likes), np.flatnonzero(~person.likes)
            taught = np.concatenate([liked[: labels // 3], passed[: labels - labels // 3]])
            rest = np.setdiff1d(np.arange(len(person.likes)), taught)
            head = fit(person.labelled(taught))
            right[at].append(person.right(head, rest))
            decided.append(head.judge(person.pool(rest))[1] >= tastes.THRESHOLD)
        alike.append(float((decided[0] == decided[1]).mean()))
    less = [half - full for full, half in zip(*right, strict=True)]
    return {
        "people": people,
        "decided alike": {"mean": round(statistics.mean(alike), 4), **spread(alike)},
        "right on fp32, mean": round(statistics.mean(right[0]), 4),
        "right on bf16, mean": round(statistics.mean(right[1]), 4),
        "bf16 less fp32": {
            "mean": round(statistics.mean(less), 4),
            "standard error": round(statistics.stdev(less) / people**0.5, 4),
            **spread(less),
        },
    }


def _small(file: Path, size: tuple[int, int]) -> bytes:
    out = io.BytesIO()
    with Image.open(file) as image:
        image.convert("RGB").resize(size).save(out, "JPEG", quality=85)
    return out.getvalue()


def _decide(sight: Sight, pictures: list[bytes], count: int, people: list[Taste], turn: int) -> int:
    """Decide candidates of `count` pictures each by the rule `first`; pictures looked at."""
    asked = 0
    for start in range(0, len(pictures), _TOGETHER * count):
        open_ = list(range(start, min(start + _TOGETHER * count, len(pictures)), count))
        for place in range(count):
            looks = sight.look([pictures[at + place] for at in open_])
            asked += len(looks)
            left = []
            for at, look in zip(open_, looks, strict=True):
                head = people[(at // count + turn) % len(people)]
                if look.features is None or head.score(look.features)[0] < tastes.THRESHOLD:
                    left.append(at)
            open_ = left
            if not open_:
                break
    return asked


if __name__ == "__main__":
    main(run)
