"""TELLAPART_MAIL: how the server is reached, and that passwords never go in plain text."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from tellapart.errors import InputError
from tellapart.mail import smtp
from tellapart.mail.smtp import SendError, Server
from tellapart.settings import Settings
from tests.mail.postbox import Postbox

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Contexts:
    """A server's context, and a client's that knows its certificate."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "postbox")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    folder: Path = tmp_path_factory.mktemp("tls")
    pem = folder / "cert.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem, folder / "key.pem")
    return server, ssl.create_default_context(cafile=str(pem))


def _send(url: str, context: ssl.SSLContext | None = None) -> None:
    smtp.send(
        Server.parse(url),
        "app@app.example",
        "you@example.org",
        lambda limit: b"Subject: x\r\n\r\n.dot\r\n",
        still_ours=lambda: True,
        context=context,
    )


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example", Server("mail.example", 25, False, "required")),
        ("smtp://u@mail.example", Server("mail.example", 587, False, "required", "u")),
        (
            "smtp://u%40x:p%40ss%2F@mail.example:2525",
            Server("mail.example", 2525, False, "required", "u@x", "p@ss/"),
        ),
        ("smtps://u:p@mail.example", Server("mail.example", 465, True, "required", "u", "p")),
        ("smtp://127.0.0.1:1025", Server("127.0.0.1", 1025, False, "offered")),
        ("smtp://[::1]:1025/", Server("::1", 1025, False, "offered")),
        ("smtp://relay:25?tls=never", Server("relay", 25, False, "never")),
        ("smtp://relay:25?tls=offered", Server("relay", 25, False, "offered")),
    ],
)
def test_what_the_setting_means(url: str, server: Server) -> None:
    assert Server.parse(url) == server
    assert "p@ss" not in repr(server)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mail.example",
        "http://mail.example",
        "smtp://",
        "smtp://u:hunter2@mail.example:port",
        "smtp://u:hunter2@mail.example/path",
        "smtp://u:hunter2@mail.example?tls=maybe",
        "smtp://u:hunter2@mail.example?other=1",
        "smtp://u:hunter2@mail.example?tls=never",
        "smtp://u:hunter2@mail.example?tls=offered",
        "smtp://u:hunter2@[mail.example",
    ],
)
def test_what_is_unusable_is_said_without_its_password(url: str, home: Path) -> None:
    with pytest.raises(InputError, match="TELLAPART_MAIL") as caught:
        Server.parse(url)
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(replace(Settings.from_env(), mail_url=url))


def test_starttls_is_taken_where_it_is_offered(tls: Contexts) -> None:
    with Postbox(tls=tls[0]) as postbox:
        _send(postbox.url, tls[1])
        assert postbox.secure == [True]
        assert postbox.accepted[0].endswith(b".dot\r\n")


def test_tls_from_the_start_and_a_password_with_odd_letters(tls: Contexts) -> None:
    with Postbox(tls=tls[0], wrapped=True, auth_require_tls=False) as postbox:
        url = f"smtps://app:p%40ss%20w%C3%B6rd%2F@127.0.0.1:{postbox.port}"
        _send(url, tls[1])
        assert postbox.log_ins == [(b"app", b"p@ss w\xc3\xb6rd/")] and postbox.accepted
        with pytest.raises(SendError, match="refuses user and password") as caught:
            _send(url.replace("p%40ss", "wrong"), tls[1])
        assert caught.value.kind == "server" and "wrong" not in str(caught.value)


def test_a_server_without_encryption_gets_nothing_where_it_is_required(postbox: Postbox) -> None:
    with pytest.raises(SendError, match="offers no encryption"):
        _send(f"{postbox.url}?tls=required")
    with pytest.raises(SendError, match="offers no encryption"):
        _send(f"smtp://app:secret@127.0.0.1:{postbox.port}?tls=required")
    assert postbox.accepted == postbox.log_ins == []


def test_a_certificate_that_nobody_vouches_for_is_refused(tls: Contexts) -> None:
    for wrapped, scheme in ((False, "smtp"), (True, "smtps")):
        with Postbox(tls=tls[0], wrapped=wrapped) as postbox:
            with pytest.raises(SendError, match=r"TLS failed.*VERIFY"):
                _send(f"{scheme}://127.0.0.1:{postbox.port}?tls=required")
            assert postbox.accepted == []
