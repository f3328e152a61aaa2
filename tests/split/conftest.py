"""Projects of drawn pictures, for the steps as they really run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tellapart import recipe
from tellapart.project import Project
from tellapart.settings import Settings


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Backbone, engine and features: made once for all tests of this folder."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def project(tmp_path: Path, shared_cache: Path) -> Callable[..., Project]:
    """Make a project of a folder and collect it; keyword arguments go into the recipe."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "cache").symlink_to(shared_cache, target_is_directory=True)
    settings = Settings(home=home, threads=2)

    def make(folder: Path, **options: Any) -> Project:
        asked = recipe.check({"name": "drawn", "data": str(folder), **options})
        made = Project.create(asked, settings)
        made.collect()
        return made

    return make
