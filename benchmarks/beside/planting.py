"""A set of real photographs with faults planted into it, and what is wrong with each file."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw

_SETS = ("caltech101_10", "trashnet_100")
_NOISE = "BACKGROUND_Google"
#: Copies of each kind: every one of a picture of its own.
COPIES = ("copy", "q40", "crop", "flip", "resize", "logo", "border")
#: Shares of the photographs that get a wrong label, and of foreign ones that are added.
WRONG, FOREIGN = 0.05, 0.05
#: The sets hold copies themselves. Of pairs that were found in them and that a person saw to be one
#: photograph, or one scene, the second; and each of the last hundred leopards is one of the first
#: hundred, mirrored.
_COPIES = {
    "Faces": (124, 159, 161, 162, 163),
    "Leopards": tuple(range(101, 201)),
    "Motorbikes": (196, 428),
    "bonsai": (13, 16, 26, 114),
    "hawksbill": (9, 45),
    "ketch": (41,),
    "watch": (126, 160, 172, 211),
}
SAME = frozenset(
    f"caltech101_10/{kind}/image_{number:04d}.jpg"
    for kind, numbers in _COPIES.items()
    for number in numbers
) | {"trashnet_100/paper/paper390.jpg", "trashnet_100/plastic/plastic137.jpg"}


@dataclass(frozen=True)
class Fault:
    """What is planted in a file: a kind of copy, `wrong`, `foreign`, `truncated`, or nothing."""

    kind: str = ""
    #: Of a copy: the file it was made of.
    of: str = ""
    #: The folder it lies in.
    label: str = ""


Faults = dict[str, Fault]


def plant(data: Path, folder: Path, seed: int, each: int | None, copies: int) -> Faults:
    """Write the set to `folder/class/`; at most `each` photographs a class as they are."""
    rng = random.Random(seed)
    faults: Faults = {}

    def put(content: Path | bytes, label: str, kind: str = "", of: str = "") -> str:
        # Names in the order of chance: they tell nothing.
        name = f"{rng.getrandbits(48):012x}.jpg"
        target = folder / label / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            target.write_bytes(content)
        else:
            shutil.copyfile(content, target)
        faults[name] = Fault(kind, of, label)
        return name

    own = _photographs(data, rng, each)
    labels = sorted(own)
    every = [(path, label) for label in labels for path in own[label]]
    rng.shuffle(every)
    wrong = set(range(round(WRONG * len(every))))
    placed = []
    for i, (path, label) in enumerate(every):
        if i in wrong:
            put(path, rng.choice([other for other in labels if other != label]), "wrong")
        else:
            placed.append((path, label, put(path, label)))
    chosen = iter(rng.sample(placed, copies * (len(COPIES) + 1)))
    for kind in COPIES:
        for _ in range(copies):
            path, label, name = next(chosen)
            put(changed(path, kind, rng), label, kind, name)
    for _ in range(copies):
        path, label, name = next(chosen)
        whole = path.read_bytes()
        put(whole[: len(whole) * rng.randint(30, 70) // 100], label, "truncated", name)
    foreign = sorted((data / "caltech101_10" / _NOISE).glob("*.jpg"))
    foreign += sorted((data / "grocery_10").rglob("*.jpg"))[::3]
    for path in rng.sample(foreign, round(FOREIGN * len(every))):
        put(path, rng.choice(labels), "foreign")
    return faults


def _photographs(data: Path, rng: random.Random, each: int | None) -> dict[str, list[Path]]:
    own: dict[str, list[Path]] = {}
    for name in _SETS:
        for kind in sorted(path for path in (data / name).iterdir() if path.is_dir()):
            files = sorted(kind.glob("*.jpg"))
            files = [file for file in files if file.relative_to(data).as_posix() not in SAME]
            if files and kind.name != _NOISE:
                own[kind.name] = rng.sample(files, min(each or len(files), len(files)))
    return own


def changed(path: Path, kind: str, rng: random.Random) -> bytes:
    """A copy of the photograph, changed as `COPIES` say, as a JPEG."""
    if kind == "copy":
        return path.read_bytes()
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    out = BytesIO()
    _CHANGES[kind](image, rng).save(out, "JPEG", quality=40 if kind == "q40" else 85)
    return out.getvalue()


def _crop(image: Image.Image, rng: random.Random) -> Image.Image:
    """A tenth of the width and of the height goes, wherever."""
    wide, high = round(image.width * 0.9), round(image.height * 0.9)
    x, y = rng.randint(0, image.width - wide), rng.randint(0, image.height - high)
    return image.crop((x, y, x + wide, y + high))


def _resize(image: Image.Image, rng: random.Random) -> Image.Image:
    factor = rng.choice((0.5, 0.66, 1.5))
    size = round(image.width * factor), round(image.height * factor)
    return image.resize(size, Image.Resampling.LANCZOS)


def _logo(image: Image.Image, rng: random.Random) -> Image.Image:
    """A colored box with a word, a fifth of the shorter side wide, in one of the corners."""
    wide = max(12, min(image.size) // 5)
    high = wide // 2
    x = rng.choice((2, image.width - wide - 2))
    y = rng.choice((2, image.height - high - 2))
    pen = ImageDraw.Draw(image)
    pen.rectangle((x, y, x + wide, y + high), fill=tuple(rng.randrange(256) for _ in range(3)))
    pen.text((x + 2, y + 2), "LOGO", fill="white")
    return image


def _border(image: Image.Image, rng: random.Random) -> Image.Image:
    """All around, 5 % of the shorter side wide, in black, white or any color."""
    wide = max(2, round(min(image.size) * 0.05))
    other = tuple(rng.randrange(256) for _ in range(3))
    color = rng.choice(((0, 0, 0), (255, 255, 255), other))
    framed = Image.new("RGB", (image.width + 2 * wide, image.height + 2 * wide), color)
    framed.paste(image, (wide, wide))
    return framed


_CHANGES: dict[str, Callable[[Image.Image, random.Random], Image.Image]] = {
    "q40": lambda image, _: image,
    "crop": _crop,
    "flip": lambda image, _: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "resize": _resize,
    "logo": _logo,
    "border": _border,
}
