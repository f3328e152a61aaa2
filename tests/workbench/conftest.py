"""A project with faults that were planted, on drawn pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from tellapart import recipe
from tellapart.demo.drawing import draw, draw_card, write_folder
from tellapart.project import Project
from tellapart.settings import Settings

#: Of each class; cards among the apples; copies of one banana.
EACH, CARDS = 20, 14


def plant(folder: Path) -> Path:
    """Apples with text cards among them, bananas with one small copy, cups in a red frame."""
    write_folder(folder, ("apple", "banana", "cup"), EACH)
    for n in range(CARDS):
        card = draw_card(f"Logo {n}", n)
        card.save(folder / "apple" / f"logo-{n:02d}.jpg", quality=88)
    for path in sorted((folder / "cup").iterdir()):
        with Image.open(path) as picture:
            framed = ImageOps.expand(picture.convert("RGB"), border=14, fill=(180, 20, 20))
        framed.resize((320, 240)).save(path, quality=88)
    copy = draw("banana", 0)
    copy.resize((200, 150)).save(folder / "banana" / "banana-small.jpg", quality=80)
    return folder


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The project, curated; tests leave it as they found it."""
    home = tmp_path_factory.mktemp("workbench") / "home"
    settings = Settings(home=home, threads=2)
    folder = plant(tmp_path_factory.mktemp("planted"))
    asked = recipe.check({"name": "planted", "data": str(folder)})
    with Project.create(asked, settings) as project:
        project.collect()
        project.curate()
        yield project
