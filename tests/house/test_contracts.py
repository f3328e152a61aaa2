"""The import contracts hold, and each of them can fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
    "contracts"
]

#: For each contract, one import that must break it: (file, line).
OFFENCES = {
    "direction": ("errors.py", "import tellapart.catalog"),
    "steps": ("steps/split/__init__.py", "import tellapart.steps.curate"),
    "faces-through-desk": ("rest/app.py", "import tellapart.project"),
    "no-face-in-runtime": ("runtime/entrance.py", "import fastapi"),
    "plugins-by-name": ("registry.py", "import tellapart.plugins.sources.folder"),
    "plugins-see-doors": ("plugins/sources/folder.py", "import tellapart.catalog"),
    "serving-is-light": ("serving/__init__.py", "import tellapart.catalog"),
    "policy-is-pure": ("policy/deciding.py", "import tellapart.fetch"),
    "bundle-is-light": ("bundle/predictor.py", "import sklearn"),
    "no-torch": ("learn/head.py", "import torch"),
}


def _lint(folder: Path, *contracts: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command; lint_imports_command()",
        "--no-cache",
        *(word for name in contracts for word in ("--contract", name)),
    ]
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "src")},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(
        ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_all_contracts_hold(copy: Path) -> None:
    result = _lint(copy)
    assert result.returncode == 0, result.stdout
    assert f"{len(CONTRACTS)} kept, 0 broken" in result.stdout


def test_every_contract_has_an_offence() -> None:
    assert {contract["id"] for contract in CONTRACTS} == set(OFFENCES)


@pytest.mark.parametrize(
    ("name", "disguise"),
    [
        *((name, "plain") for name in sorted(OFFENCES)),
        ("direction", "lazy"),
        ("direction", "typing"),
    ],
)
def test_each_contract_is_broken_by_an_offence(copy: Path, name: str, disguise: str) -> None:
    file, line = OFFENCES[name]
    target = copy / "src" / "tellapart" / file
    body = {
        "plain": f"\n{line}\n",
        "lazy": f"\ndef _offend() -> None:\n    {line}\n",
        "typing": f"\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    {line}\n",
    }[disguise]
    target.write_text(target.read_text() + body)
    result = _lint(copy, name)
    assert result.returncode == 1, result.stdout
    assert "0 kept, 1 broken" in result.stdout


def test_a_room_without_a_place_breaks_the_direction(copy: Path) -> None:
    (copy / "src" / "tellapart" / "attic.py").write_text("")
    result = _lint(copy, "direction")
    assert result.returncode == 1, result.stdout
