"""The program inside every bundle: the very modules that predict and verify here."""

from __future__ import annotations

from importlib.resources import files

#: Copied as they are. They import one another, the standard library, numpy, Pillow and
#: onnxruntime, and nothing else.
MODULES = (
    "errors.py",
    "telemetry.py",
    "images.py",
    "bundle/__init__.py",
    "bundle/archive.py",
    "bundle/manifest.py",
    "bundle/overlay.py",
    "bundle/predictor.py",
    "bundle/run.py",
    "bundle/verify.py",
)

_MAIN = '''"""python NAME.zip predict PICTURE… | verify"""

import sys
from pathlib import Path

# Unpacked, the bundle must stay as its sums describe it.
sys.dont_write_bytecode = True

from tellapart.bundle.run import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(Path(__file__).parent))
'''

_ROOT = '''"""The part of Tellapart that this bundle needs to run by itself."""
'''


def runtime_files() -> dict[str, bytes]:
    """The program's files by their name in the zip: `__main__.py` and the package it needs."""
    root = files("tellapart")
    found = {f"tellapart/{name}": root.joinpath(name).read_bytes() for name in MODULES}
    return {"__main__.py": _MAIN.encode(), "tellapart/__init__.py": _ROOT.encode(), **found}
