"""Where the resident server listens, and how a client asks it: with the standard library alone.

`tellapart compute` must answer within 100 ms from the start of its process, so that nothing
heavy may be imported here, `pathlib` and `http.client` included.
"""

# ruff: noqa: PTH - see above

from __future__ import annotations

import contextlib
import os
import stat

from tellapart.errors import RefusedError


def default_socket(*, make: bool = False) -> str:
    """The Unix socket of the resident server, for it and for its clients.

    `tellapart.sock` in `$XDG_RUNTIME_DIR`, else in a private folder below /tmp. A server says
    `make`: the folder is then made, mode 0700. Raises `RefusedError` where that folder belongs
    to somebody else or others may write to it: whoever placed it would get the pictures.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(runtime) and os.path.isdir(runtime):
        return os.path.join(runtime, "tellapart.sock")
    folder = f"/tmp/tellapart-{os.getuid()}"  # noqa: S108 - checked to be ours below
    if make:
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)
    try:
        found = os.lstat(folder)
    except FileNotFoundError:
        return os.path.join(folder, "tellapart.sock")
    private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
    if found.st_uid != os.getuid() or not private:
        raise RefusedError(
            f"The folder of the local socket, {folder!r}, is not private to you.",
            expected="a folder of yours with mode 0700",
            do="Set XDG_RUNTIME_DIR to a folder of your own, or give --socket PATH.",
        )
    return os.path.join(folder, "tellapart.sock")
