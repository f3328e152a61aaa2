"""Whether a bundle answers as the model that was trained, on hard pictures and on real ones.

The bundle runs by itself (`python NAME.zip predict`, ONNX Runtime); the trained model is the
backbone on the engine that training used, and the head in double precision.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import main, need, tellapart, timed
from tellapart.demo.drawing import WORDS, draw, write_folder


def hard_pictures(folder: Path, word: str) -> list[Path]:
    """One drawn picture in every form that decoders stumble over."""
    folder.mkdir(parents=True, exist_ok=True)
    size = (240, 180)
    made: list[Path] = []

    def save(name: str, picture: Image.Image, **options: Any) -> None:
        made.append(folder / name)
        picture.save(folder / name, **options)

    for turn in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = turn
        save(f"turned-{turn}.jpg", draw(word, 900 + turn, size), exif=exif, quality=90)
    save("cmyk.jpg", draw(word, 910, size).convert("CMYK"), quality=90)
    gray = np.asarray(draw(word, 911, size).convert("L"), dtype=np.uint16) * 257
    save("sixteen-bit.png", Image.fromarray(gray))
    alpha = draw(word, 912, size).convert("RGBA")
    alpha.putalpha(Image.linear_gradient("L").resize(size))
    save("alpha.png", alpha)
    save("palette.png", draw(word, 913, size).quantize(32))
    save("gray.jpg", draw(word, 914, size).convert("L"), quality=90)
    frames = [draw(word, 915 + i, size) for i in range(3)]
    save("moving.gif", frames[0], save_all=True, append_images=frames[1:], duration=100)
    save("progressive.jpg", draw(word, 920, size), quality=90, progressive=True)
    save("lossy.webp", draw(word, 921, size), quality=80)
    save("still.tiff", draw(word, 922, size))
    save("plain.bmp", draw(word, 923, size))
    return made


def compare(bundle: Path, settings: Any, name: str, pictures: Sequence[Path]) -> dict[str, Any]:
    """Agreement of the zip and the trained model of the project `name` on `pictures`."""
    from tellapart import images
    from tellapart.errors import PictureError
    from tellapart.learn import backbone, engine, trained

    command = [sys.executable, str(bundle), "predict", "--json", *map(str, pictures)]
    told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1200)
    answers = [json.loads(line) for line in told.stdout.splitlines()]
    if len(answers) != len(pictures):
        raise RuntimeError(f"{len(answers)} answers for {len(pictures)} pictures:\n{told.stderr}")
    net = backbone.embedded(settings.cache_dir)
    model = trained.load(settings.projects_dir / name / "work")
    runner = engine.Engine(net.onnx, threads=1, cache_dir=settings.cache_dir)
    same, apart, errors = 0, [0.0], []
    for path, answer in zip(pictures, answers, strict=True):
        try:
            pixels = images.load(path, net.size, model.facts["view"])
        except PictureError:
            if not answer.get("error"):
                raise
            errors.append(path.name)
            continue
        expected = model.head.probabilities(runner.run(pixels[None], ("features",))["features"])[0]
        given = np.array([answer["probabilities"][label] for label in model.classes])
        same += int(given.argmax() == expected.argmax())
        apart.append(float(np.abs(given - expected).max()))
    compared = len(pictures) - len(errors)
    return {
        "engine_of_training": runner.name,
        "pictures": compared,
        "errors": errors,
        "top1_agreement": same / max(1, compared),
        "max_difference": max(apart),
    }


def _trained(folder: Path, home: Path, name: str) -> Path:
    environment = {**os.environ, "TELLAPART_HOME": str(home)}
    command = tellapart("train", str(folder), "--name", name, "--quiet", "--json")
    _, done = timed(command, env=environment)
    return Path(json.loads(done.stdout.splitlines()[-1])["bundle"])


def run(data: Path, small: bool) -> dict[str, Any]:
    from tellapart import Project
    from tellapart.settings import Settings

    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary) / "home"
        settings = Settings(home)
        drawn = write_folder(Path(temporary) / "drawn", list(WORDS[:3]), 12 if small else 40)
        hard = [
            file
            for word in WORDS[:3]
            for file in hard_pictures(Path(temporary) / "hard" / word, word)
        ]
        sliver = Path(temporary) / "sliver.png"
        draw(WORDS[0], 930, (4000, 60)).resize((4000, 1)).save(sliver)
        cut = Path(temporary) / "truncated.jpg"
        cut.write_bytes(hard[0].read_bytes()[:3000])
        figures: dict[str, Any] = {
            "hard": compare(_trained(drawn, home, "hard"), settings, "hard", [*hard, sliver, cut])
        }
        if not small:
            folder = need(data / "trashnet_100")
            bundle = _trained(folder, home, "trash")
            test = Project.open("trash", settings).pictures(split="test", kept=True)
            figures["trashnet_100_test"] = compare(
                bundle, settings, "trash", [Path(row.path) for row in test]
            )
    return figures


if __name__ == "__main__":
    main(run)
