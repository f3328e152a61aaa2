"""A project that is trained and makes mistakes, in the home of the shared app."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import tellapart
from benchmarks.crowded import crowd
from benchmarks.running_app import App
from tellapart.demo.drawing import draw
from tellapart.settings import Settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

#: Pictures of each class; the first ones of each lie in the other class's folder.
PICTURES, SWAPPED = 24, 5
WORDS = ("apple", "boat")
#: Pictures of the large project: several slices of the gallery.
MANY = 400
#: Milliseconds: a page may have to wait for a busy machine.
PATIENCE = 60_000


def until(true: Callable[[], bool], what: str) -> None:
    """Wait until it is true; `what` is said where it does not come."""
    end = time.monotonic() + PATIENCE / 1000
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def _folder(root: Path) -> Path:
    for word, other in zip(WORDS, reversed(WORDS), strict=True):
        (root / word).mkdir(parents=True)
        for seed in range(PICTURES):
            shown = other if seed < SWAPPED else word
            draw(shown, 100 + seed).save(root / word / f"{seed:02}.png")
        # The same file twice: a group of look-alikes.
        (root / word / "again.png").write_bytes((root / word / "20.png").read_bytes())
    return root


@pytest.fixture(scope="session")
def app_settings(own_app: App) -> Settings:
    """As the app in its own process reads them."""
    return replace(Settings(), home=own_app.home)


@pytest.fixture(scope="session")
def wrong(app_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a project whose labels are partly wrong, so that its model errs; trained once."""
    tellapart.train(
        _folder(tmp_path_factory.mktemp("pictures") / "wrong"),
        name="wrong",
        settings=app_settings,
        curate={"mislabelled": None, "off_topic": None},
    )
    return "wrong"


@pytest.fixture(scope="session")
def many(own_app: App) -> str:
    """The name of a project with more pictures than a page draws."""
    crowd(own_app.home, MANY, name="many")
    return "many"


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A window of a desktop, in which no script may fail."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    context.close()
    assert not faults
