"""A fine-tuning killed (SIGKILL) at random moments amid its epochs, and let go on each time.

Against the same training undisturbed: epochs' figures and the weights' digest must be the same, no
finished epoch may be learned again, and what a life repeats of the one before it is at most 30
seconds of batches. Trainings are begun anew until there were as many kills as asked for. Each
life is a process of its own, forked from one that has its imports done.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from benchmarks import HERE, Skipped, main, need, spread
from benchmarks.beside import chains
from tellapart.worker import _ENVIRONMENT as WORKER

SET = "caltech101_10"
KILLS = 20
#: Seconds that a life has from its first batch to its kill, at least and at most.
LIFE = (5.0, 55.0)
#: Seconds of batches that may be repeated.
PROMISE = 30.0


def run(data: Path, small: bool) -> dict[str, Any]:
    try:
        import timm  # noqa: F401
    except ImportError:
        raise Skipped("torch and timm are not installed: make test installs them") from None
    rng = random.Random(11)
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        job = _job(chains.few(need(data / SET), root / SET, 8, 2) if small else data / SET, small)
        (root / "job.json").write_text(json.dumps(job))
        with _lives(root / "job.json", small) as lives:
            calm = lives.whole(root / "calm")
            rough: list[dict[str, Any]] = []
            kills: list[dict[str, Any]] = []
            while len(kills) < (1 if small else KILLS):
                folder = root / f"rough-{len(rough)}"
                for _ in range((1 if small else KILLS) - len(kills)):
                    # On few pictures: as soon as an epoch has ended.
                    sign, wait = ("epoch", 0.0) if small else ("batches", rng.uniform(*LIFE))
                    if not lives.killed(folder, sign, wait):
                        break
                    kills.append(_where(folder))
                rough.append(lives.whole(folder))
    return _figures(job, calm, rough, kills)


def _job(folder: Path, small: bool) -> dict[str, Any]:
    rows = []
    for number, place in enumerate(sorted(p for p in folder.iterdir() if p.is_dir())):
        files = sorted(p for p in place.iterdir() if p.suffix.lower() in chains.SUFFIXES)
        rows += [(str(file), number) for file in files]
    random.Random(0).shuffle(rows)
    held = len(rows) // 5
    return {
        "model": "test_efficientnet" if small else "tf_efficientnet_lite0",
        "pretrained": not small,
        "pictures": rows,
        "train": list(range(held, len(rows))),
        "validation": list(range(held)),
        "size": 32 if small else 224,
        "epochs": 4 if small else 5,
        "batch_size": 4 if small else 32,
    }


class _Lives:
    """The process that forks lives."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None and process.stdout is not None
        self.asks: IO[str] = process.stdin
        self.tells: IO[str] = process.stdout
        self.hear()

    def hear(self) -> str:
        line = self.tells.readline()
        if not line:
            raise RuntimeError("the process that forks lives has ended")
        return line.strip()

    def begin(self, folder: Path) -> int:
        """Start a life; its process's id."""
        self.asks.write(f"{folder}\n")
        self.asks.flush()
        return int(self.hear())

    def whole(self, folder: Path) -> dict[str, Any]:
        """A life up to the end of the training: all its notes, those of earlier lives too."""
        self.begin(folder)
        if int(self.hear()):
            raise RuntimeError(f"the training in {folder} failed")
        return {"notes": _notes(folder), "end": _notes(folder)[-1]}

    def killed(self, folder: Path, sign: str, seconds: float) -> bool:
        """A life that is killed so long after its first `sign`; False where it came to its end."""
        before = len(_notes(folder))
        child = self.begin(folder)
        with contextlib.suppress(ProcessLookupError):  # it may come to its end before
            while not any(note.get(sign) for note in _notes(folder)[before:]):
                os.kill(child, 0)
                time.sleep(0.01)
            time.sleep(seconds)
            os.kill(child, signal.SIGKILL)
        status = int(self.hear())
        if status not in (0, signal.SIGKILL):
            raise RuntimeError(f"the training in {folder} failed")
        return status != 0


@contextlib.contextmanager
def _lives(job: Path, small: bool) -> Iterator[_Lives]:
    paths = [str(HERE.parent), str(HERE.parent / "src"), os.environ.get("PYTHONPATH", "")]
    # One thread where other tests are at work too: more would wait for one another.
    threads = {"OMP_NUM_THREADS": "1"} if small else {}
    process = subprocess.Popen(
        [sys.executable, str(HERE / "beside" / "tuning_lives.py"), str(job)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={
            **WORKER,
            **os.environ,
            **threads,
            "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        },
    )
    try:
        yield _Lives(process)
    finally:
        process.kill()
        process.wait()


def _notes(folder: Path) -> list[dict[str, Any]]:
    path = folder / "notes.jsonl"
    if not path.exists():
        return []
    # A life that is killed while it writes leaves half a line.
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]


def _where(folder: Path) -> dict[str, Any]:
    """Where the life that was just killed was."""
    notes = _notes(folder)
    batches = [note["batches"] for note in notes if "batches" in note]
    return {"at": time.time(), "folder": str(folder), "batches": max(batches, default=0)}


def _repeated(notes: list[dict[str, Any]], killed: list[float]) -> list[float]:
    """For each kill, seconds from when the life had last been where the next one begins.

    The first batch that a life tells of is one past its checkpoint.
    """
    births = [place for place, note in enumerate(notes) if "born" in note]
    found = []
    for at, start, end in zip(killed, births[1:], [*births[2:], len(notes)], strict=False):
        first = next((n["batches"] for n in notes[start:end] if n.get("batches")), 1)
        earlier = [n["at"] for n in notes[:start] if "batches" in n and n["batches"] < first]
        begun = next(n["at"] for n in notes[:start][::-1] if "born" in n)
        found.append(at - max([begun, *(t for t in earlier if t > begun)]))
    return found


def _figures(
    job: dict[str, Any],
    calm: dict[str, Any],
    rough: list[dict[str, Any]],
    kills: list[dict[str, Any]],
) -> dict[str, Any]:
    folders = list(dict.fromkeys(kill["folder"] for kill in kills))
    seconds: list[float] = []
    twice = 0
    for folder, one in zip(folders, rough, strict=False):
        own = [kill["at"] for kill in kills if kill["folder"] == folder]
        seconds += _repeated(one["notes"], own)
        epochs = [note["epoch"] for note in one["notes"] if "epoch" in note]
        twice += len(epochs) - len(set(epochs))
    each = -(-len(job["train"]) // job["batch_size"])
    ends = [one["end"] for one in (calm, *rough)]
    last = [end["history"][-1] for end in ends]
    return {
        "kills": len(kills),
        "trainings": len(rough),
        "epochs": job["epochs"],
        "batches_an_epoch": each,
        "killed_in_epoch": [kill["batches"] // each + 1 for kill in kills],
        "undisturbed_s": round(calm["end"]["at"] - calm["notes"][0]["at"], 1),
        "same_weights": len({end["sha256"] for end in ends}) == 1,
        "same_history": all(end["history"] == ends[0]["history"] for end in ends),
        "validation_accuracy": [line["validation_accuracy"] for line in last],
        "validation_loss": [line["validation_loss"] for line in last],
        "finished_epochs_repeated": twice,
        "seconds_repeated": spread(seconds),
        "within_the_promise": sum(s <= PROMISE for s in seconds),
    }


if __name__ == "__main__":
    main(run)
