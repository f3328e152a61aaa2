"""Start the child that loads the bundles, before anything heavy is imported here."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tellapart.serving import wire
from tellapart.serving.options import Options

#: Where glibc gives memory back after every picture, a third of a decode is page faults (352 for
#: 384×512); what is larger than these 4 MB still goes back, so that memory stays flat. Threads of
#: BLAS would stay idle and forbid to fork.
_ENVIRONMENT = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(4 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(16 << 20),
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


@dataclass(eq=False)
class Child:
    """The process that forks workers, and the socket to speak with it."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    bundles: tuple[Path, ...]


def start(options: Options, bundles: Sequence[Path] | None = None) -> Child:
    """Begin to load `bundles` (default: those of the options) in a child, and return at once."""
    paths = tuple(options.bundles if bundles is None else bundles)
    ours, theirs = socket.socketpair()
    package_root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(p for p in (package_root, os.environ.get("PYTHONPATH", "")) if p)
    wanted = {
        "bundles": [str(Path(p).absolute()) for p in paths],
        "workers": options.workers,
        "threads": options.threads,
        "engine": options.engine,
        "precision": options.precision,
        "device": options.device,
        "max_batch": options.max_batch,
        "max_pixels": options.max_pixels,
    }
    with theirs:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            # -P: nothing is imported from the current folder, which may hold anything.
            [sys.executable, "-P", "-m", "tellapart.serving.worker", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
            env={**_ENVIRONMENT, **os.environ, "PYTHONPATH": path},
        )
    ours.sendall(b"".join(wire.pack(wanted)))
    return Child(process, ours, paths)
