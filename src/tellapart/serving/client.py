"""Ask the resident server what a picture is, with the standard library alone.

`tellapart compute` must answer within 100 ms from the start of its process, so that nothing
heavy may be imported here: `pathlib` and `http.client` cost more than the answer does.
"""

# ruff: noqa: PTH102, PTH112, PTH117, PTH118

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import threading
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from tellapart.errors import FetchError, InputError, NotFoundError, PictureError, TellapartError

PORT = 8080
#: No picture is larger (`images.MAX_BYTES`), and no answer without a map is.
_LARGEST_PICTURE, _LARGEST_ANSWER = 512 * 2**20, 16 * 2**20
#: Where machines without `XDG_RUNTIME_DIR` have the socket's folder.
_SHARED = "/tmp"  # noqa: S108 - what is in it is checked to be ours
_T = TypeVar("_T")


class Server(NamedTuple):
    """Where a server listens: at a Unix socket, or where `host` is given at its `port`."""

    socket: str = ""
    host: str = ""
    port: int = PORT

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if host else self.socket


def default_socket(*, make: bool = False) -> str:
    """The Unix socket of the resident server, for it and for its clients.

    `tellapart.sock` in `$XDG_RUNTIME_DIR`, else in a private folder below /tmp. A server says
    `make`: that folder is then made, mode 0700. Raises `InputError` where it belongs to somebody
    else or others may use it: whoever listens there would be given the pictures.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(runtime) and os.path.isdir(runtime):
        return os.path.join(runtime, "tellapart.sock")
    folder = f"{_SHARED}/tellapart-{os.getuid()}"
    if make:
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)
    with contextlib.suppress(FileNotFoundError):
        found = os.lstat(folder)
        private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
        if found.st_uid != os.getuid() or not private:
            raise InputError(
                f"The folder of the local socket, {folder!r}, is not private to you.",
                expected="a folder of yours with mode 0700",
                do="Set XDG_RUNTIME_DIR to a folder of your own, or give --socket PATH.",
            )
    return os.path.join(folder, "tellapart.sock")


def read_picture(path: str) -> bytes:
    """A file's bytes; `-`: those of standard input.

    Raises `NotFoundError` where there is no such file, `PictureError` where it cannot be read.
    """
    here = path == "-"
    try:
        with open(0 if here else path, "rb", closefd=not here) as stream:
            data = stream.read(_LARGEST_PICTURE + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFoundError(
            f"There is no file {path!r}.",
            expected="the path of a picture",
            do="Check the path.",
        ) from None
    except OSError as error:
        raise PictureError(
            f"The file {path!r} cannot be read: {error.strerror or error}.",
            expected="the path of a picture that you may read",
            do="Check the path and its permissions.",
        ) from None
    if not 0 < len(data) <= _LARGEST_PICTURE:
        size = f"larger than {_LARGEST_PICTURE:,} bytes" if data else "empty"
        raise PictureError(
            f"The file {path!r} is {size}.",
            expected="a picture",
            do="Check the path.",
            reason="too_large" if data else "empty",
        )
    return data


def ask(picture: bytes, server: Server, *, model: str = "", token: str = "") -> list[float]:
    """Probabilities of a picture (a file's bytes), in the order of the model's labels.

    `model`: by default the server's own default. `token`: the bearer token of a server that asks
    for one. Raises `FetchError` (its `reason` is `no_server` where nothing listens),
    `PictureError` where the picture cannot be analyzed, and else what the server said.
    """
    status, body = _exchange(_request(picture, server, model, token), server)
    try:
        answer = json.loads(body)
        if status == 200:
            return [float(answer["probabilities"][label]) for label in answer["probabilities"]]
        raise _refusal(status, answer["error"])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise FetchError(
            f"The server at {str(server)!r} answered {status} with {body[:80]!r}.",
            expected="probabilities by label, or an error with what, expected and do",
            do="Check that `tellapart serve` listens there, and its log.",
        ) from None


def within(seconds: float, call: Callable[[], _T]) -> _T:
    """What `call` returns or raises; `FetchError` where it is not done in time.

    It runs in a thread that is then left behind: no other way ends a look-up of a name, or the
    reading of a file from a share that does not answer.
    """
    done: list[_T] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            done.append(call())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not done:
        raise FetchError(
            f"There was no answer within {seconds:g} seconds.",
            expected="an answer in time",
            do="See whether the server is overloaded, or give a longer --timeout.",
            reason="timeout",
        )
    return done[0]


def _request(picture: bytes, server: Server, model: str, token: str) -> bytes:
    query = "?model=" + "".join(f"%{byte:02X}" for byte in os.fsencode(model)) if model else ""
    lines = [
        f"POST /predict{query} HTTP/1.1",
        f"Host: {str(server) if server.host else 'localhost'}",
        "Content-Type: application/octet-stream",
        f"Content-Length: {len(picture)}",
        "Connection: close",
        *([f"Authorization: Bearer {token}"] if token else ()),
    ]
    if any(character in line for line in lines for character in "\r\n"):
        raise InputError(
            "The host or the token holds a line break.",
            expected="one line",
            do="Remove the line break.",
        )
    return os.fsencode("\r\n".join([*lines, "", ""])) + picture


def _exchange(request: bytes, server: Server) -> tuple[int, bytes]:
    """The answer's status and body."""
    with _connect(server) as channel:
        try:
            # A server that refuses may answer and hang up before it has read everything.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                channel.sendall(request)
            data = _received(channel)
        except OSError as error:
            raise _broken(server, error.strerror or str(error)) from None
    head, gap, body = data.partition(b"\r\n\r\n")
    first, *headers = head.split(b"\r\n")
    words = first.split(b" ", 2)
    if not gap or len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        raise _broken(server, "the connection ended without an answer")
    named = {name.strip().lower(): value.strip() for name, _, value in _parted(headers)}
    if named.get(b"transfer-encoding", b"").lower() == b"chunked":
        try:
            body = _unchunked(body)
        except ValueError:
            raise _broken(server, "its end is missing") from None
    return int(words[1]), body


def _parted(headers: list[bytes]) -> list[tuple[bytes, bytes, bytes]]:
    return [line.partition(b":") for line in headers]


def _connect(server: Server) -> socket.socket:
    try:
        if server.host:
            return socket.create_connection((server.host, server.port))
        channel = socket.socket(socket.AF_UNIX)
        try:
            channel.connect(server.socket)
        except BaseException:
            channel.close()
            raise
        return channel
    except (OSError, ValueError, OverflowError) as error:  # a name, a port that cannot be
        raise FetchError(
            f"No server answers at {str(server)!r}: {getattr(error, 'strerror', 0) or error}.",
            expected="a running `tellapart serve`",
            do="Start one: `tellapart serve BUNDLE`, or `tellapart service install BUNDLE`.",
            reason="no_server",
        ) from None


def _received(channel: socket.socket) -> bytes:
    parts, size = [], 0
    with contextlib.suppress(ConnectionResetError):  # what came before it may be a whole answer
        while (part := channel.recv(65536)) and size < _LARGEST_ANSWER:
            parts.append(part)
            size += len(part)
    return b"".join(parts)


def _unchunked(body: bytes) -> bytes:
    """The body out of its chunks. Raises `ValueError` where they are cut off or damaged."""
    whole: list[bytes] = []
    while True:
        size, _, body = body.partition(b"\r\n")
        digits = size.split(b";")[0].strip()
        if not digits.isalnum():
            raise ValueError(digits)
        length = int(digits, 16)
        if length > len(body):
            raise ValueError(length)
        if not length:
            return b"".join(whole)
        whole.append(body[:length])
        body = body[length + 2 :]


def _broken(server: Server, why: str) -> FetchError:
    return FetchError(
        f"The server at {str(server)!r} gave no answer: {why}.",
        expected="an answer",
        do="Ask again; see the server's log if it stays so.",
    )


def _refusal(status: int, error: dict[str, Any]) -> TellapartError:
    """What the server said, as the error that it raised there."""
    kinds: dict[str, type[TellapartError]] = {"picture": PictureError, "input": InputError}
    # Too large, or of a type that it does not take: there is no other picture to be had.
    kind = PictureError if status in (413, 415) else kinds.get(error["code"], TellapartError)
    return kind(str(error["what"]), expected=str(error["expected"]), do=str(error["do"]))
