"""Projects of tables, data sets by name and drawn pictures, run as far as the split."""

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
    """Make a project; keyword arguments go into the recipe, `settings` into the settings."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "cache").symlink_to(shared_cache, target_is_directory=True)

    def make(settings: dict[str, Any] | None = None, **options: Any) -> Project:
        asked = recipe.check({"name": "small", **options})
        return Project.create(asked, Settings(home=home, threads=2, **(settings or {})))

    return make


def run(project: Project) -> dict[str, dict[str, Any]]:
    """Collect, curate, split; what each said."""
    return {step: getattr(project, step)() for step in ("collect", "curate", "split")}
