"""A run that is recorded, and the same run from its cassette: the bundles' bytes, and no network.

The recorded run meets the picture web with its planted faults. Then the web is stopped, and the
whole chain is walked again in an empty home: in a network namespace of its own, which has not even
a loopback, or, where the system allows none, with sockets that refuse to connect and say so.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks import main, tellapart, timed
from tellapart.demo.picture_web import PictureWeb

_WORDS = ("apple", "banana", "boat", "car", "fish", "house", "star", "tree")
#: Run instead of a network namespace: any connection ends the process that tries it.
_REFUSING = """
import os, socket
def refuse(*_, **__):
    os.write(2, b"a connection was tried")
    os._exit(99)
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
"""


def _alone() -> list[str]:
    """What a command is run through to be without network; empty where there is no such thing."""
    for words in (["unshare", "-n"], ["unshare", "-rn"]):
        if shutil.which("unshare") and not subprocess.run([*words, "true"], check=False).returncode:
            return words
    return []


def _rows(home: Path) -> list[tuple[str, ...]]:
    """The ledger but for times, sorted."""
    import sqlite3

    connection = sqlite3.connect(f"file:{home / 'tellapart.sqlite'}?mode=ro", uri=True)
    try:
        columns = "id, label, source, query, rank, status, reason, sha256, file_url, license"
        return sorted(connection.execute(f"SELECT {columns} FROM pictures"))
    finally:
        connection.close()


def _make(
    home: Path, per_class: int, environment: dict[str, str], through: list[str], *more: str
) -> dict[str, Any]:
    command = tellapart("make", *_WORDS, "--name", "tape", "--per-class", str(per_class))
    whole = {**os.environ, "TELLAPART_HOME": str(home), **environment}
    seconds, done = timed([*through, *command, "--quiet", "--json", *more], env=whole)
    result = json.loads(done.stdout.splitlines()[-1])
    bundle = Path(result["bundle"]).read_bytes()
    return {
        "pictures": result["pictures"]["found"],
        "bundle_mb": round(len(bundle) / 1e6, 3),
        "sha256": hashlib.sha256(bundle).hexdigest(),
        "seconds": round(seconds, 1),
        "collect_seconds": result["seconds"]["collect"],
    }


def _replay(
    folder: Path, per_class: int, environment: dict[str, str], tape: Path
) -> tuple[str, dict[str, Any]]:
    """The replayed run, and how it was kept from the network."""
    through = _alone()
    if not through:
        (folder / "sitecustomize.py").write_text(_REFUSING)
        environment = {**environment, "PYTHONPATH": str(folder)}
    how = "network namespace without loopback" if through else "sockets that refuse"
    found = _make(folder / "b", per_class, environment, through, "--replay", str(tape))
    return how, found


def run(data: Path, small: bool) -> dict[str, Any]:
    per_class = 6 if small else 250
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        tape = folder / "tape"
        web = PictureWeb(_WORDS, n=per_class + per_class // 8, size=(160, 120), big=30_000_000)
        with web:
            environment = {
                "TELLAPART_OPENVERSE_URL": web.openverse_url,
                "TELLAPART_COMMONS_URL": web.commons_url,
                "TELLAPART_ALLOW_HOSTS": web.host,
            }
            recorded = _make(folder / "a", per_class, environment, [], "--record", str(tape))
            asked = sum(web.requests.values())
        how, replayed = _replay(folder, per_class, environment, tape)
        size = sum(path.stat().st_size for path in tape.rglob("*") if path.is_file())
        rows = _rows(folder / "a")
        return {
            "pictures": recorded["pictures"],
            "rows": len(rows),
            "statuses": dict(Counter(row[5] for row in rows)),
            "same_bundle": recorded["sha256"] == replayed["sha256"],
            "same_ledger": rows == _rows(folder / "b"),
            "kept_from_the_network_by": how,
            "requests_recorded": asked,
            "requests_replayed": sum(web.requests.values()) - asked,
            "cassette_mb": round(size / 1e6, 2),
            "recorded": recorded,
            "replayed": replayed,
        }


if __name__ == "__main__":
    main(run)
