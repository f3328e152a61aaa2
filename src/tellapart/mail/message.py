"""One mail as it is stored and sent: the same bytes at every try."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Set
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime, formataddr, parseaddr
from pathlib import Path

from tellapart.errors import InputError
from tellapart.mail.addresses import checked
from tellapart.settings import Settings
from tellapart.store.sealing import seal, unseal

#: Seven bits only: any server takes it, and it is stored as a text.
POLICY = policy.SMTP.clone(cte_type="7bit")

_ORPHAN_S = 3600.0


def sender(settings: Settings) -> tuple[str, str]:
    """Name and address of TELLAPART_MAIL_FROM. Raises `InputError`."""
    name, address = parseaddr(settings.mail_from)
    try:
        if not settings.mail_from.isprintable():
            raise ValueError
        return name, checked(address)
    except (InputError, ValueError):
        raise InputError(
            f"The setting TELLAPART_MAIL_FROM is {settings.mail_from!r}.",
            expected="an address such as tellapart@example.org or Name <tellapart@example.org>",
            do="Correct TELLAPART_MAIL_FROM.",
        ) from None


def finished(message: EmailMessage, to: str, key: str, settings: Settings, now: float) -> str:
    """The whole mail, ASCII, with a Message-ID that follows from its key alone."""
    for name in ("From", "To", "Date", "Message-ID", "Auto-Submitted"):
        del message[name]
    name, address = sender(settings)
    message["From"] = formataddr((name or "Tellapart", address))
    message["To"] = to
    message["Date"] = format_datetime(datetime.fromtimestamp(now, UTC))
    mark = hashlib.sha256(key.encode()).hexdigest()[:40]
    message["Message-ID"] = f"<{mark}@{address.rpartition('@')[2]}>"
    # No answering machine answers, and no list of them loops (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    return message.as_bytes(policy=POLICY).decode("ascii")


def with_file(mail: bytes, file: bytes, key: str) -> bytes:
    """A finished mail with a zip beside its text; of the same key the same bytes.

    By hand, for the standard library takes seconds and ten times the memory for 10 MB. The name
    is a fixed one: the file's own holds the project's, and this is a header.
    """
    head, _, body = mail.partition(b"\r\n\r\n")
    own: list[bytes] = []
    outer: list[bytes] = []
    into = outer
    for line in head.split(b"\r\n"):
        folded = line[:1] in (b" ", b"\t")
        if not folded:
            into = own if line.lower().startswith(b"content-") else outer
        into.append(line)
    # `=_` occurs neither in quoted-printable text nor in base64.
    mark = b"=_" + hashlib.sha256(key.encode()).hexdigest()[:40].encode()
    encoded = base64.encodebytes(file).replace(b"\n", b"\r\n")
    parts = [
        *outer,
        b'Content-Type: multipart/mixed; boundary="' + mark + b'"',
        b"",
        b"--" + mark,
        *own,
        b"",
        body.rstrip(b"\r\n"),
        b"--" + mark,
        b"Content-Type: application/zip",
        b"Content-Transfer-Encoding: base64",
        b'Content-Disposition: attachment; filename="tellapart-model.zip"',
        b"",
        encoded.rstrip(b"\r\n"),
        b"--" + mark + b"--",
        b"",
    ]
    return b"\r\n".join(parts)


def hidden(settings: Settings, key: str, text: str) -> str:
    """A text as the outbox keeps it: a link for a new password is nothing for the database's
    readers, and a copy of it is nothing for a thief."""
    return base64.b64encode(seal(settings, "outbox", text.encode(), key)).decode("ascii")


def shown(settings: Settings, key: str, text: str) -> str | None:
    """What was `hidden`; None where the server's key has changed since."""
    opened = unseal(settings, "outbox", base64.b64decode(text), key)
    return None if opened is None else opened.decode()


def keep(settings: Settings, key: str, file: Path) -> str:
    """Our own name for a file, so that deleting its project takes nothing from the mail."""
    folder = settings.home / "outbox"
    mark = hashlib.sha256(key.encode()).hexdigest()[:32]
    target = folder / f"{mark}{file.suffix}"
    draft = folder / f"{mark}.{os.getpid()}.partial"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)
        try:
            os.link(file, draft)
        except OSError:
            shutil.copyfile(file, draft)
        draft.replace(target)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        return ""
    return str(target)


def sweep(settings: Settings, needed: Set[str]) -> None:
    """Remove files that no row names: a crash left them between the file and its row."""
    with contextlib.suppress(OSError):
        for file in (settings.home / "outbox").iterdir():
            if str(file) not in needed and time.time() - file.lstat().st_ctime > _ORPHAN_S:
                drop(str(file))


def drop(file: str) -> None:
    """Remove what `keep` kept."""
    with contextlib.suppress(OSError):
        Path(file).unlink()
