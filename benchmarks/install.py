"""A clean environment with the wheel's base install: its size, and that it works without torch.

The wheel is built from this checkout; `train FOLDER` runs on pictures drawn by the project.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import HERE, main, timed

ROOT = HERE.parent


def installed_bytes(folder: Path) -> int:
    """Bytes of all files below `folder`, links not followed."""
    return sum(p.lstat().st_size for p in folder.rglob("*") if not p.is_dir())


def build(out: Path) -> tuple[Path, Path]:
    """Wheel and source distribution of this checkout."""
    timed([sys.executable, "-m", "build", "--outdir", str(out), str(ROOT)])
    return next(out.glob("*.whl")), next(out.glob("*.tar.gz"))


def install(package: Path, folder: Path) -> Path:
    """A new virtual environment with `package` and its base requirements; its interpreter."""
    timed([sys.executable, "-m", "venv", str(folder)])
    python = folder / "bin" / "python"
    constraints = ROOT / "constraints.txt"
    timed([str(python), "-m", "pip", "-q", "install", "-c", str(constraints), str(package)])
    return python


def work(python: Path, temporary: Path) -> dict[str, Any]:
    """Draw a folder, train on it, predict and verify with the bundle alone."""
    keep = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    environment = {**keep, "TELLAPART_HOME": str(temporary / "home")}
    temporary.mkdir()
    pictures = temporary / "pictures"
    draw = (
        "import pathlib, sys; from tellapart.demo.drawing import write_folder; "
        "write_folder(pathlib.Path(sys.argv[1]), ['apple', 'star', 'house'], 24)"
    )
    timed([str(python), "-c", draw, str(pictures)], env=environment, cwd=temporary)
    command = [str(python.parent / "tellapart"), "train", str(pictures), "--json", "--quiet"]
    seconds, done = timed(command, env=environment, cwd=temporary)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    picture = next(pictures.rglob("*.jpg"))
    timed([str(python), result["bundle"], "verify"], cwd=temporary)
    timed([str(python), result["bundle"], "predict", str(picture)], cwd=temporary)
    torch = subprocess.run([str(python), "-c", "import torch"], capture_output=True, check=False)
    return {
        "train_s": round(seconds, 2),
        "accuracy": result["metrics"]["accuracy"],
        "torch_importable": torch.returncode == 0,
    }


def run(data: Path, small: bool) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        wheel, sdist = build(place / "dist")
        figures: dict[str, Any] = {
            "wheel_kb": round(wheel.stat().st_size / 1e3),
            "sdist_kb": round(sdist.stat().st_size / 1e3),
        }
        for package in (wheel,) if small else (wheel, sdist):
            environment = place / f"env-{package.suffix[1:]}"
            python = install(package, environment)
            kind = "wheel" if package is wheel else "sdist"
            figures[kind] = {
                "installed_mb": round(installed_bytes(environment) / 1e6, 1),
                **work(python, place / f"work-{kind}"),
            }
    return figures


if __name__ == "__main__":
    main(run)
