"""Whole commands in homes of their own, what they leave, and rows kept between runs."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import WORK, tellapart, timed

SUFFIXES = {".jpg", ".jpeg", ".png"}


class Rows:
    """Rows of a long measurement, each kept as soon as it is there.

    A run that was cut off goes on with the row it was at. At a small scale nothing is kept.
    """

    def __init__(self, name: str, small: bool) -> None:
        self.path = None if small else WORK / f"{name}.jsonl"
        self._rows: dict[str, Any] = {}
        if self.path is not None and self.path.exists():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                kept = json.loads(line)
                self._rows[kept["key"]] = kept["row"]

    def get(self, key: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The row `key`: as it was kept, else measured now."""
        if key not in self._rows:
            self._rows[key] = measure()
            if self.path is not None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with self.path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"key": key, "row": self._rows[key]}) + "\n")
                print(f"  {key}: {json.dumps(self._rows[key])}", flush=True)
        row: dict[str, Any] = self._rows[key]
        return row


@dataclass(frozen=True)
class Outcome:
    """What one command took, said and left."""

    seconds: float
    result: dict[str, Any]
    #: Of the trained model, as `train.json` has them.
    facts: dict[str, Any]

    @property
    def bundle(self) -> Path:
        return Path(self.result["bundle"])

    @property
    def rungs(self) -> list[dict[str, Any]]:
        """The ladder, where one was climbed."""
        ladder: list[dict[str, Any]] = self.facts.get("ladder", [])
        return ladder


def environment(home: Path, data: Path) -> dict[str, str]:
    """This environment, with a home of its own and the local weights."""
    found = {**os.environ, "TELLAPART_HOME": str(home)}
    if (data / "weights_imagenet").is_dir():
        found["TELLAPART_WEIGHTS"] = str(data / "weights_imagenet")
    return found


def train_words(folder: Path, name: str, *options: str) -> list[str]:
    """The command that learns from `folder`, its last line JSON."""
    return tellapart("train", str(folder), "--json", "--quiet", "--name", name, *options)


def train(folder: Path, home: Path, data: Path, *options: str, name: str = "measured") -> Outcome:
    """`tellapart train FOLDER`, from its start to its end."""
    return ran(train_words(folder, name, *options), home, data, name)


def ran(words: list[str], home: Path, data: Path, name: str) -> Outcome:
    """A command of the project `name` that prints its result as its last line."""
    seconds, done = timed(words, env=environment(home, data))
    result = json.loads(done.stdout.splitlines()[-1])
    return Outcome(seconds, result, facts(home, name))


def facts(home: Path, name: str) -> dict[str, Any]:
    """What the trained model of a project says of itself; empty before there is one."""
    path = home / "projects" / name / "work" / "train.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def verify(bundle: Path, home: Path, data: Path) -> None:
    """Raises RuntimeError where the bundle does not verify."""
    timed(tellapart("verify", str(bundle)), env=environment(home, data))


def answers(bundle: Path, pictures: Sequence[str]) -> list[str | None]:
    """The likeliest class of each picture, by a bundle, in this process."""
    from tellapart import Bundle

    return [each.best for each in Bundle.load(bundle).predict(list(pictures))]


def test_pictures(home: Path, name: str) -> list[tuple[str, str]]:
    """(path, class) of the project's untouched test pictures, by path."""
    from tellapart.settings import Settings
    from tellapart.steps import open_context

    context = open_context(Settings(home=home), name)
    try:
        rows = context.catalog.pictures(status="ok", kept=True, split="test")
    finally:
        context.close()
    return sorted((str(row.path), str(row.label)) for row in rows)


def few(folder: Path, out: Path, per_class: int, classes: int | None = None) -> Path:
    """A copy of `folder` with the first pictures of the first classes."""
    for place in sorted(p for p in folder.iterdir() if p.is_dir())[:classes]:
        (out / place.name).mkdir(parents=True)
        files = sorted(file for file in place.iterdir() if file.suffix.lower() in SUFFIXES)
        for file in files[:per_class]:
            shutil.copy(file, out / place.name)
    return out


def sign_test(wins: int, losses: int) -> float:
    """Chance of at least so many wins of all that were decided, were both sides alike."""
    decided = wins + losses
    ways = sum(math.comb(decided, k) for k in range(wins, decided + 1))
    return round(ways / 2**decided, 4)
