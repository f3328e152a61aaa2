"""`mail`: whether mails go out."""

from __future__ import annotations

from typing import Annotated

import typer

import tellapart
from tellapart.cli.console import emit, write
from tellapart.cli.options import Json
from tellapart.errors import FetchError, InputError


def mail(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="Where to send it.")],
    json: Json = False,
) -> None:
    """Send one mail now, past the queue, and say what the mail server answers."""
    import time

    from tellapart.mail import compose, smtp
    from tellapart.mail.addresses import checked
    from tellapart.mail.message import finished, sender

    settings = tellapart.Settings.from_env()
    to = checked(email)
    if not settings.mail_url:
        raise InputError(
            "No mail server is named.",
            expected="TELLAPART_MAIL and TELLAPART_MAIL_FROM",
            do="Set them: TELLAPART_MAIL=smtp://user:password@host:port",
        )
    server = smtp.Server.parse(settings.mail_url)
    now = time.time()
    text = finished(compose.test(settings.public_url), to, f"test:{now}", settings, now)
    try:
        smtp.send(
            server,
            sender(settings)[1],
            to,
            lambda limit: text.encode("ascii"),
            still_ours=lambda: True,
        )
    except smtp.SendError as error:
        raise FetchError(
            f"The mail was not sent: {error.reason}.",
            expected=f"a mail server at {server.host}:{server.port} that takes it",
            do="Check TELLAPART_MAIL and TELLAPART_MAIL_FROM, then try again.",
        ) from None
    if json:
        emit({"sent": to, "server": f"{server.host}:{server.port}"})
    else:
        write(f"{server.host}:{server.port} has taken a mail to {to}")
