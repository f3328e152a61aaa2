"""How the app may be reached, told before anything is imported or opened."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tellapart.cli import main
from tellapart.cli.hosting import Hosting, access
from tellapart.errors import InputError
from tellapart.runtime.child import packed, unpacked
from tellapart.settings import Settings


def test_on_this_machine_its_own_names_are_answered(settings: Settings) -> None:
    found = access(replace(settings, public_url="http://127.0.0.1:9000"), Hosting(port=9000), 9000)
    assert found.hosts == {"127.0.0.1:9000", "localhost:9000", "[::1]:9000"}
    assert not found.secure and not found.behind_proxy


@pytest.mark.parametrize(
    ("url", "hosts", "secure"),
    [
        ("https://A.Example", {"a.example", "a.example:443"}, True),
        ("https://a.example:8443/", {"a.example:8443"}, True),
        ("http://a.example", {"a.example", "a.example:80"}, False),
        ("https://[2001:db8::1]", {"[2001:db8::1]", "[2001:db8::1]:443"}, True),
    ],
)
def test_the_public_address_is_answered_too(
    settings: Settings, url: str, hosts: set[str], secure: bool
) -> None:
    hosting = Hosting(host="0.0.0.0", behind_proxy=True)
    hosting.check(replace(settings, public_url=url), url_given=True)
    found = access(replace(settings, public_url=url), hosting, 8080)
    assert found.hosts == {"127.0.0.1:8080", "localhost:8080", "[::1]:8080"} | hosts
    assert (found.secure, found.behind_proxy) == (secure, True)


@pytest.mark.parametrize(
    "url", ["a.example", "ftp://a.example", "https://a/b", "https://", "http://a:b"]
)
def test_an_address_that_leads_nowhere_is_refused(settings: Settings, url: str) -> None:
    with pytest.raises(InputError, match="TELLAPART_URL"):
        Hosting().check(replace(settings, public_url=url), url_given=True)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "a.example", ""])
def test_passwords_are_not_taken_over_plain_http(settings: Settings, host: str) -> None:
    with pytest.raises(InputError, match="plain HTTP"):
        Hosting(host=host).check(settings, url_given=True)
    with pytest.raises(InputError, match="under which address"):
        Hosting(host=host, behind_proxy=True).check(settings, url_given=False)
    Hosting(host=host, behind_proxy=True).check(settings, url_given=True)


def test_a_child_gets_the_same_settings(settings: Settings) -> None:
    full = replace(
        settings,
        database_url="postgresql://a:b@c/d",
        allow_hosts=("a:1", "b:2"),
        weights_dir=settings.home / "Wéights",
        mail_attach_mb=0.5,
        trust_proxies=True,
    )
    for each in (settings, full):
        line = packed(each)
        assert line.endswith(b"\n") and line.count(b"\n") == 1
        assert unpacked(line) == each


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--port", "70000"], "--port is 70000"),
        (["--workers", "-1"], "--workers is -1"),
        (["--drain", "nan"], "--drain is nan"),
        (["--host", "0.0.0.0"], "plain HTTP"),
        (["--behind-proxy"], "TELLAPART_URL"),
    ],
)
def test_options_that_cannot_be_end_before_a_home_is_made(
    settings: Settings, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["up", "--no-browser", *words]) == 2
    assert said in capsys.readouterr().err
    assert not settings.home.exists()
