"""Rectangles, small pictures and gray: what networks of one's own see."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from PIL import Image

from tellapart import images


def noise(height: int, width: int, seed: int = 0) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


@pytest.mark.parametrize("view", images.VIEWS)
@pytest.mark.parametrize("color", images.COLORS)
@pytest.mark.parametrize("size", [1, 8, (28, 28), (10, 30), (31, 7), (1, 5)])
def test_every_size_view_and_color(size: images.Size, view: str, color: str) -> None:
    high, wide = images.sides(size)
    for picture in (noise(40, 90), noise(90, 40), noise(1, 1), noise(3, 200)):
        found = images.prepare(picture, size, view, color)  # type: ignore[arg-type]
        assert found.dtype == np.uint8
        assert found.shape == (high, wide, 1 if color == "gray" else 3)


@pytest.mark.parametrize("view", ["squash", "pad"])
def test_a_picture_of_the_wanted_size_is_left_alone(view: images.View) -> None:
    gray = np.random.default_rng(3).integers(0, 256, (28, 20), dtype=np.uint8)
    found = images.prepare(Image.fromarray(gray), (28, 20), view, "gray")
    assert (found[..., 0] == gray).all()
    out = io.BytesIO()
    Image.fromarray(gray).save(out, "PNG")
    assert (images.load(out.getvalue(), (28, 20), view, "gray") == found).all()
    color = noise(9, 17)
    assert (images.prepare(color, (9, 17), view) == np.asarray(color)).all()


def test_gray_is_the_luma_of_the_colors() -> None:
    picture = Image.new("RGB", (12, 12), (200, 100, 50))
    luma = round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)
    assert np.abs(images.prepare(picture, 5, "squash", "gray").astype(int) - luma).max() <= 1


@profile(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 64), st.sampled_from(images.VIEWS))
def test_a_square_is_the_same_however_it_is_asked_for(
    height: int, width: int, side: int, view: images.View
) -> None:
    picture = noise(height, width, side)
    whole = images.prepare(picture, side, view)
    assert (whole == images.prepare(picture, (side, side), view)).all()


def test_a_rectangle_keeps_the_shape_or_cuts_to_it() -> None:
    """A white square on black in a wide frame: padded it stays square, cropped it fills."""
    picture = Image.new("RGB", (100, 100), "white")
    padded = images.prepare(picture, (20, 60), "pad", "gray")[..., 0]
    assert (padded[:, 20:40] == 255).all()
    assert (padded[:, :20] == 127).all()
    assert (padded[:, 40:] == 127).all()
    banded = Image.new("RGB", (100, 100), "black")
    banded.paste("white", (0, 36, 100, 64))
    cropped = images.prepare(banded, (20, 60), "crop", "gray")[..., 0]
    # 0.875 of a third of the height, 29 rows of 100, of which the middle 28 are white.
    assert cropped[2:-2].min() > 240
    squashed = images.prepare(banded, (20, 60), "squash", "gray")[..., 0]
    assert squashed[:5].max() < 20
    assert squashed[9:11].min() > 240


def test_wrong_words_are_refused() -> None:
    with pytest.raises(ValueError, match="'stretch'"):
        images.prepare(noise(4, 4), 4, "stretch")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'BGR'"):
        images.prepare(noise(4, 4), 4, "squash", "BGR")  # type: ignore[arg-type]
