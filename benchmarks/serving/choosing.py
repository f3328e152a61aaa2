"""The variant that `tellapart benchmark --apply` chooses on this machine, in a home of its own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from benchmarks import tellapart, timed
from benchmarks.serving.bare import How
from benchmarks.serving.material import Material


def chosen_home(material: Material) -> Path:
    """A TELLAPART_HOME in which the measured choice is applied; measured once, then kept."""
    home = material.folder / "chosen"
    told = home / "told.json"
    if not told.exists():
        home.mkdir(exist_ok=True)
        # Of the folder that it learned from the training pictures are left out.
        words = tellapart("benchmark", str(material.bundle), "--apply", "--json", "--quiet")
        words += ["--pictures", str(material.learned)]
        _, done = timed(words, env={**os.environ, "TELLAPART_HOME": str(home)})
        told.write_text(done.stdout.splitlines()[-1])
    return home


def told(home: Path) -> dict[str, Any]:
    """What the command said: the choice and its figures."""
    found: dict[str, Any] = json.loads((home / "told.json").read_text())
    return found


def how(material: Material, home: Path | None) -> How:
    """What a worker runs: the choice applied in `home`, else what serves without one."""
    from tellapart.bundle.archive import open_archive
    from tellapart.bundle.manifest import sha256
    from tellapart.bundle.predictor import read_model
    from tellapart.serving import variant
    from tellapart.serving.options import cores
    from tellapart.settings import Settings

    with open_archive(material.bundle) as archive:
        manifest, model = read_model(archive)
    found = variant.choice(manifest, sha256(model), Settings(home=home or material.home))
    return How(
        engine=found.engine,
        precision=found.precision,
        int8=found.int8,
        threads=found.threads,
        processes=found.workers or cores(),
    )
