"""systemd units: what stands in them, what systemd says of them, and what is never touched."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellapart.cli import main
from tellapart.errors import InputError
from tellapart.serving import systemd
from tellapart.serving.unit import Unit, quoted

MakeBundle = Callable[..., Path]
Ran = tuple[int, str, str]


@pytest.fixture
def place(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where units of the user go; no systemd is found beside it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    return tmp_path / "config" / "systemd" / "user"


@pytest.fixture
def service(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    def run(*words: object) -> Ran:
        capsys.readouterr()
        code = main(["service", *map(str, words)])
        return code, *capsys.readouterr()

    return run


def verified(folder: Path, text: str, scope: str) -> str:
    """What systemd has to say about a unit's text."""
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("systemd-analyze is not installed")
    path = folder / "tellapart-test.service"
    path.write_text(text)
    done = subprocess.run(
        [tool, f"--{scope}", "verify", "--man=no", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "XDG_RUNTIME_DIR": str(folder)},
    )
    assert done.returncode == 0, done.stderr
    return "\n".join(line for line in done.stderr.splitlines() if path.name in line)


def keys(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize("scope", ["user", "system"])
def test_systemd_takes_the_unit(
    scope: str, make_bundle: MakeBundle, tmp_path: Path, home: Path, service: Callable[..., Ran]
) -> None:
    folder = tmp_path / 'a "b" $HOME %h é\\n'
    folder.mkdir()
    bundle = make_bundle(folder)
    words = ("install", bundle, f"--{scope}", "--option=--port=9000", "--option=--drain=60")
    code, text, _ = service(*words, "--dry-run")
    assert code == 0
    assert verified(tmp_path, text, scope) == ""
    found = keys(text)
    assert "serve" in found["ExecStart"][0] and '"--port=9000"' in found["ExecStart"][0]
    for key, value in {
        "Type": "notify",
        "Restart": "always",
        "NoNewPrivileges": "yes",
        "OOMPolicy": "continue",
        "TimeoutStopSec": "80",
        "KillMode": "mixed",
    }.items():
        assert found[key] == [value]
    assert found["WatchdogSec"] and found["CPUQuota"] and found["SystemCallFilter"]
    if scope == "system":
        assert found["ProtectSystem"] == ["strict"] and found["DynamicUser"] == ["yes"]
        assert found["RuntimeDirectory"] == ["tellapart"]
        assert '"/run/tellapart/tellapart.sock"' in found["ExecStart"][0]
        # The pictures' folder is below one that is hidden.
        assert any(str(tmp_path) in one for one in found["BindReadOnlyPaths"])
    assert not (home / "cache").exists()


@pytest.mark.parametrize(
    ("words", "command", "memory"),
    [
        (("--cpus", 1), "--workers=1 --threads=1", "2G"),
        (("--cpus", 0.5), "--workers=1 --threads=1", "2G"),
        (("--cpus", 31.5), "--workers=32 --threads=1", "8704M"),
        (("--cpus", 4, "--option=--workers=2"), "--workers=2 --threads=2", "2G"),
        (("--cpus", 14, "--option=--threads=2"), "--threads=2 --workers=7", "2304M"),
        (("--cpus", 1, "--option=--workers=3", "--option=--threads=2"), "--threads=2", "2G"),
        (("--cpus", 32, "--memory", "1G"), "--workers=32 --threads=1", "1G"),
        (("--option=--workers=30.0",), "--workers=30.0", "8G"),
    ],
)
def test_workers_are_as_many_as_it_has_cores_for_and_memory_is_for_them(
    words: tuple[object, ...],
    command: str,
    memory: str,
    home: Path,
    make_bundle: MakeBundle,
    tmp_path: Path,
    service: Callable[..., Ran],
) -> None:
    code, text, _ = service("install", make_bundle(tmp_path), "--user", *words, "--dry-run")
    assert code == 0
    said = keys(text)["ExecStart"][0].replace('"', "")
    assert said.endswith(command)
    assert keys(text)["MemoryMax"] == [memory]


def test_a_project_is_described_by_its_name(
    place: Path, service: Callable[..., Ran], make_bundle: MakeBundle, tmp_path: Path
) -> None:
    versions = tmp_path / "fruit" / "versions"
    versions.mkdir(parents=True)
    make_bundle(versions)
    text = service("install", versions, "--user", "--dry-run")[1]
    assert "Description=Tellapart serving fruit\n" in text


def test_files_that_options_name_are_those_of_the_folder_it_is_installed_from(
    home: Path,
    make_bundle: MakeBundle,
    tmp_path: Path,
    service: Callable[..., Ran],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ("--option=--socket=a/s.sock", "--option=--tokens-file=tokens")
    text = service("install", make_bundle(tmp_path), "--user", *options, "--dry-run")[1]
    command = keys(text)["ExecStart"][0]
    assert f'"--socket={tmp_path}/a/s.sock"' in command
    assert f'"--tokens-file={tmp_path}/tokens"' in command


def test_a_service_of_the_users_without_namespaces_keeps_what_works_without() -> None:
    def unit(**changes: Any) -> dict[str, list[str]]:
        return keys(Unit("x", "user", "d", ("/bin/true",), **changes).text())

    assert "ProtectSystem" not in unit(namespaces=False)
    assert unit(namespaces=False)["NoNewPrivileges"] == ["yes"]
    assert unit()["ProtectSystem"] == ["strict"] and unit()["PrivateUsers"] == ["yes"]
    assert unit()["PrivateDevices"] == ["yes"] and "PrivateDevices" not in unit(devices=True)
    reads = (Path("/tmp/a/b"), Path("/tmp/a"), Path("/home/x"), Path("/usr"))
    assert unit(reads=reads)["BindReadOnlyPaths"] == ['"/tmp/a"']
    as_system = keys(Unit("x", "system", "d", ("/bin/true",), reads, run_as="alice").text())
    assert as_system["BindReadOnlyPaths"] == ['"/home/x"', '"/tmp/a"']
    assert as_system["User"] == ["alice"] and "DynamicUser" not in as_system


@given(st.text())
def test_a_word_is_quoted_or_refused(word: str) -> None:
    try:
        found = quoted(word, command=True)
    except InputError:
        assert not word.isprintable()
        return
    assert found[0] == found[-1] == '"' and "\n" not in found
    # As systemd reads it back: quotes off, then specifiers and variables.
    inner = found[1:-1]
    plain, at = "", 0
    while at < len(inner):
        pair = inner[at : at + 2]
        doubled = pair in ("%%", "$$") or (pair[0] == "\\" and len(pair) == 2)
        assert doubled or pair[0] not in '%$\\"'
        plain += pair[-1] if doubled else pair[0]
        at += 1 + doubled
    assert plain == word


def test_install_show_and_uninstall(
    place: Path, make_bundle: MakeBundle, tmp_path: Path, service: Callable[..., Ran], home: Path
) -> None:
    bundle = make_bundle(tmp_path)
    code, out, err = service("install", bundle, "--user", "--memory", "512M", "--cpus", 1.5)
    unit = place / "tellapart.service"
    assert (code, out) == (0, f"written: {unit}\n")
    assert "systemctl --user enable --now tellapart" in err and "compute" in err
    text = unit.read_text()
    assert keys(text)["MemoryMax"] == ["512M"] and keys(text)["CPUQuota"] == ["150%"]
    assert f'"{bundle}"' in text and (home / "cache").is_dir()
    assert service("install", bundle, "--user", "--json")[0] == 0  # a second time: replaced
    code, out, err = service("show", "--user")
    assert (code, out) == (0, unit.read_text()) and "unknown" in err
    shape = json.loads(service("show", "--user", "--json")[1])
    assert shape["unit"] == str(unit) and shape["state"] == "unknown"
    code, out, _ = service("uninstall", "--user")
    assert (code, out) == (0, f"removed: {unit}\n")
    assert list(place.iterdir()) == [] and bundle.is_file()
    assert service("uninstall", "--user")[0] == service("show", "--user")[0] == 3


def test_nobody_elses_unit_is_touched(
    place: Path, make_bundle: MakeBundle, tmp_path: Path, service: Callable[..., Ran]
) -> None:
    place.mkdir(parents=True)
    own = place / "nginx.service"
    own.write_text("[Service]\nExecStart=/bin/true\n")
    bundle = make_bundle(tmp_path)
    code, _, err = service("install", bundle, "--user", "--name", "nginx")
    assert code == 2 and "somebody else" in err
    assert service("uninstall", "--user", "--name", "nginx")[0] == 3
    assert own.read_text() == "[Service]\nExecStart=/bin/true\n"


def test_with_now_it_is_started_and_what_systemd_says_is_told(
    place: Path, make_bundle: MakeBundle, tmp_path: Path, service: Callable[..., Ran]
) -> None:
    tool = tmp_path / "bin" / "systemctl"
    tool.write_text(
        f'#!/bin/sh\necho "$*" >> "{tmp_path}/said"\n'
        f'[ "$2" != enable ] || [ ! -e "{tmp_path}/broken" ] || {{ echo no >&2; exit 1; }}\n'
        '[ "$2" != is-active ] || echo active\n'
    )
    tool.chmod(0o755)
    bundle = make_bundle(tmp_path)
    assert service("install", bundle, "--user")[0] == 0
    assert not (tmp_path / "said").exists()
    assert service("install", bundle, "--user", "--now")[:2] == (
        0,
        f"started: {place / 'tellapart.service'}\n",
    )
    assert (tmp_path / "said").read_text().splitlines() == [
        "--user daemon-reload",
        "--user enable --now tellapart.service",
    ]
    assert "it was running" in service("uninstall", "--user")[1]
    assert (tmp_path / "said").read_text().splitlines()[2:] == [
        "--user is-active tellapart.service",
        "--user disable --now tellapart.service",
        "--user daemon-reload",
    ]
    (tmp_path / "broken").touch()
    code, _, err = service("install", bundle, "--user", "--now")
    assert code == 1 and "failed: no" in err and "journalctl --user -u tellapart" in err


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--name", "a/b"), 2, "--name"),
        (("--name", ""), 2, "--name"),
        (("--memory", "lots"), 2, "--memory"),
        (("--cpus", "0"), 2, "--cpus"),
        (("--run-as", "alice"), 2, "--run-as"),
        (("--option=--prot=1",), 2, "'--prot'"),
        (("--option", "words"), 2, "'words'"),
        (("--option=--port=abc",), 2, "--port=abc"),
        (("--option=--watch",), 2, "'--watch'"),
        (("--option=--engine", "--option=--no-urls"), 2, "'--engine'"),
        (("--option=--no-urls=yes",), 2, "--no-urls"),
        (("--option=--drain=0",), 2, "drain"),
        (("--option=--log=much",), 2, "'much'"),
        (("--option=--help",), 2, "'--help'"),
        (("none.zip",), 3, "none.zip"),
    ],
)
def test_what_cannot_be_a_service(
    words: tuple[str, ...],
    code: int,
    says: str,
    place: Path,
    make_bundle: MakeBundle,
    tmp_path: Path,
    service: Callable[..., Ran],
) -> None:
    found = service("install", make_bundle(tmp_path), "--user", *words)
    assert found[0] == code and says in found[2]
    assert "do next:" in found[2] and not place.exists()


