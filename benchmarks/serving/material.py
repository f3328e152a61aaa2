"""What the servers are measured with: a bundle in two versions, JPEGs of three sizes, answers.

At full scale real photographs and a bundle, kept in `benchmarks/work/serving`; at a small scale
drawings. The reference answers are the bundle's own, by ONNX Runtime in f32.
"""

from __future__ import annotations

import atexit
import functools
import json
import random
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks import WORK, need, tellapart, timed
from benchmarks.beside import chains
from tellapart.demo.drawing import WORDS, draw, write_folder

SET = "trashnet_100"
#: What the bundles learn from: more than 500 of its pictures are held back, as many as it takes to
#: say that a variant agrees on 99 of 100.
LEARNED = "caltech101_10"
#: Width and height in pixels. The middle one is what a camera's preview sends.
SIZES = {"256x256": (256, 256), "512x384": (512, 384), "1365x1024": (1365, 1024)}
MIDDLE = "512x384"
QUALITY = 90


@dataclass(frozen=True)
class Material:
    """Paths of what is measured with; read-only by agreement."""

    folder: Path
    #: The folder that the bundles learned from: they hold its test pictures back from learning.
    learned: Path
    #: Where the bundles lie, the older first.
    bundles: tuple[Path, ...]
    #: A TELLAPART_HOME in which nothing was chosen by measurement.
    home: Path
    #: JPEGs by size.
    pictures: dict[str, tuple[Path, ...]]
    #: Each bundle's answers to them, by path.
    answers: tuple[dict[str, dict[str, Any]], ...]

    @property
    def bundle(self) -> Path:
        return self.bundles[0]

    def expected(self, files: Sequence[Path], version: int = 1) -> list[dict[str, Any]]:
        """The answers to pictures by the bundle of that version."""
        return [self.answers[version - 1][str(file)] for file in files]

    @property
    def all_pictures(self) -> tuple[Path, ...]:
        return tuple(file for files in self.pictures.values() for file in files)


@functools.cache
def material(data: Path, small: bool) -> Material:
    """Make it, or find what was made before. Raises `Skipped` where the photographs are missing."""
    if small:
        folder = Path(tempfile.mkdtemp(prefix="tellapart-serving-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    else:
        need(data / SET)
        need(data / LEARNED)
        folder = WORK / "serving"
    done = folder / "material.json"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        found = _make(data, small, folder)
        done.write_text(json.dumps(found))
    learned = folder / "learned" if small else data / LEARNED
    return _read(folder, learned, json.loads(done.read_text()))


def _read(folder: Path, learned: Path, found: dict[str, Any]) -> Material:
    return Material(
        folder,
        learned,
        tuple(folder / name for name in found["bundles"]),
        folder / "home",
        {size: tuple(folder / name for name in names) for size, names in found["pictures"].items()},
        tuple(
            {str(folder / name): answer for name, answer in each.items()}
            for each in found["answers"]
        ),
    )


def _make(data: Path, small: bool, folder: Path) -> dict[str, Any]:
    if small:
        learned = write_folder(folder / "learned", list(WORDS[:3]), 12)
        sources = [draw(WORDS[n % 3], 700 + n, (512, 384)) for n in range(9)]
    else:
        learned = data / LEARNED
        files = [sorted(place.glob("*.jpg")) for place in sorted((data / SET).iterdir())]
        chosen = [group[k] for k in range(60, 66) for group in files if group]
        sources = [Image.open(file).convert("RGB") for file in chosen]
    pictures = _pictures(sources, folder / "pictures", 4 if small else 24)
    bundles = _bundles(learned, folder, data, small)
    (folder / "contender").mkdir()
    _contender(folder / bundles[0], folder / "contender")
    names = [name for names in pictures.values() for name in names]
    return {
        "bundles": bundles,
        "pictures": pictures,
        "answers": [
            dict(zip(names, answers(folder / bundle, names, folder), strict=True))
            for bundle in bundles
        ],
    }


def _pictures(sources: Sequence[Image.Image], folder: Path, count: int) -> dict[str, list[str]]:
    """JPEGs of each size; the largest are cut from a mosaic, so that they are as full of detail."""
    dice = random.Random(5)
    made: dict[str, list[str]] = {}
    folder.mkdir()
    for size, (wide, high) in SIZES.items():
        for number in range(count):
            source = sources[number % len(sources)]
            if wide > source.width:
                picture = Image.new("RGB", (wide, high))
                for left in range(0, wide, source.width):
                    for top in range(0, high, source.height):
                        picture.paste(dice.choice(sources), (left, top))
            else:
                picture = source.resize((wide, high), Image.Resampling.BICUBIC)
            name = f"{folder.name}/{size}-{number:02}.jpg"
            picture.save(folder.parent / name, quality=QUALITY)
            made.setdefault(size, []).append(name)
    return made


def _bundles(learned: Path, folder: Path, data: Path, small: bool) -> list[str]:
    """Two versions of one model, which differ in what they were given to learn from."""
    home = folder / "home"
    options = () if small else ("--set", "compile.int8=true")
    found = []
    for version in (1, 2):
        outcome = chains.train(learned, home, data, "--seed", str(version), *options, name="served")
        target = folder / f"served-{version}.zip"
        shutil.copy(outcome.bundle, target)
        found.append(target.name)
    return found


def _contender(bundle: Path, folder: Path) -> None:
    """The bundle's model and what it takes to answer alike, for servers that know no bundles."""
    from tellapart.bundle.archive import open_archive
    from tellapart.bundle.predictor import read_model

    with open_archive(bundle) as archive:
        manifest, model = read_model(archive)
    assert manifest.picture is not None
    (folder / "model.onnx").write_bytes(model)
    facts = {
        "size": manifest.picture.size[0],
        "labels": manifest.labels,
        "familiarity": manifest.min_familiarity,
        "probability": manifest.min_probability,
        "view": manifest.picture.view,
    }
    (folder / "facts.json").write_text(json.dumps(facts))


def answers(bundle: Path, names: Sequence[str], folder: Path) -> list[dict[str, Any]]:
    """The answers of a process of its own, as `predict --json` prints them."""
    code = (
        "import json, sys; from tellapart import Bundle; found = Bundle.load(sys.argv[1]);"
        "[print(json.dumps(found.predict(path).to_dict())) for path in sys.argv[2:]]"
    )
    files = [str(folder / name) for name in names]
    _, done = timed([tellapart()[0], "-c", code, str(bundle), *files])
    return [json.loads(line) for line in done.stdout.splitlines()]


def same(told: dict[str, Any], expected: dict[str, Any], tolerance: float = 1e-3) -> bool:
    """Whether an answer is the expected one, its probabilities within the bundle's tolerance."""
    odds, wanted = told.get("probabilities"), expected["probabilities"]
    if not isinstance(odds, dict) or odds.keys() != wanted.keys():
        return False
    if any(abs(odds[label] - wanted[label]) > tolerance for label in wanted):
        return False
    ranked = sorted(wanted.values())
    tied = len(ranked) > 1 and ranked[-1] - ranked[-2] <= 2 * tolerance
    return tied or told.get("best") == expected["best"]
