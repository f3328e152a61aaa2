"""The commands in docs/rest.md and docs/phone.md, run as they stand against the whole app."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import get_args

import pytest

from benchmarks.running_app import running
from tellapart.demo.drawing import write_folder
from tellapart.runtime.desk.shapes import FileKind

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"


#: The phone's download, broken off after 1,000 bytes; and one whose file has become another since.
_CUT = """
head -c 1000 fruits.zip > cut.zip; cp model.zip.etag cut.zip.etag
get "$FILE" cut.zip; cmp cut.zip fruits.zip
head -c 1000 model.onnx > other.zip; echo '"other"' > other.zip.etag
get "$FILE" other.zip; cmp other.zip fruits.zip
"""


def _commands(name: str) -> str:
    text = (DOCS / name).read_text(encoding="utf-8")
    return "\n".join(re.findall(r"^```sh\n(.*?)^```$", text, flags=re.M | re.S))


@pytest.mark.slow
def test_the_commands_do_what_they_say(tmp_path: Path) -> None:
    if not all(map(shutil.which, ("bash", "curl", "base64"))):
        pytest.skip("needs bash, curl and base64")
    here = tmp_path / "here"
    pictures = write_folder(here / "drawn", ("apple", "boat"), 12)
    with zipfile.ZipFile(here / "pictures.zip", "w") as archive:
        for file in sorted(pictures.rglob("*.*")):
            label = {"boat": "pear"}.get(file.parent.name, file.parent.name)
            archive.write(file, f"{label}/{file.name}")
    shutil.copyfile(next(pictures.glob("apple/*")), here / "picture.jpg")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    commands = "\n".join((*map(_commands, ("rest.md", "phone.md")), _CUT))
    (here / "commands.sh").write_text(commands)
    with running(tmp_path / "home") as app:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "commands.sh"],
            stdin=subprocess.DEVNULL,
            cwd=here,
            env={**os.environ, "URL": app.url, "PATH": path},
            capture_output=True,
            text=True,
            timeout=900,
        )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    said = done.stdout.splitlines()
    assert "Did you mean 'quick'?" in said
    assert said.count("apple") >= 1 and "304" in said and "['cat', 'dog']" in said
    assert (here / "model.zip").read_bytes() == (here / "fruits.zip").read_bytes()
    events = (here / "events.txt").read_text()
    assert "event: end" in events and '"state":"done"' in events.replace(" ", "")


def test_every_kind_of_file_and_every_address_is_documented() -> None:
    text = (DOCS / "rest.md").read_text(encoding="utf-8")
    for kind in get_args(FileKind):
        assert f"`{kind}`" in text
    for name in ("old_quickml", "old_picaisso"):
        router = importlib.import_module(f"tellapart.rest.{name}").router
        paths = {route.path for route in router.routes if route.include_in_schema}
        assert paths and all(f"{path}" in text for path in paths)
