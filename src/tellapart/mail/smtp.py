"""Hand one mail to the mail server, within bounds; say what kind of failure a failure is."""

from __future__ import annotations

import base64
import contextlib
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

from tellapart.errors import InputError

#: `server`: it is down or refuses us: no other mail will do better. `later`: this mail, for now.
#: `never`: this mail, for good. `lost`: another sender has taken this mail over.
Kind = Literal["server", "later", "never", "lost"]

#: Seconds for one answer, and for everything: a server may be slow, not endless.
ANSWER_S, ALL_S = 30.0, 300.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class SendError(Exception):
    """A mail was not sent, or nobody knows whether it was."""

    def __init__(self, kind: Kind, reason: str, code: int = 0) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        #: The server's, such as 552 for a mail that is too large; 0: it said none.
        self.code = code


@dataclass(frozen=True)
class Server:
    """Where mail is handed in."""

    host: str
    port: int
    #: TLS from the first byte (`smtps:`); else STARTTLS.
    wrapped: bool
    #: `required`, `offered` (taken where it is) or `never`.
    starttls: str
    user: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, url: str) -> Server:
        """Read TELLAPART_MAIL. Raises `InputError`, which does not repeat the password."""
        try:
            parts = urlsplit(url)
            port, host = parts.port, parts.hostname or ""
            options = parse_qs(parts.query, strict_parsing=bool(parts.query))
        except ValueError:
            raise _unusable("cannot be read") from None
        if parts.scheme not in ("smtp", "smtps") or not host or parts.path not in ("", "/"):
            raise _unusable("is of another form")
        near = host in _LOOPBACK
        wish = options.pop("tls", ["offered" if near else "required"])[-1]
        if options or wish not in ("required", "offered", "never"):
            raise _unusable("has an option that is not known (only ?tls=required|offered|never)")
        wrapped = parts.scheme == "smtps"
        if parts.username and not near and not wrapped and wish != "required":
            raise _unusable("would send the password in plain text")
        usual = 465 if wrapped else 587 if parts.username else 25
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        return cls(host, port or usual, wrapped, wish, user, password)


def _unusable(why: str) -> InputError:
    return InputError(
        f"The setting TELLAPART_MAIL {why}.",
        expected="smtp://user:password@host:port (STARTTLS) or smtps://… (TLS from the start), "
        "with special characters of user and password percent-encoded",
        do="Correct TELLAPART_MAIL. A relay without TLS on a network of your own: ?tls=never",
    )


def send(
    server: Server,
    sender: str,
    recipient: str,
    data: Callable[[int | None], bytes],
    *,
    still_ours: Callable[[], bool],
    context: ssl.SSLContext | None = None,
    answer_s: float = ANSWER_S,
    all_s: float = ALL_S,
) -> None:
    """Return once the server has taken the mail. Raises `SendError`.

    `data` is given the server's limit of bytes (None: it names none) and returns the mail;
    `still_ours` is asked at the last moment, when nothing is sent yet.
    """
    with _connected(server, sender, context, answer_s, all_s) as smtp:
        limit = smtp.esmtp_features.get("size", "")
        mail = data(int(limit) if limit.isdigit() and int(limit) else None)
        # A sender that is refused is the server's keeper's fault, not this mail's.
        code, said = smtp.mail(sender)
        if code != 250:
            raise SendError("server", f"the sender {sender} is refused: {_said(code, said)}")
        code, said = smtp.rcpt(recipient)
        if code not in (250, 251):
            raise SendError(_kind(code), f"the address is refused: {_said(code, said)}")
        if not still_ours():
            raise SendError("lost", "another worker has taken this mail over")
        try:
            code, said = smtp.data(mail)
        except smtplib.SMTPDataError as error:
            code, said = error.smtp_code, _bytes(error.smtp_error)
        except (smtplib.SMTPServerDisconnected, OSError) as error:
            # It may have the mail or not; it gets it again, with the same Message-ID.
            raise SendError("later", f"the connection broke while sending: {error}") from None
        if code != 250:
            raise SendError(_kind(code), f"the mail is refused: {_said(code, said)}", code)
        with contextlib.suppress(smtplib.SMTPException, OSError):
            smtp.quit()  # it has the mail: whatever it says now changes nothing


@contextlib.contextmanager
def _connected(
    server: Server, sender: str, context: ssl.SSLContext | None, answer_s: float, all_s: float
) -> Iterator[smtplib.SMTP]:
    """A greeted, encrypted, logged-in connection, cut off when its time is over."""
    # Not this machine's name, which nobody outside needs.
    name = sender.rpartition("@")[2]
    smtp: smtplib.SMTP | None = None
    timer: threading.Timer | None = None
    try:
        if server.wrapped:
            smtp = smtplib.SMTP_SSL(
                server.host, server.port, name, timeout=answer_s, context=context or _public()
            )
        else:
            smtp = smtplib.SMTP(server.host, server.port, name, timeout=answer_s)
        timer = threading.Timer(all_s, _cut, (smtp,))
        timer.daemon = True
        timer.start()
        smtp.ehlo_or_helo_if_needed()
        if not server.wrapped:
            _secure(smtp, server, context)
        if server.user:
            _log_in(smtp, server)
        yield smtp
    except smtplib.SMTPAuthenticationError as error:
        # Not what it says: some servers repeat what they were told.
        raise SendError(
            "server", f"{server.host} refuses user and password ({error.smtp_code})"
        ) from None
    except smtplib.SMTPResponseException as error:
        said = _said(error.smtp_code, _bytes(error.smtp_error))
        raise SendError("server", f"{server.host}: {said}") from None
    except ssl.SSLError as error:
        raise SendError("server", f"{server.host}: TLS failed: {error.reason or error}") from None
    except (smtplib.SMTPException, OSError, ValueError) as error:
        words = str(error) or type(error).__name__
        raise SendError("server", f"{server.host}:{server.port}: {words[:200]}") from None
    finally:
        if timer is not None:
            timer.cancel()
        if smtp is not None:
            smtp.close()


def _public() -> ssl.SSLContext:
    """The system's certificate authorities (or SSL_CERT_FILE's): reading them takes a while."""
    return ssl.create_default_context()


def _secure(smtp: smtplib.SMTP, server: Server, context: ssl.SSLContext | None) -> None:
    if server.starttls == "never":
        return
    if smtp.has_extn("starttls"):
        smtp.starttls(context=context or _public())
        smtp.ehlo()
    elif server.starttls == "required":
        raise SendError(
            "server",
            f"{server.host} offers no encryption (STARTTLS); for a relay on a network of your own "
            "add ?tls=never to TELLAPART_MAIL",
        )


def _log_in(smtp: smtplib.SMTP, server: Server) -> None:
    if (server.user + server.password).isascii():
        smtp.login(server.user, server.password)
        return
    # The library knows ASCII only; PLAIN is UTF-8 (RFC 4616).
    told = base64.b64encode(f"\0{server.user}\0{server.password}".encode()).decode("ascii")
    code, said = smtp.docmd("AUTH", f"PLAIN {told}")
    if code != 235:
        raise smtplib.SMTPAuthenticationError(code, said)


def _cut(smtp: smtplib.SMTP) -> None:
    sock = smtp.sock
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


def _kind(code: int) -> Kind:
    return "never" if 500 <= code < 600 else "later"


def _said(code: int, said: bytes) -> str:
    words = " ".join(said.decode("utf-8", "replace").split())
    return f"{code} {''.join(c for c in words if c.isprintable())[:200]}".strip()


def _bytes(said: bytes | str) -> bytes:
    return said if isinstance(said, bytes) else said.encode()
