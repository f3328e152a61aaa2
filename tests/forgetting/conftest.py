"""A home in which everything has happened once: made by the benchmark, copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.forgetting import NAME, WORDS, House
from benchmarks.forgetting import full as made
from tellapart.demo.picture_web import PictureWeb

__all__ = ["NAME", "House"]


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Made once by a real worker; its picture web stays."""
    with PictureWeb(WORDS, n=24, size=(64, 48), faults=False) as web:
        yield made(tmp_path_factory.mktemp("full") / "home", web)


@pytest.fixture
def house(full: House, tmp_path: Path) -> House:
    """A copy, to forget things in."""
    home = tmp_path / "home"
    shutil.copytree(full.settings.home, home)
    return replace(full, settings=replace(full.settings, home=home))
