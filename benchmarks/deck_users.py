"""1,000 people, each with a taste of their own and 200 candidates, served by one process.

Heads: every person labels some candidates of a stream of real photographs; all heads are loaded
from their bytes in a fresh process, with the network beside them, and its memory is read. Then all
200,000 candidates are scored by their own person's head. Independence: one person's labels are
turned round; no score of another may change in a single bit.

Speed: candidates of small JPEGs (as a service's smallest processed files) are decoded, looked at
and decided for changing people, the first picture above the threshold deciding; the next picture of
all that are undecided is looked at together. Rounds of each kind take turns; medians are told, by
the clock and by the processor's time (what two cores would do that have nothing else to do).
"""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import main, need, spread
from benchmarks.beside import tastes
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
        return {
            "people": people,
            "bytes a head": len(heads[0]),
            "memory": _memory(home),
            "seconds a fit": round(fitted / people, 4),
            **_apart(shown, name, heads, candidates),
            "decisions a second, decoding included": speed,
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
sight = Sight.shared(Settings(home=home, threads=2))
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


def _memory(home: Path) -> dict[str, Any]:
    """Resident MB of a process with the network, and of one with all heads beside it."""
    words = [sys.executable, "-c", _HOLD, str(home)]
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
    sight = Sight.shared(Settings(home=home, threads=2))
    sight.look(drawn[172, 216][:16])
    told: dict[str, list[float]] = {kind: [] for kind in KINDS}
    alone: dict[str, list[float]] = {kind: [] for kind in KINDS}
    looked: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for turn in range(rounds):
        for kind, (size, count) in KINDS.items():
            pictures = drawn[size][: each * count]
            start, worked = time.perf_counter(), time.process_time()
            asked = _decide(sight, pictures, count, people, turn)
            decided = len(pictures) / count
            told[kind].append(decided / (time.perf_counter() - start))
            alone[kind].append(2 * decided / (time.process_time() - worked))
            looked[kind].append(asked / decided)
    return {
        kind: {
            "by the clock": spread(told[kind]),
            "by the processor's time": spread(alone[kind]),
            "pictures looked at each": round(looked[kind][0], 3),
        }
        for kind in KINDS
    } | {"load before, of two cores": round(os.getloadavg()[0], 1)}


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
