"""An older catalog with its folders, made small."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

#: Path below the folder → (label, ages, num_people, male_present), as the older program left them.
ROWS: dict[str, tuple[int, str | None, int | None, int | None]] = {
    "insta/ok/fine.jpg": (-1, "31", 1, 0),
    "insta/ok/two.jpg": (-1, "30,29", 2, 0),
    "insta/ok/crowd.jpg": (-7, None, None, None),
    "insta/ok/man.jpg": (-4, "35", 1, 1),
    "insta/ok/old.jpg": (-3, "80", 1, 0),
    "insta/ok/edge.jpg": (-1, "41", 1, 0),
    "insta/ok/nobody.jpg": (-8, None, 0, None),
    "insta/ok/unseen.jpg": (-2, None, None, None),
    "insta/ok/broken.jpg": (-6, None, None, None),
    "insta/no/fine.jpg": (-1, "31", 1, 0),
    "insta/no/unseen.jpg": (-2, None, None, None),
    "tinder/dudes/a.PNG": (-4, "25", 1, 1),
    "elsewhere/a.jpg": (-1, "25", 1, 0),
    "insta/ok/gone.jpg": (-1, "25", 1, 0),
}


@dataclass(frozen=True)
class Old:
    """The catalog and the folder that its paths lie in."""

    file: Path
    folder: Path


def picture(path: Path, seed: int) -> None:
    """A picture of one's own, as the older one's phones took them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (48, 64, 3)).astype(np.uint8)
    kind = "PNG" if path.suffix.lower() == ".png" else "JPEG"
    Image.fromarray(pixels).save(path, kind)


@pytest.fixture
def old(tmp_path: Path) -> Old:
    folder = tmp_path / "pictures"
    for seed, name in enumerate(ROWS):
        if "gone" not in name:
            picture(folder / name, seed)
    (folder / "insta/ok/broken.jpg").write_bytes(b"no picture at all")
    file = tmp_path / "pics.sqlite"
    with closing(sqlite3.connect(file)) as base, base:
        base.execute(
            "CREATE TABLE pics (path TEXT PRIMARY KEY, label INTEGER DEFAULT -2, "
            "invalid INTEGER DEFAULT 0, ages TEXT, num_people INTEGER, male_present INTEGER, "
            "baby_present INTEGER)"
        )
        base.executemany(
            "INSERT INTO pics (path, label, ages, num_people, male_present) VALUES (?,?,?,?,?)",
            [(str(folder / name), *row) for name, row in ROWS.items()],
        )
    return Old(file, folder)
