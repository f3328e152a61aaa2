"""The app as a person starts it: one command, a real server, a real worker."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks.running_app import App, running
from tellapart.cli import main
from tellapart.demo.drawing import write_folder
from tellapart.store.backup import MANIFEST

#: Only a bound: on a quiet machine nothing here takes ten seconds.
PATIENCE = 400.0


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    home = tmp_path_factory.mktemp("up") / "home"
    with running(home, env={"TELLAPART_WORKER_NICE": "3"}) as app:
        yield app


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    write_folder(folder, ["apple", "star"], 10)
    return folder


def _ask(app: App, path: str, body: Any = None, **headers: str) -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers |= {"Content-Type": "application/json"} if data else {}
    request = urllib.request.Request(app.url + path, data, headers)
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.loads(answer.read())


def _until(wanted: Callable[[], Any], what: str) -> Any:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if found := wanted():
            return found
        time.sleep(0.2)
    raise AssertionError(f"waited in vain for {what}")


def _workers(app: App) -> list[psutil.Process]:
    found = []
    for child in psutil.Process(app.process.pid).children():
        with contextlib.suppress(psutil.Error):
            if "tellapart.runtime.child" in child.cmdline():
                found.append(child)
    return found


@pytest.mark.slow
def test_a_run_outlives_its_worker_and_is_shown(app: App, pictures: Path) -> None:
    with urllib.request.urlopen(app.url, timeout=PATIENCE) as answer:
        page = answer.read().decode()
        assert answer.status == 200 and "<title>" in page
    run = _ask(app, "/api/v1/runs", {"recipe": {"name": "drawn", "data": str(pictures)}})

    def now() -> Any:
        return _ask(app, f"/api/v1/runs/{run['id']}")

    _until(lambda: now()["state"] == "running", "the worker to take the run")
    (worker,) = _workers(app)
    assert worker.nice() == 3, "pages come first"
    worker.kill()
    again = _until(
        lambda: [each for each in _workers(app) if each.pid != worker.pid], "another worker"
    )
    assert len(again) == 1
    done = _until(lambda: now() if now()["state"] in ("done", "failed") else None, "the end")
    assert done["state"] == "done", done["error"]
    assert done["attempt"] == 2
    assert done["result"]["version"] == 1
    assert "another one takes over" in app.log.read_text()
    with urllib.request.urlopen(f"{app.url}/runs/{run['id']}", timeout=PATIENCE) as answer:
        assert "drawn" in answer.read().decode()


def test_a_backup_is_written_while_it_runs(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TELLAPART_HOME", str(app.home))
    file = tmp_path / "b.zip"
    assert main(["backup", str(file), "--json"]) == 0
    entries = json.loads(zipfile.ZipFile(file).read(MANIFEST))["entries"]
    assert "database.sqlite" in entries
    assert ("runs.sqlite" in entries) == (app.home / "runs.sqlite").exists()
    capsys.readouterr()
    assert main(["restore", str(file), "--yes"]) == 10, "not beneath a running server"
    assert "in use" in capsys.readouterr().err

    monkeypatch.setenv("TELLAPART_HOME", str(tmp_path / "there"))
    assert main(["restore", str(file)]) == 0
    capsys.readouterr()
    assert main(["list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["projects"]
    there = [each["name"] for each in _ask(app, "/api/v1/projects")["items"]]
    assert sorted(each["name"] for each in listed) == there


def test_a_port_that_is_taken_is_told_at_once(
    app: App, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["up", "--no-browser", f"--port={app.url.rpartition(':')[2]}"]) == 2
    said = capsys.readouterr().err
    assert "cannot be listened on" in said and "--port" in said
    assert not home.exists()


def test_other_hosts_are_refused(app: App) -> None:
    for host in ("evil.example", "127.0.0.1:1", f"evil.example:{app.url.rpartition(':')[2]}"):
        with pytest.raises(urllib.error.HTTPError) as raised:
            _ask(app, "/api/v1/projects", Host=host)
        assert raised.value.code in (400, 403, 421)
    port = app.url.rpartition(":")[2]
    assert _ask(app, "/api/v1/health", Host=f"localhost:{port}")["state"] in ("ok", "warning")


def test_systemd_hears_of_it_and_sigterm_ends_all_of_it(tmp_path: Path) -> None:
    place = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(place)
        notified.settimeout(PATIENCE)
        with running(tmp_path / "home", env={"NOTIFY_SOCKET": place}) as app:
            assert notified.recv(100) == b"READY=1"
            (worker,) = _until(lambda: _workers(app), "the worker")
            family = [worker, *worker.children(recursive=True)]
            app.process.send_signal(signal.SIGTERM)
            assert notified.recv(100) == b"STOPPING=1"
            assert app.process.wait(PATIENCE) == 0
    assert not psutil.wait_procs(family, PATIENCE)[1]


def test_nobody_outlives_a_server_that_was_killed(tmp_path: Path) -> None:
    with running(tmp_path / "home") as app:
        workers = _until(lambda: _workers(app), "the worker")
        app.process.kill()
        assert app.process.wait(PATIENCE) == -signal.SIGKILL
        assert not psutil.wait_procs(workers, PATIENCE)[1]
        # And the home may be used again at once.
        with running(tmp_path / "home", "--workers=0") as again:
            assert _ask(again, "/api/v1/health")["state"] in ("ok", "warning")


def test_for_others_it_asks_who_comes_and_prints_the_first_link(tmp_path: Path) -> None:
    url = "https://tellapart.example.org"
    with running(
        tmp_path / "home", "--behind-proxy", "--workers=0", env={"TELLAPART_URL": url}
    ) as app:
        assert app.url == url
        log = _until(lambda: f"{url}/first/" in app.log.read_text() and app.log.read_text(), "it")
        (line,) = [line for line in log.splitlines() if "It listens on" in line]
        here = App(line.split()[3].rstrip(";"), app.home, app.process, app.log)
        for path in ("/api/v1/projects", "/api/v1/runs"):
            with pytest.raises(urllib.error.HTTPError) as raised:
                _ask(here, path, Host="tellapart.example.org")
            assert raised.value.code == 401
        for name in ("secret.key", "tellapart.sqlite"):
            assert (app.home / name).stat().st_mode & 0o077 == 0, "not for others of this machine"


def test_a_database_that_does_not_answer_is_told_in_three_parts(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "TELLAPART_DATABASE_URL": "postgresql://a:hidden@127.0.0.1:1/b",
        "TELLAPART_HOME": str(tmp_path / "home"),
    }
    command = [sys.executable, "-m", "tellapart", "up", "--no-browser", "--port=0"]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 7
    assert "expected:" in done.stderr and "TELLAPART_DATABASE_URL" in done.stderr
    assert "hidden" not in done.stderr