def test_a_damaged_bundle_is_refused(
    place: Path, make_bundle: MakeBundle, tmp_path: Path, service: Callable[..., Ran]
) -> None:
    bundle = make_bundle(tmp_path)
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 255
    bundle.write_bytes(data)
    assert service("install", bundle, "--user")[0] == 8
    assert not place.exists()


@pytest.mark.parametrize("abstract", [False, True])
def test_notify_reaches_systemds_socket(
    abstract: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"@tellapart-{os.getpid()}-{id(tmp_path)}" if abstract else str(tmp_path / "notify")
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not systemd.notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    assert not systemd.notify("READY=1")  # nobody listens
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.settimeout(5)
        channel.bind(name.replace("@", "\0", 1) if abstract else name)
        assert systemd.notify("READY=1\nSTATUS=Serves pömes")
        assert channel.recv(1000) == "READY=1\nSTATUS=Serves pömes".encode()
    monkeypatch.setenv("NOTIFY_SOCKET", "vsock:2:1")
    assert not systemd.notify("READY=1")


def test_the_watchdogs_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    for microseconds, pid, expected in [
        ("30000000", str(os.getpid()), 30.0),
        ("1500000", "", 1.5),
        ("1500000", "1", None),
        ("", "", None),
        ("0", "", None),
        ("x", "", None),
        ("5", "x", None),
    ]:
        monkeypatch.setenv("WATCHDOG_USEC", microseconds)
        monkeypatch.setenv("WATCHDOG_PID", pid)
        assert systemd.watchdog_interval() == expected
