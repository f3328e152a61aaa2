"""Pictures drawn by the project: a few things, never twice the same, the same for a seed.

A drawing depends on its word, seed and size alone, not on the state of any random generator.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from tellapart.demo.shapes import SHAPES, Color, Pen
from tellapart.errors import InputError

#: The words `draw` knows.
WORDS: tuple[str, ...] = tuple(SHAPES)


def draw(word: str, seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """Draw one `word` of `WORDS` as an RGB picture of `size` = (width, height) pixels.

    Color, place, size, turn, ground, clutter, light and noise differ from seed to seed.
    Raises `InputError` for a word that is not in `WORDS`.
    """
    if word not in SHAPES:
        raise InputError(
            f"There is no drawing of {word!r}.",
            expected=f"one of {', '.join(WORDS)}",
            do="Choose one of these words; for any other thing search real pictures.",
        )
    rng = _dice("draw", word, seed)
    picture = _ground(rng, size)
    thing = _thing(word, rng, round(min(size) * rng.uniform(0.55, 0.95)))
    free_x, free_y = size[0] - thing.width, size[1] - thing.height
    at = (round(free_x * rng.uniform(0.1, 0.9)), round(free_y * rng.uniform(0.1, 0.9)))
    _shadow(picture, thing, at, rng)
    picture.paste(thing, at, thing)
    return _camera(picture, rng)


def draw_noise(seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """A picture of nothing: smooth colored noise."""
    numbers = np.random.Generator(np.random.PCG64(_number("noise", "", seed)))
    coarse = numbers.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    picture = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
    return _camera(picture, _dice("noise", "camera", seed))


def draw_card(text: str, seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """A card with lines of text and rules on plain ground, as off-topic search hits often are."""
    rng = _dice("card", text, seed)
    ground = rng.choice([(250, 250, 245), (30, 35, 60), (235, 240, 250), (250, 235, 200)])
    ink = (20, 20, 20) if sum(ground) > 380 else (240, 240, 240)
    picture = Image.new("RGB", size, ground)
    pen = ImageDraw.Draw(picture)
    left, top = rng.randint(12, 30), rng.randint(8, 20)
    pen.text((left, top), text.upper(), fill=ink, font_size=size[1] / 7)
    letters = "abcdefghij klmnopqrs tuvwxyz "
    for line in range(rng.randint(5, 8)):
        words = "".join(rng.choice(letters) for _ in range(rng.randint(18, 40)))
        y = top + size[1] * (0.22 + 0.09 * line)
        pen.text((left, y), words, fill=ink, font_size=size[1] / 18)
    pen.line((left, size[1] * 0.2, size[0] - left, size[1] * 0.2), fill=ink, width=2)
    return picture


def write_folder(path: Path, words: Sequence[str], per_class: int, seed: int = 0) -> Path:
    """Write `per_class` JPEGs of each word to `path`/<word>/<word>-000.jpg and return `path`."""
    for word in words:
        folder = path / word
        folder.mkdir(parents=True, exist_ok=True)
        for i in range(per_class):
            picture = draw(word, seed * 1_000_003 + i)
            picture.save(folder / f"{word}-{i:03d}.jpg", quality=88)
    return path


def _number(kind: str, word: str, seed: int) -> int:
    # Random("text") would do for Random, but numpy wants a number; one rule for both.
    return int.from_bytes(hashlib.sha256(f"{kind}\0{word}\0{seed}".encode()).digest()[:8], "big")


def _dice(kind: str, word: str, seed: int) -> Random:
    return Random(_number(kind, word, seed))  # noqa: S311 - pictures, not secrets


def _color(rng: Random, low: int = 30, high: int = 230) -> Color:
    return rng.randint(low, high), rng.randint(low, high), rng.randint(low, high)


def _ground(rng: Random, size: tuple[int, int]) -> Image.Image:
    """A blotchy ground of two to four related colors, with clutter."""
    base = _color(rng)
    patch = Image.new("RGB", (rng.randint(2, 5), rng.randint(2, 4)))
    for column in range(patch.width):
        for row in range(patch.height):
            moved = tuple(max(0, min(255, c + rng.randint(-45, 45))) for c in base)
            patch.putpixel((column, row), moved)
    picture = patch.resize(size, rng.choice([Image.Resampling.BICUBIC, Image.Resampling.BILINEAR]))
    pen = ImageDraw.Draw(picture)
    for _ in range(rng.randint(2, 9)):
        x, y = rng.uniform(0, size[0]), rng.uniform(0, size[1])
        reach = rng.uniform(0.03, 0.2) * size[1]
        ink = tuple(max(0, min(255, c + rng.randint(-60, 60))) for c in base)
        form = rng.randrange(3)
        if form == 0:
            pen.ellipse((x - reach, y - reach / 2, x + reach, y + reach / 2), fill=ink)
        elif form == 1:
            pen.rectangle((x - reach, y - reach / 3, x + reach, y + reach / 3), fill=ink)
        else:
            end = (x + rng.uniform(-4, 4) * reach, y + rng.uniform(-4, 4) * reach)
            pen.line(((x, y), end), fill=ink, width=rng.randint(1, 5))
    return picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 2.5)))


def _thing(word: str, rng: Random, side: int) -> Image.Image:
    """The thing alone, turned and stretched, on transparent ground; drawn at twice the size."""
    # Room to turn: the canvas is wider than the drawing by a factor of the square root of two.
    canvas = Image.new("RGBA", (side * 2, side * 2), (0, 0, 0, 0))
    SHAPES[word](Pen(ImageDraw.Draw(canvas), side * 2, rng))
    if rng.random() < 0.5:
        canvas = canvas.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    turned = canvas.rotate(rng.gauss(0, 14), Image.Resampling.BILINEAR, expand=True)
    wide, high = rng.uniform(0.8, 1.2), rng.uniform(0.8, 1.2)
    share = side / max(turned.width * wide, turned.height * high)
    return turned.resize(
        (max(1, round(turned.width * wide * share)), max(1, round(turned.height * high * share))),
        Image.Resampling.BOX,
    )


def _shadow(picture: Image.Image, thing: Image.Image, at: tuple[int, int], rng: Random) -> None:
    soft = thing.getchannel("A").filter(ImageFilter.GaussianBlur(4)).point(lambda a: a * 0.4)
    moved = (at[0] + rng.randint(-8, 8), at[1] + rng.randint(2, 10))
    picture.paste((0, 0, 0), moved, soft)


def _camera(picture: Image.Image, rng: Random) -> Image.Image:
    """Light, blur and grain of a camera."""
    if rng.random() < 0.3:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.2)))
    grain = np.random.Generator(np.random.PCG64(rng.getrandbits(64)))
    pixels = np.asarray(picture, np.float32) * rng.uniform(0.75, 1.15)
    spread = rng.uniform(2, 9)
    # One plane of grain for all colors: as a camera's, and three times cheaper.
    pixels += grain.standard_normal(pixels.shape[:2], np.float32)[..., None] * spread
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
