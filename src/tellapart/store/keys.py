"""The server's one secret: what signs links and encrypts credentials is derived from it.

It is the setting `TELLAPART_SECRET_KEY`, or else the file `secret.key` in the home folder, which
the first use makes. Several keys, one a line (or parted by commas), are a rotation: the first
one signs and encrypts, all of them are believed.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import stat
import sys
from functools import lru_cache
from pathlib import Path

from tellapart.errors import InputError, StorageError
from tellapart.settings import Settings

FILE = "secret.key"
#: Characters of a key at least: 32 random letters of base64 are 192 bits.
LEAST = 32


class Keys:
    """Keys for purposes; two purposes never share one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def derive(self, purpose: str) -> tuple[bytes, ...]:
        """32 bytes for `purpose`, of the present key first, then of each earlier one.

        HMAC-SHA-256 of the purpose under the key: a purpose's key tells nothing of another's.
        Raises `InputError` for a key that is too short, `StorageError` where the file cannot be
        read or made.
        """
        return _derived(purpose, self._masters())

    def _masters(self) -> tuple[bytes, ...]:
        given = self._settings.secret_key
        path = self._settings.home / FILE
        source = "the setting TELLAPART_SECRET_KEY" if given else f"the file {path}"
        text = given or _file(path)
        keys = tuple(text.replace(",", "\n").split())
        if not keys or any(len(key) < LEAST for key in keys):
            raise InputError(
                f"A secret key in {source} is shorter than {LEAST} characters.",
                expected=f"at least {LEAST} random characters",
                do="Make one: openssl rand -base64 32",
            )
        return tuple(key.encode() for key in keys)


@lru_cache(maxsize=256)
def _derived(purpose: str, masters: tuple[bytes, ...]) -> tuple[bytes, ...]:
    message = f"tellapart {purpose}".encode()
    return tuple(hmac.digest(master, message, hashlib.sha256) for master in masters)


@lru_cache(maxsize=16)
def _file(path: Path) -> str:
    """The file's text; a file that others may read is refused, one that is missing is made."""
    try:
        if not path.exists():
            _make(path)
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(
            f"The secret key {path} cannot be read or made ({error}).",
            expected="a file that this user may read, in a folder that it may write to",
            do="Mend its permissions, or set TELLAPART_SECRET_KEY.",
        ) from error
    if sys.platform != "win32" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise StorageError(
            f"The secret key {path} may be used by other users (mode {stat.S_IMODE(mode):o}).",
            expected="a file for its owner alone (mode 600)",
            do=f"Run: chmod 600 {path}. Where others may have read it, delete it: a new one is "
            "made; links sent before end, and stored credentials must be given again.",
        )
    return text


def _make(path: Path) -> None:
    """Write a new key so that of several processes that begin at once, one's key is everybody's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(48) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was first
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
