"""The sockets that the server listens on: TCP, and a Unix socket for this machine's own user."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from tellapart.errors import InputError
from tellapart.serving.options import Options

_BACKLOG = 2048


class Listening:
    """Sockets that listen, so that no other server can take them while the models are loaded.

    Who connects before the server is ready waits for it.
    """

    def __init__(self, options: Options) -> None:
        """Raises `InputError` where an address cannot be had."""
        self.sockets: list[socket.socket] = []
        #: Where the server is found, such as `http://127.0.0.1:8080` and `unix:/run/x.sock`.
        self.addresses: list[str] = []
        self._file: tuple[Path, int] | None = None
        if options.port is None and options.socket is None:
            raise InputError(
                "The server has no address to listen on.",
                expected="a port, a socket, or both",
                do="Give --port or --socket.",
            )
        try:
            if options.port is not None:
                self._tcp(options.host, options.port)
            if options.socket is not None:
                self._unix(options.socket)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close what is still open; remove the Unix socket if it is still ours."""
        for one in self.sockets:
            with contextlib.suppress(OSError):
                one.close()
        if self._file is not None:
            path, inode = self._file
            with contextlib.suppress(OSError):
                if path.lstat().st_ino == inode:
                    path.unlink()

    def _tcp(self, host: str, port: int) -> None:
        try:
            infos = socket.getaddrinfo(
                host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
            for family, kind, protocol, _, place in dict.fromkeys(infos):
                bound = socket.socket(family, kind, protocol)
                self.sockets.append(bound)
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                bound.bind((place[0], port, *place[2:]))
                bound.listen(_BACKLOG)
                bound.setblocking(False)
                port = bound.getsockname()[1]  # any free one, but the same for all addresses
        except (OSError, UnicodeError) as error:
            busy = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
            raise InputError(
                f"The address {host!r}, port {port}, cannot be listened on: {_why(error)}.",
                expected="an address of this machine and a free port",
                do="Stop the other program, or give another --port (0: any free one)."
                if busy
                else "Give another --host or --port.",
            ) from None
        shown = f"[{host}]" if ":" in host else host or "0.0.0.0"  # noqa: S104 - what was asked
        self.addresses.append(f"http://{shown}:{port}")

    def _unix(self, path: Path) -> None:
        with _alone(path.parent):
            self._bind(path)

    def _bind(self, path: Path) -> None:
        _clear(path)
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sockets.append(bound)
        # Nobody else may connect, not even between two calls.
        before = os.umask(0o177)
        try:
            bound.bind(str(path))
            bound.listen(_BACKLOG)
        except OSError as error:
            raise InputError(
                f"The socket {str(path)!r} cannot be made: {_why(error)}.",
                expected="a path of at most 107 bytes in a folder that can be written to",
                do="Give another --socket.",
            ) from None
        finally:
            os.umask(before)
        bound.setblocking(False)
        self._file = path, path.lstat().st_ino
        self.addresses.append(f"unix:{path}")


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One server at a time makes its socket in `folder`.

    One that is bound and does not listen yet looks like one that was left behind.
    """
    import fcntl  # where there is none, there are no such sockets

    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # what is wrong is said when the socket is made
            descriptor = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


def _clear(path: Path) -> None:
    """Remove a socket that nobody answers at. Raises `InputError` where somebody does."""
    try:
        found = path.lstat()
    except OSError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise InputError(
            f"There is something else at {str(path)!r}.",
            expected="no file, or a socket that a server left behind",
            do="Remove it, or give another --socket.",
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
            return
        except OSError:
            pass  # it answers too slowly, or may not be asked: somebody's all the same
    raise InputError(
        f"Another server answers at {str(path)!r}.",
        expected="a path of this server's own",
        do="Stop the other one, or give another --socket.",
    )


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
