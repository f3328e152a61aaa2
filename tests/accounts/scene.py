"""What the tests of accounts share."""

from __future__ import annotations

import re
from email import message_from_string, policy
from email.message import EmailMessage
from pathlib import Path
from typing import cast

import sqlalchemy as sa

from tellapart.accounts import Accounts
from tellapart.mail.message import shown
from tellapart.store import schema_accounts as schema

PASSWORD = "correct horse battery"
HERE = "203.0.113.7"


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.at = 1_800_000_000.0

    def __call__(self) -> float:
        return self.at

    def pass_(self, seconds: float) -> None:
        self.at += seconds


def mails(accounts: Accounts) -> list[tuple[str, str, str]]:
    """Subject, recipient and text of what waits in the outbox, oldest first."""
    with accounts.engine.connect() as connection:
        rows = connection.execute(
            sa.select(schema.outbox).where(schema.outbox.c.state == "queued")
        ).all()
    found = []
    for row in rows:
        written = shown(accounts.settings, row.key, row.body)
        assert written is not None
        message = cast(EmailMessage, message_from_string(written, policy=policy.default))
        body = message.get_body(("plain",))
        assert body is not None
        found.append((str(message["Subject"]), row.recipient, body.get_content()))
    return found


def token_in(text: str, page: str) -> str:
    """The token behind a page's address in a mail's text."""
    found = re.search(rf"https://app\.example{page}(\S+)", text)
    assert found, text
    return found[1]


def stored_bytes(home: Path) -> bytes:
    """Everything the database has on the disk."""
    return b"".join(path.read_bytes() for path in sorted(home.glob("tellapart.sqlite*")))
