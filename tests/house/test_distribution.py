"""Wheel and source distribution are built, the wheel is used in a clean environment."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest

from benchmarks.install import build, install, installed_bytes, work


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return build(tmp_path_factory.mktemp("dist"))


def test_both_carry_what_the_program_needs(distributions: tuple[Path, Path]) -> None:
    wheel, sdist = distributions
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    with tarfile.open(sdist) as archive:
        sources = {name.split("/", 1)[-1] for name in archive.getnames()}
    for needed in (
        "py.typed",
        "store/migrations/env.py",
        "store/migrations/versions/r0006_runs.py",
        "bundle/predictor.py",
        "web/assets/app.css",
        "web/assets/app.js",
        "mail/templates/success.html.j2",
    ):
        assert f"tellapart/{needed}" in names
        assert f"src/tellapart/{needed}" in sources
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any(name.startswith(("tests/", "benchmarks/")) for name in names)


@pytest.mark.slow
def test_a_clean_environment_trains_without_torch(
    distributions: tuple[Path, Path], tmp_path: Path
) -> None:
    wheel, _ = distributions  # built from the source distribution, not from the checkout
    python = install(wheel, tmp_path / "env")
    assert installed_bytes(tmp_path / "env") < 1e9
    figures = work(python, tmp_path / "work")
    assert figures["torch_importable"] is False
    assert figures["accuracy"] > 0.6
