"""The unit that keeps the app running."""

from __future__ import annotations

from pathlib import Path

import pytest

from tellapart.cli import main


def _install(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["service", "install", *words])
    out, err = capsys.readouterr()
    return code, out, err


def test_it_runs_the_app_and_hides_its_settings(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--up", "--system", "--dry-run", "--option=--behind-proxy", "--option=--drain=60")
    code, text, _ = _install(capsys, *words)
    assert code == 0
    lines = text.splitlines()
    (start,) = [line for line in lines if line.startswith("ExecStart=")]
    assert start.endswith('"tellapart" "up" "--no-browser" "--behind-proxy" "--drain=60"')
    assert "EnvironmentFile=-/etc/tellapart.env" in lines
    assert "TimeoutStopSec=80" in lines and "Type=notify" in lines
    assert 'Environment="TELLAPART_HOME=/var/lib/tellapart"' in lines
    assert not [line for line in lines if line.startswith("ExecReload")], "it knows no SIGHUP"
    assert "NoNewPrivileges=yes" in lines and "ProtectSystem=strict" in lines

    code, text, _ = _install(capsys, "--up", "--user", "--dry-run", "--memory=8G")
    assert code == 0
    assert f'BindPaths="-{home}"' in text and "MemoryMax=8G" in text
    assert "/tellapart/tellapart.env" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Neither --up nor a bundle"),
        (("--up", "a.zip"), "Both --up and bundles"),
        (("--up", "--option=--host=0.0.0.0"), "without a proxy"),
        (("--up", "--option=--watch=3"), "--option is '--watch'"),
        (("--up", "--option=--port=many"), "--port=many"),
        (("--up", "--memory=lots"), "--memory is 'lots'"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_written(
    home: Path, words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = _install(capsys, *words, "--user", "--dry-run")
    assert code == 2
    assert said in err
