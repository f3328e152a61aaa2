"""What the tests of pages share: a mail server and the app with the picture web as its source."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from tellapart.demo.picture_web import PictureWeb

#: What the story is about; others play foreign things.
WORDS = ("apple", "boat", "fish", "star")


@dataclass
class Inbox:
    """A real SMTP server that keeps what it is given."""

    port: int
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)

    async def handle_DATA(self, server: object, session: object, envelope: object) -> str:  # noqa: N802
        mail = message_from_bytes(envelope.content, policy=policy.default)  # type: ignore[attr-defined]
        assert isinstance(mail, EmailMessage)
        self.recipients += envelope.rcpt_tos  # type: ignore[attr-defined]
        self.mails.append(mail)
        return "250 OK"


@pytest.fixture(scope="session")
def inbox() -> Iterator[Inbox]:
    from aiosmtpd.controller import Controller

    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        box = Inbox(bound.getsockname()[1])
    controller = Controller(box, hostname="127.0.0.1", port=box.port, data_size_limit=100_000_000)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()


@pytest.fixture(scope="session")
def picture_web() -> Iterator[PictureWeb]:
    with PictureWeb(WORDS, n=30, big=12_000_000) as web:
        yield web


@pytest.fixture(scope="session")
def surroundings(inbox: Inbox, picture_web: PictureWeb) -> dict[str, str]:
    """The environment of an app that searches the picture web and mails to the inbox."""
    return {
        "TELLAPART_OPENVERSE_URL": picture_web.openverse_url,
        "TELLAPART_COMMONS_URL": picture_web.commons_url,
        "TELLAPART_ALLOW_HOSTS": picture_web.host,
        "TELLAPART_MAX_DOWNLOAD_MB": "10",
        "TELLAPART_MAIL": f"smtp://127.0.0.1:{inbox.port}",
        "TELLAPART_MAIL_FROM": "tellapart@localhost",
        "TELLAPART_MAIL_ATTACH_MB": "60",
    }
