"""Projects of small drawn pictures, made without a look through the backbone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tellapart import recipe
from tellapart.project import Project
from tellapart.settings import Settings


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Project]:
    """Make a project of a folder; keyword arguments go into the recipe."""
    settings = Settings(home=tmp_path / "home", threads=2)

    def make(folder: Path, **options: Any) -> Project:
        curate = {"features": False, **options.pop("curate", {})}
        asked = recipe.check({"name": "many", "data": str(folder), "curate": curate, **options})
        return Project.create(asked, settings)

    return make
