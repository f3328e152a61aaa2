"""What pages and downloads have made of a project: it goes with the project.

Small pictures and files copied out of bundles lie in the cache by content, whoever's they are, so
they go only where no other project names that content.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tellapart.bundle.write import file_sha256
from tellapart.catalog import Catalog
from tellapart.runtime.desk import thumbs

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from tellapart.project import Project


@dataclass(frozen=True)
class Traces:
    """Contents that a project names: of its pictures, of its bundles (SHA-256)."""

    pictures: frozenset[str]
    bundles: frozenset[str]

    @classmethod
    def of(cls, project: Project) -> Traces:
        """To be asked before the project is deleted."""
        files = [project.folder / "versions" / one.file for one in project.versions()]
        return cls(
            frozenset(row.sha256 for row in project.pictures() if row.sha256),
            frozenset(file_sha256(file) for file in files if file.is_file()),
        )

    def drop(self, project: Project, engine: Engine) -> None:
        """Remove them from the cache of the settings of `project`, which is deleted by now."""
        cache = project.settings.cache_dir
        for sha256 in self.pictures - Catalog.shas(engine):
            for file in thumbs.of(cache, sha256):
                file.unlink(missing_ok=True)
        for digest in self.bundles:  # another's of the same bytes is only copied out again
            shutil.rmtree(cache / "members" / digest[:32], ignore_errors=True)
