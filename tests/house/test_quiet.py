"""Nothing reports home and nothing is written outside its place, watched from the kernel's side.

strace follows every process, so native libraries are seen as well as Python.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tellapart.demo.drawing import write_folder

_CREATES = re.compile(
    r"(?:^|\s)(?P<call>openat|open|creat|mkdirat|mkdir|renameat2|renameat|rename|linkat|link"
    r"|symlinkat|symlink)\("
)
_PATH = re.compile(r'"([^"]*)"')
_INET = re.compile(r"(connect|sendto|sendmsg|bind)\(.*AF_INET6?")
_ALLOWED = ("/dev/", "/proc/", "/sys/")


def _watch(
    command: list[str], work: Path, environment: dict[str, str]
) -> tuple[set[str], set[str]]:
    """Run `command` under strace; the paths written to and the network calls made."""
    trace = work / "trace"
    strace = ["strace", "-f", "-qq", "-s", "300", "-e", "trace=%network,%file", "-o", str(trace)]
    done = subprocess.run(
        [*strace, *command], cwd=work, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    written, network = set(), set()
    for line in trace.read_text(errors="replace").splitlines():
        if _INET.search(line):
            network.add(line)
        call = _CREATES.search(line)
        if call is None or " = -1 " in line:
            continue
        opens = call["call"].startswith("open")
        if opens and not re.search(r"O_WRONLY|O_RDWR|O_CREAT", line):
            continue
        written.add(str((work / _PATH.findall(line)[-1]).resolve()))
    trace.unlink()
    return {path for path in written if not path.startswith(_ALLOWED)}, network


@pytest.mark.slow
def test_no_socket_and_no_file_out_of_place(tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed: it shows what native libraries do")
    work, home, user = tmp_path / "work", tmp_path / "tellapart", tmp_path / "user"
    work.mkdir()
    user.mkdir()
    write_folder(tmp_path / "pictures", ["apple", "star", "house"], 16)
    picture = next((tmp_path / "pictures").rglob("*.jpg"))
    keep = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
    environment = {**keep, "TELLAPART_HOME": str(home), "HOME": str(user)}

    script = (
        "import sys, tellapart\n"
        "result = tellapart.train(sys.argv[1], out='out.zip')\n"
        "print(tellapart.Bundle.load(result.bundle).predict(sys.argv[2]).label)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "pictures"), str(picture)]
    written, network = _watch(command, work, environment)
    assert network == set()
    out = work / "out.zip"
    strays = {p for p in written if not p.startswith(str(home)) and not p.startswith(str(out))}
    beside = {str(work / f".out.zip.{end}") for end in ("probe", "partial")}
    assert sorted(strays - beside) == []
    assert list(user.iterdir()) == []

    for words in (["predict", str(picture)], ["verify"]):
        written, network = _watch([sys.executable, str(out), *words], work, environment)
        assert (written, network) == (set(), set())
    assert sorted(path.name for path in work.iterdir()) == ["out.zip"]
