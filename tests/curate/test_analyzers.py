"""The built-in analyzers: figures of known pictures, and a hash that survives harmless changes."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from tellapart.demo.drawing import WORDS, draw
from tellapart.doors import Picture
from tellapart.plugins.analyzers.basic import Basic
from tellapart.plugins.analyzers.phash import PerceptualHash
from tellapart.plugins.analyzers.sketch import Sketch


def picture(image: Image.Image, data: bytes = b"1234") -> Picture:
    return Picture("0" * 64, data, np.asarray(image), *image.size, "PNG")


def code(image: Image.Image) -> int:
    return int(str(PerceptualHash().measure(picture(image))["phash"]), 16)


def apart(a: Image.Image, b: Image.Image) -> int:
    return (code(a) ^ code(b)).bit_count()


def recompressed(image: Image.Image, quality: int) -> Image.Image:
    out = BytesIO()
    image.save(out, "JPEG", quality=quality)
    return Image.open(BytesIO(out.getvalue())).convert("RGB")


def test_a_blank_picture_has_no_information():
    figures = Basic().measure(picture(Image.new("RGB", (50, 40), (255, 0, 0))))
    assert (figures["width"], figures["height"], figures["bytes"]) == (50, 40, 4)
    assert figures["format"] == "PNG"
    assert figures["entropy"] == 0 and figures["contrast"] == 0
    assert figures["sharpness"] == 0 and figures["blur"] == 1
    assert figures["brightness"] == 76  # ITU-R 601: .299 of 255


def test_entropy_counts_bits():
    half = np.zeros((64, 64, 3), np.uint8)
    half[:, 32:] = 255
    assert Basic().measure(picture(Image.fromarray(half)))["entropy"] == 1.0
    every = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16)[..., None], 3, axis=2)
    assert Basic().measure(picture(Image.fromarray(every)))["entropy"] == 8.0


def test_two_colors_of_equal_lightness_are_still_a_picture():
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, :32] = (255, 0, 0)
    pixels[:, 32:] = (0, 130, 0)  # the same luma, 76
    figures = Basic().measure(picture(Image.fromarray(pixels)))
    assert float(figures["contrast"]) < 1 <= float(figures["entropy"])


def test_blurring_a_picture_raises_its_blur():
    sharp = draw(WORDS[0], 1)
    soft = sharp.resize((40, 30)).resize(sharp.size, Image.Resampling.BICUBIC)
    before, after = Basic().measure(picture(sharp)), Basic().measure(picture(soft))
    assert float(after["blur"]) > float(before["blur"])
    assert float(after["sharpness"]) < float(before["sharpness"]) / 2


@pytest.mark.parametrize("word", WORDS[:3])
def test_the_hash_survives_what_leaves_the_picture_the_same(word):
    image = draw(word, 7)
    assert apart(image, recompressed(image, 40)) <= 4
    assert apart(image, image.resize((160, 120))) <= 4
    assert apart(image, image.resize((480, 360), Image.Resampling.BICUBIC)) <= 4
    assert apart(image, ImageEnhance.Brightness(image).enhance(0.8)) <= 6


def test_the_hash_tells_pictures_apart():
    images = [draw(word, seed) for word in WORDS[:4] for seed in range(6)]
    distances = [apart(a, b) for i, a in enumerate(images) for b in images[:i]]
    assert np.median(distances) > 20
    assert np.mean(np.array(distances) <= 6) < 0.02


def test_the_hash_of_an_even_ground_is_not_chance():
    grounds = [Image.new("RGB", (90, 70), (value,) * 3) for value in (3, 77, 255)]
    assert {code(ground) for ground in grounds} == {0}


def test_tiny_pictures_can_be_measured():
    for size in ((1, 1), (1, 400), (3, 2)):
        tiny = picture(Image.new("RGB", size, (9, 9, 9)))
        assert Basic().measure(tiny)["entropy"] == 0
        assert PerceptualHash().measure(tiny)["phash"] == "0" * 16


def test_figures_are_those_of_their_definitions():
    noise = np.random.default_rng(5).integers(0, 256, (90, 130, 3), dtype=np.uint8)
    for image in (draw(WORDS[1], 3), Image.fromarray(noise), draw(WORDS[2], 4).resize((256, 1))):
        figures = Basic().measure(picture(image))
        gray = np.asarray(image.convert("L"), dtype=np.float64)
        assert figures["brightness"] == pytest.approx(gray.mean(), abs=1e-3)
        assert figures["contrast"] == pytest.approx(gray.std(), abs=1e-3)
        square = image.convert("L").resize((256, 256), Image.Resampling.BILINEAR)
        g = np.asarray(square, dtype=np.float64)
        inner = g[:-2, 1:-1] + g[2:, 1:-1] + g[1:-1, :-2] + g[1:-1, 2:] - 4 * g[1:-1, 1:-1]
        assert figures["sharpness"] == pytest.approx(inner.var(), abs=1e-3)
        counts = np.asarray(image.histogram(), dtype=np.float64).reshape(3, 256)
        shares = [one[one > 0] / one.sum() for one in counts]
        entropy = max(-(one * np.log2(one)).sum() for one in shares)
        assert figures["entropy"] == pytest.approx(entropy, abs=1e-4)


def test_cells_are_made_once_and_are_means():
    image = Image.fromarray(np.arange(64 * 64, dtype=np.uint16).reshape(64, 64).astype(np.uint8))
    seen = picture(image.convert("RGB"))
    cells = seen.cells(32)
    assert cells is seen.cells(32) and cells.shape == (32, 32)
    means = np.asarray(image, dtype=float).reshape(32, 2, 32, 2).mean(axis=(1, 3))
    assert np.abs(cells - means).max() <= 0.5


@pytest.mark.parametrize("widths", [(0, 0, 0, 0), (6, 0, 0, 0), (3, 4, 5, 9)])
def test_a_frame_is_as_wide_as_it_was_made(widths):
    top, bottom, left, right = widths
    noise = np.random.default_rng(1).integers(0, 256, (60, 80), dtype=np.uint8)
    framed = np.full((60 + top + bottom, 80 + left + right), 17, np.uint8)
    framed[top : top + 60, left : left + 80] = noise
    image = Image.fromarray(framed).convert("RGB")
    high, wide = framed.shape
    shares = (top / high, bottom / high, left / wide, right / wide)
    expected = bytes(round(255 * share) for share in shares).hex()
    assert Sketch().measure(picture(image))["frame"] == expected
