"""Projects that search a picture web of which one service is clean and the other is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tellapart import recipe
from tellapart.demo.listing import Entry, listing
from tellapart.demo.picture_web import PictureWeb
from tellapart.project import Project
from tellapart.settings import Settings

WORDS = ("apple", "boat", "star")
EACH = 60


@pytest.fixture(scope="module")
def web() -> Iterator[PictureWeb]:
    """Drawn pictures; of what the second service offers, two in five show another word."""
    with PictureWeb(WORDS, n=EACH, size=(64, 48), faults=False) as running:
        for number, word in enumerate(WORDS):
            other = WORDS[(number + 1) % len(WORDS)]
            strangers: list[Entry] = listing(other, WORDS, EACH, 7 + number, faults=False)
            offered = running.commons[word]
            for rank in range(EACH):
                if rank % 5 in (1, 3):
                    offered[rank] = strangers[rank]
                    running.entries[strangers[rank].path] = strangers[rank]
        yield running


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Backbone, engine and features: made once for all tests of this folder."""
    return tmp_path_factory.mktemp("cache")


Make = Callable[..., Project]


@pytest.fixture
def make(tmp_path: Path, shared_cache: Path, web: PictureWeb) -> Make:
    """Make a project that searches the web, in a home of its own; keywords go into the recipe."""

    def made(home: str = "home", **options: Any) -> Project:
        folder = tmp_path / home
        folder.mkdir(exist_ok=True)
        if not (folder / "cache").exists():
            (folder / "cache").symlink_to(shared_cache, target_is_directory=True)
        settings = Settings(
            home=folder,
            threads=2,
            openverse_url=web.openverse_url,
            commons_url=web.commons_url,
            allow_hosts=(web.host,),
            fetch_timeout=10,
        )
        asked = recipe.check({"name": "p", "classes": list(WORDS), **options})
        return Project.create(asked, settings)

    return made
