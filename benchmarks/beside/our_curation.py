"""Our curation of a folder, from files to findings: `python our_curation.py FOLDER HOME FEATURES`.

FEATURES is `true` or `false`, as `curate.features` in a recipe.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tellapart.project import Project
from tellapart.recipe import check
from tellapart.settings import Settings

if __name__ == "__main__":
    folder, home, features = sys.argv[1:]
    asked = {"name": "planted", "data": folder, "curate": {"features": features == "true"}}
    project = Project.create(check(asked), Settings(home=Path(home)))
    project.collect()
    project.curate()
