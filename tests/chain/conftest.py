"""The real command line in processes of its own, each with a home of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tellapart.demo.drawing import write_folder
from tellapart.demo.picture_web import PictureWeb
from tellapart.learn.backbone import embedded


@dataclass(frozen=True)
class Done:
    """What a command left: exit code, output, and its last line as JSON."""

    code: int
    out: str
    err: str

    @property
    def shape(self) -> dict[str, Any]:
        shape: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return shape

    @property
    def bundle(self) -> Path:
        assert self.code == 0, self.err
        return Path(self.shape["bundle"])

    @property
    def members(self) -> dict[str, bytes]:
        """The files of the bundle."""
        with zipfile.ZipFile(self.bundle) as archive:
            return {name: archive.read(name) for name in archive.namelist()}

    def failed(self, code: int, word: str) -> dict[str, str]:
        """The three-part error: asserted in both forms, returned by its parts."""
        assert self.code == code, (self.code, self.out, self.err)
        error: dict[str, str] = self.shape["error"]
        assert error["code"] == word
        for part in ("what", "expected", "do"):
            assert error[part].strip(), error
            assert error[part].splitlines()[0] in self.err
        assert "Traceback" not in self.err
        return error


@dataclass
class Place:
    """A home and the environment in which commands are run there."""

    home: Path
    extra: dict[str, str] = field(default_factory=dict)
    #: What runs the command, where not this process itself.
    prefix: tuple[str, ...] = ()

    @property
    def environment(self) -> dict[str, str]:
        bare = {k: v for k, v in os.environ.items() if not k.startswith("TELLAPART_")}
        return {**bare, "TELLAPART_HOME": str(self.home), **self.extra}

    def command(self, *argv: str) -> list[str]:
        return [*self.prefix, sys.executable, "-m", "tellapart", *argv, "--json"]

    def start(self, *argv: str, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*argv),
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def run(self, *argv: str, **options: Any) -> Done:
        process = self.start(*argv, **options)
        try:
            out, err = process.communicate(timeout=240)
        finally:
            process.kill()
        return Done(process.returncode, out, err)

    def pictures(self, name: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads(self.run("show", name, "--pictures").out)
        return rows


@pytest.fixture(scope="session")
def warm_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that holds the backbone's graph: building it takes a second."""
    folder = tmp_path_factory.mktemp("warm") / "cache"
    embedded(folder)
    return folder


@pytest.fixture
def place(tmp_path: Path, warm_cache: Path) -> Callable[..., Place]:
    """Makes a home, by name, with the backbone at hand."""

    def make(name: str = "home", web: PictureWeb | None = None, **extra: str) -> Place:
        home = tmp_path / name
        if not home.exists():
            shutil.copytree(warm_cache, home / "cache")
        return Place(home, {**({} if web is None else _searching(web)), **extra})

    return make


def _searching(web: PictureWeb) -> dict[str, str]:
    return {
        "TELLAPART_OPENVERSE_URL": web.openverse_url,
        "TELLAPART_COMMONS_URL": web.commons_url,
        "TELLAPART_ALLOW_HOSTS": web.host,
    }


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of twelve drawn pictures; not to be changed."""
    return write_folder(tmp_path_factory.mktemp("drawn") / "things", ["apple", "car"], 12)
