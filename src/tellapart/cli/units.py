"""Units' files and what systemd says of them: written, read, checked, started, removed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tellapart.errors import (
    InputError,
    MissingExtraError,
    NotFoundError,
    StorageError,
    TellapartError,
)
from tellapart.serving.unit import MARK, Scope

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def scope_of(user: bool | None) -> Scope:
    """Whose service; None: the machine's for root, else the user's. `MissingExtraError`."""
    if not sys.platform.startswith("linux"):
        raise MissingExtraError(
            f"There is no systemd on {sys.platform}.",
            expected="Linux with systemd",
            do="Let your system's own service manager run `tellapart serve BUNDLE`.",
        )
    if user is None:
        user = os.geteuid() != 0
    return "user" if user else "system"


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise unusable(f"--name is {name!r}.", "up to 64 letters, digits, - and _")
    return name


def place_of(scope: Scope, name: str) -> Path:
    """The unit's file. Raises `InputError` for a name that no unit can have."""
    folder = Path("/etc/systemd/system")
    if scope == "user":
        given = os.environ.get("XDG_CONFIG_HOME", "")
        folder = (Path(given) if given else Path.home() / ".config") / "systemd" / "user"
    return folder / f"{_checked(name)}.service"


def write_unit(place: Path, text: str, folders: tuple[Path, ...]) -> None:
    """Write a unit, and make the folders that it writes to. `InputError`, `StorageError`."""
    try:
        if place.exists() and not place.read_text(encoding="utf-8").startswith(MARK):
            raise unusable(
                f"{str(place)!r} is a unit that somebody else wrote.", "a --name of its own"
            )
        for folder in (place.parent, *folders):
            folder.mkdir(parents=True, exist_ok=True)
        aside = place.with_suffix(".part")
        aside.write_text(text, encoding="utf-8")
        aside.replace(place)
    except OSError as error:
        raise _not_written(place, error) from error


def own_text(place: Path) -> str:
    """The text of a unit of ours. Raises `NotFoundError`."""
    try:
        text = place.read_text(encoding="utf-8")
    except OSError:
        text = ""
    if not text.startswith(MARK):
        raise NotFoundError(
            f"There is no unit of ours at {str(place)!r}.",
            expected="a unit that `tellapart service install` wrote",
            do="Check --name and --user or --system.",
        )
    return text


def remarks(place: Path, scope: Scope) -> list[str]:
    """What systemd itself has to say about the unit."""
    tool = shutil.which("systemd-analyze")
    if tool is None:
        return []
    command = [tool, f"--{scope}", "verify", str(place)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line for line in done.stderr.splitlines() if place.name in line]


def state_of(scope: Scope, unit: str) -> str:
    """`active`, `inactive`, `failed` …; `unknown` where no systemd answers."""
    tool = shutil.which("systemctl")
    if tool is None:
        return "unknown"
    command = [tool, f"--{scope}", "is-active", unit]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return done.stdout.strip() or "unknown"


def systemctl(scope: Scope, *words: str) -> None:
    """Run `systemctl`; `TellapartError` where it fails."""
    tool = shutil.which("systemctl") or "systemctl"
    command = [tool, f"--{scope}", *words]
    shown = " ".join(["systemctl", *command[1:]])
    try:
        # Starting waits until the server says that it is ready.
        done = subprocess.run(command, capture_output=True, text=True, timeout=180)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TellapartError(
            f"`{shown}` did not work: {error}", expected="a running systemd", do=f"Run: {shown}"
        ) from error
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise TellapartError(
            f"`{shown}` failed: {lines[-1]}",
            expected="systemd to take the unit",
            do=f"See `journalctl {'--user ' * (scope == 'user')}-u {words[-1]}`.",
        )


def unusable(what: str, expected: str) -> InputError:
    """A word of the command that cannot be used."""
    return InputError(what, expected=expected, do="See `tellapart service install --help`.")


def _not_written(place: Path, error: OSError) -> StorageError:
    return StorageError(
        f"{str(place)!r} cannot be written: {error.strerror or error}.",
        expected="a folder that you may write to",
        do="With --system: run it as root (sudo); else use --user.",
    )


def remove_unit(place: Path) -> None:
    """Remove a unit's file. Raises `StorageError`."""
    try:
        place.unlink()
    except OSError as error:
        raise _not_written(place, error) from error
