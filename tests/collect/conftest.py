"""A project against the picture web, on a real database, for the tests of collect."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tellapart.catalog import Catalog, PictureRow
from tellapart.demo.picture_web import PictureWeb
from tellapart.recipe import asked, check
from tellapart.settings import Settings
from tellapart.steps import Progress, StepContext, open_context
from tellapart.steps import collect as collect_step
from tellapart.store.database import open_database

WORDS = ("apple", "boat", "star", "house", "fish", "sun")


class Bench:
    """Collects recipes into one home and looks at what came of it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.progress: list[Progress] = []

    def context(self, name: str = "p") -> StepContext:
        return open_context(self.settings, name, self.progress.append)

    def collect(self, name: str = "p", **recipe: Any) -> dict[str, Any]:
        """Make or change the project and run the step."""
        engine = open_database(self.settings)
        written = asked(check({"name": name, **recipe}))
        if name in Catalog.names(engine):
            Catalog.open(engine, name).save_recipe(written)
        else:
            Catalog.create(engine, name, written)
        return collect_step.run(self.context(name))

    def rows(self, name: str = "p", **conditions: Any) -> list[PictureRow]:
        return self.context(name).catalog.pictures(**conditions)

    def taken(self, name: str = "p") -> list[tuple[str, str, str]]:
        """What a bundle would be made of, without anything that tells how it came."""
        return sorted((r.label, r.sha256, r.id) for r in self.rows(name, status="ok"))


@pytest.fixture
def bench(home: Path) -> Bench:
    return Bench(Settings(home=home, fetch_timeout=10))


@pytest.fixture
def at(home: Path) -> Callable[[PictureWeb], Bench]:
    """A bench whose sources are the given picture web."""

    def make(web: PictureWeb, **settings: Any) -> Bench:
        base = Settings(
            home=home,
            openverse_url=web.openverse_url,
            commons_url=web.commons_url,
            allow_hosts=(web.host,),
            fetch_timeout=10,
            max_download_mb=10,
        )
        return Bench(replace(base, **settings))

    return make


@pytest.fixture
def web() -> Iterator[PictureWeb]:
    """Six words, 30 good pictures each, no faults."""
    with PictureWeb(WORDS, n=30, size=(64, 48), faults=False) as running:
        yield running


@pytest.fixture
def faulty_web() -> Iterator[PictureWeb]:
    with PictureWeb(WORDS[:2], n=24, size=(64, 48), big=12_000_000) as running:
        yield running


@pytest.fixture
def calm_web(faulty_web: PictureWeb) -> PictureWeb:
    """All faults but the one that has to be waited for."""
    faulty_web._was_busy.update(faulty_web.entries)
    return faulty_web
