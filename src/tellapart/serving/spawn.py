"""Start the process that loads the bundles, before anything heavy is imported here."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tellapart.serving.options import Options

#: Where glibc gives memory back after every picture, a third of a decode is page faults (352 for
#: 384×512); what is larger than these 4 MB still goes back, so that memory stays flat.
MEMORY = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(4 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(16 << 20),
}
#: Threads of BLAS would have nothing to do, and a process with threads had better not fork.
_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
}


class Child:
    """The process that forks workers, and the socket to speak with it."""

    def __init__(self, process: subprocess.Popen[bytes], control: socket.socket) -> None:
        self.process = process
        self.control = control
        #: What it was asked to load.
        self.bundles: tuple[Path, ...] = ()


def begin() -> Child:
    """Start the process: it imports what it needs, and waits for what to load.

    Closing `control` ends it.
    """
    ours, theirs = socket.socketpair()
    package_root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(p for p in (package_root, os.environ.get("PYTHONPATH", "")) if p)
    with theirs:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            # -P: nothing is imported from the current folder, which may hold anything.
            [sys.executable, "-P", "-m", "tellapart.serving.worker", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
            env={**MEMORY, **os.environ, **_ONE_THREAD, "PYTHONPATH": path},
        )
    return Child(process, ours)


def start(
    options: Options, bundles: Sequence[Path] | None = None, begun: Child | None = None
) -> Child:
    """Have `bundles` (default: those of the options) loaded, and return at once.

    `begun`: what `begin` gave, where the process was started before the options were known.
    """
    from tellapart.serving import wire

    child = begun or begin()
    child.bundles = tuple(options.bundles if bundles is None else bundles)
    wanted = {
        "bundles": [str(Path(path).absolute()) for path in child.bundles],
        "workers": options.workers,
        "threads": options.threads,
        "engine": options.engine,
        "precision": options.precision,
        "device": options.device,
        "max_batch": options.max_batch,
        "max_pixels": options.max_pixels,
    }
    with contextlib.suppress(OSError):  # where it died, whoever waits for it is told
        child.control.sendall(wire.pack_note(wanted))
    return child
