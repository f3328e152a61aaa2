import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tellapart.demo.drawing import WORDS, draw, draw_card, draw_noise, write_folder
from tellapart.errors import InputError


@pytest.mark.parametrize("word", WORDS)
def test_a_drawing_depends_on_word_and_seed_alone(word: str) -> None:
    random.seed(1)
    np.random.seed(1)
    first = draw(word, 3)
    random.seed(2)
    np.random.seed(2)
    assert first.tobytes() == draw(word, 3).tobytes()
    assert (first.mode, first.size) == ("RGB", (320, 240))
    other = np.asarray(draw(word, 4), np.float32)
    assert np.abs(np.asarray(first, np.float32) - other).mean() > 5


def test_words_do_not_look_the_same() -> None:
    pictures = [draw(word, 0).tobytes() for word in WORDS]
    assert len(set(pictures)) == len(WORDS) >= 8


def test_size_is_kept() -> None:
    assert draw("apple", 0, (100, 160)).size == (100, 160)
    assert draw_noise(0, (64, 48)).size == (64, 48)
    assert draw_card("sale", 0, (200, 100)).size == (200, 100)


def test_unknown_word_names_the_known_ones() -> None:
    with pytest.raises(InputError) as error:
        draw("zeppelin", 0)
    assert "zeppelin" in error.value.what
    assert "banana" in error.value.expected


def test_folder_of_drawings(tmp_path: Path) -> None:
    write_folder(tmp_path / "a", ["apple", "boat"], 3)
    write_folder(tmp_path / "b", ["apple", "boat"], 3)
    names = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.jpg"))
    assert [str(n) for n in names][:2] == ["apple/apple-000.jpg", "apple/apple-001.jpg"]
    assert len(names) == 6
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    with Image.open(tmp_path / "a" / names[0]) as picture:
        assert picture.format == "JPEG"
