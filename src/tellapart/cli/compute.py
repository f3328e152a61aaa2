"""`tellapart compute`: one line of probabilities a picture, from the resident server.

Answered without Typer, whose import alone takes longer than a server's answer.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import IO, NamedTuple

from tellapart.errors import FetchError, InputError, NotFoundError, PictureError, TellapartError
from tellapart.serving import client

#: What is printed in place of probabilities.
FAILED, MISSING, UNUSABLE, NO_SERVER = -1, -2, -3, -4
#: Options and what their value is called.
OPTIONS = {
    "--socket": "PATH",
    "--host": "NAME",
    "--port": "N",
    "--timeout": "SECONDS",
    "--model": "NAME",
    "--digits": "N",
}
#: What a day and more is for nobody; longer waits overflow the clock of some systems.
_LONGEST = 86400.0


class Asked(NamedTuple):
    """What one command asks for."""

    paths: tuple[str, ...]
    server: client.Server
    timeout: float = 10.0
    model: str = ""
    digits: int = 2


def wants_help(words: Sequence[str]) -> bool:
    """Whether the help is asked for, which Typer writes as for every verb."""
    options = words[: words.index("--")] if "--" in words else words
    return not words or "--help" in options or "-h" in options


def main(words: Sequence[str]) -> int:
    """Print an answer or a code for each path; 0 where all were answered, else 1.

    A command that cannot be understood prints `-1` too: whoever reads the output always finds a
    number there.
    """
    try:
        asked = read(words)
    except TellapartError as error:
        return failed(error)
    return compute(asked)


def compute(asked: Asked) -> int:
    """Print an answer or a code for each path; 0 where all were answered, else 1."""
    codes = [_one(path, asked) for path in asked.paths]
    return max(codes)


def read(words: Sequence[str]) -> Asked:
    """A command's words. Raises `InputError`."""
    given: dict[str, str] = {}
    paths: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        name, equals, value = word.partition("=")
        if word == "--":
            paths += left
            break
        if not word.startswith("-") or word == "-":
            paths.append(word)
        elif name not in OPTIONS:
            raise _unusable(f"There is no option {name!r}.", "one of " + ", ".join(OPTIONS))
        elif not equals and not left:
            raise _unusable(f"The option {name} has no value.", f"{name} {OPTIONS[name]}")
        else:
            given[name] = value if equals else left.pop(0)
    if not paths:
        raise _unusable("No picture is given.", "tellapart compute PATH…")
    return asked_for(
        paths,
        socket=given.get("--socket"),
        host=given.get("--host"),
        port=_number(given, "--port"),
        timeout=_number(given, "--timeout"),
        model=given.get("--model", ""),
        digits=_number(given, "--digits"),
    )


def asked_for(
    paths: Sequence[str],
    *,
    socket: str | None = None,
    host: str | None = None,
    port: float | None = None,
    timeout: float | None = None,
    model: str = "",
    digits: float | None = None,
) -> Asked:
    """The command with its defaults filled in and its values checked. Raises `InputError`."""
    if socket is not None and (host is not None or port is not None):
        raise _unusable("A socket and a host or port are given.", "one server")
    limits = {"--port": (port, 1, 65535), "--digits": (digits, 0, 6)}
    for name, (value, low, high) in limits.items():
        if value is not None and not (low <= value <= high and value == int(value)):
            raise _unusable(f"{name} is {value:g}.", f"a whole number from {low} to {high}")
    if timeout is not None and not 0 < timeout <= _LONGEST:
        raise _unusable(f"--timeout is {timeout:g}.", f"seconds above 0, up to {_LONGEST:g}")
    if host is not None or port is not None:
        server = client.Server(host=host or "127.0.0.1", port=int(port or client.PORT))
    else:
        server = client.Server(socket=socket or client.default_socket())
    kept = Asked(tuple(paths), server, model=model)
    if timeout is not None:
        kept = kept._replace(timeout=timeout)
    return kept if digits is None else kept._replace(digits=int(digits))


def _one(path: str, asked: Asked) -> int:
    def answered() -> list[float]:
        token = os.environ.get("TELLAPART_TOKEN", "").strip()
        picture = client.read_picture(path)
        return client.ask(picture, asked.server, model=asked.model, token=token)

    try:
        probabilities = client.within(asked.timeout, answered)
    except TellapartError as error:
        return failed(error)
    except Exception as error:  # the reader of the output is owed a number all the same
        return failed(_unforeseen(error))
    _say(sys.stdout, ",".join(f"{value:.{asked.digits}f}" for value in probabilities))
    return 0


def failed(error: TellapartError) -> int:
    _say(sys.stdout, str(_code(error)))
    _say(sys.stderr, f"error: {error}")
    return 1


def _code(error: TellapartError) -> int:
    if isinstance(error, NotFoundError):
        return MISSING
    if isinstance(error, PictureError):
        return UNUSABLE
    return NO_SERVER if isinstance(error, FetchError) and error.reason == "no_server" else FAILED


def _number(given: dict[str, str], name: str) -> float | None:
    if name not in given:
        return None
    try:
        return float(given[name])
    except ValueError:
        raise _unusable(f"{name} is {given[name]!r}.", "a number") from None


def _unusable(what: str, expected: str) -> InputError:
    return InputError(what, expected=expected, do="See `tellapart compute --help`.")


def _unforeseen(error: Exception) -> TellapartError:
    return TellapartError(
        f"{type(error).__name__}: {error}",
        expected="an answer, or an error that says what is wrong",
        do="This is a fault of ours: report it with the command that you ran.",
    )


def _say(stream: IO[str], text: str) -> None:
    """One text; what a server said must not steer a terminal."""
    shown = "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(shown.encode(encoding, "replace").decode(encoding) + "\n")
    stream.flush()
