"""A real SMTP server on loopback that can be slow, refuse, drop, and call somebody meanwhile."""

from __future__ import annotations

import asyncio
import email
import ssl
import threading
from collections import Counter
from collections.abc import Callable
from email import policy
from email.message import EmailMessage
from typing import Any, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


class Postbox:
    """What it got, and how it behaves. `refuse[stage]` is answered instead of yes.

    Stages: `mail`, `rcpt`, `data` (after the mail has come). `meanwhile[stage]` is called first.
    `lost` drops the connection after the mail has come, unanswered; what came is kept all the same.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None, wrapped: bool = False, **options: Any):
        self.accepted: list[bytes] = []
        self.recipients: list[str] = []
        self.came: list[bytes] = []
        self.refuse: dict[str, str] = {}
        self.meanwhile: dict[str, Callable[[], None]] = {}
        self.lost = 0
        self.secure: list[bool] = []
        self.log_ins: list[tuple[bytes, bytes]] = []
        self.lock = threading.Lock()
        self._wrapped = tls if wrapped else None
        self._options = {
            "hostname": "postbox",
            "tls_context": None if wrapped else tls,
            "authenticator": self._authenticate,
            "enable_SMTPUTF8": False,
            **options,
        }
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Postbox:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._begin(), self._loop).result(10)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    def __exit__(self, *exc: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _begin(self) -> asyncio.Server:
        return await self._loop.create_server(
            lambda: SMTP(self, loop=self._loop, **self._options),
            "127.0.0.1",
            0,
            ssl=self._wrapped,
        )

    async def _end(self) -> None:
        self._server.close()
        for task in asyncio.all_tasks(self._loop) - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0.05)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    @property
    def ids(self) -> Counter[str]:
        """Message-ID → how often it was accepted."""
        return Counter(str(read(data)["Message-ID"]) for data in self.accepted)

    def _authenticate(self, server: Any, session: Any, envelope: Any, how: str, data: Any) -> Any:
        given = cast(LoginPassword, data)
        self.log_ins.append((given.login, given.password))
        right = given.password == b"p@ss w\xc3\xb6rd/"
        return AuthResult(success=right, handled=right)

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        await self._stage("mail")
        if "mail" in self.refuse:
            return self.refuse["mail"]
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        await self._stage("rcpt")
        if "rcpt" in self.refuse:
            return self.refuse["rcpt"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        data = cast(bytes, envelope.content)
        self.came.append(data)
        await self._stage("before")
        if "data" in self.refuse:
            return self.refuse["data"]
        with self.lock:
            self.accepted.append(data)
            self.recipients += envelope.rcpt_tos
        self.secure.append(session.ssl is not None)
        await self._stage("accepted")
        if self.lost:
            self.lost -= 1
            assert server.transport is not None
            server.transport.abort()
        return "250 OK"

    async def _stage(self, name: str) -> None:
        call = self.meanwhile.get(name)
        if call is not None:
            await asyncio.get_running_loop().run_in_executor(None, call)


def read(data: bytes) -> EmailMessage:
    return cast(EmailMessage, email.message_from_bytes(data, policy=policy.default))
