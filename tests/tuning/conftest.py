"""A small network, drawn pictures, and a plan that learns them in a second."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

NAME = "test_efficientnet"
HALF = (0.5, 0.5, 0.5)


def drawn(kind: int, draws: np.random.Generator, side: int = 48) -> bytes:
    """A noisy picture with stripes along, stripes across, or a disc."""
    y, x = np.mgrid[0:side, 0:side]
    shift = draws.uniform(0, 6)
    if kind == 2:
        shape = np.hypot(x - side / 2 + shift, y - side / 2) < side / 3
    else:
        shape = np.sin(((x, y)[kind] + shift) / 2.5) > 0
    pixels = np.where(shape[..., None], (200, 90, 60), (40, 120, 160))
    pixels = np.clip(pixels + draws.normal(0, 20, (side, side, 3)), 0, 255).astype(np.uint8)
    out = BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="session")
def items() -> list[tuple[str, Callable[[], bytes]]]:
    """60 drawn pictures, the classes 0, 1, 2 in turn."""
    draws = np.random.default_rng(0)
    pictures = [drawn(n % 3, draws) for n in range(60)]
    return [(f"sha-{n}", lambda data=data: data) for n, data in enumerate(pictures)]


@pytest.fixture
def make_feed(items: Any) -> Callable[..., Any]:
    """A feed of the drawn pictures: 42 to train on, 18 for validation."""
    from tellapart.learn.deep.tuning import PictureFeed

    def make(y: Any = None, train: int = 42, validation: int = 18, **options: Any) -> Any:
        classes = np.arange(60) % 3 if y is None else y
        places = np.arange(60)
        return PictureFeed(
            items,
            classes,
            3,
            places[:train],
            places[60 - validation :] if validation else places[:0],
            mean=HALF,
            std=HALF,
            **options,
        )

    return make
