"""TLS: the connection goes to an address, name and certificate stay those of the host."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tellapart.settings import Settings


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    if shutil.which("openssl") is None:
        pytest.skip("no `openssl` on this machine to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        f"-subj /CN=pictures.example -addext subjectAltName=DNS:pictures.example "
        f"-keyout {key} -out {cert}".split(),
        check=True,
        capture_output=True,
    )
    return cert, key


@pytest.fixture
def secure(certificate: tuple[Path, Path], serving: Any) -> Iterator[Any]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with serving(context) as web:
        yield web


def test_host_and_sni_are_kept(secure: Any, certificate: tuple[Path, Path], names: Any) -> None:
    detour = secure.detour()
    answer = secure.one(
        "https://pictures.example./a.jpg",
        settings=Settings(),
        resolver=names(pictures_example=("93.184.216.34",)),
        network=detour,
        ssl_context=ssl.create_default_context(cafile=str(certificate[0])),
    )
    assert answer.data == secure.jpeg
    assert detour.asked == [("93.184.216.34", 443)]
    assert secure.sni == ["pictures.example"]
    assert {request.headers["host"] for request in secure.requests} == {"pictures.example"}


def test_certificates_are_checked(secure: Any, certificate: tuple[Path, Path], names: Any) -> None:
    options = {
        "settings": Settings(),
        "resolver": names(pictures_example=("93.184.216.34",), other_example=("93.184.216.34",)),
        "network": secure.detour(),
    }
    trusted = ssl.create_default_context(cafile=str(certificate[0]))
    # Another name than the certificate's, then an authority nobody knows.
    wrong = secure.reasons("https://other.example/a.jpg", ssl_context=trusted, **options)
    unknown = secure.reasons("https://pictures.example/a.jpg", **options)
    assert (wrong, unknown) == (["tls"], ["tls"])
    assert secure.requests == []
