"""The spawned worker: errors come back whole, its death is told, and it leaves no orphan."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from tellapart.catalog import Catalog
from tellapart.errors import DataError, NotFoundError, WorkerError
from tellapart.settings import Settings
from tellapart.store.database import open_database
from tellapart.worker import Worker


def _ended(pid: int, seconds: float = 10) -> bool:
    for _ in range(int(seconds / 0.05)):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def _slow_step(folder: Path) -> None:
    """A package found before ours whose `curate` step prints, reports and then sleeps."""
    (folder / "sitecustomize.py").write_text(
        textwrap.dedent(
            """
            import sys, types, time, os
            def run(context):
                print("a library that prints")
                from tellapart.steps import Progress
                context.progress(Progress("curate", 1, 2, str(os.getpid())))
                time.sleep(60)
            module = types.ModuleType("tellapart.steps.curate")
            module.run = run
            sys.modules["tellapart.steps.curate"] = module
            """
        )
    )


@pytest.fixture
def project(settings: Settings) -> str:
    Catalog.create(open_database(settings), "pets", {"classes": ["cat", "dog"], "name": "pets"})
    return "pets"


def test_an_error_of_ours_comes_back_whole(settings: Settings, project: str) -> None:
    worker = Worker(settings, "nobody")
    try:
        with pytest.raises(NotFoundError, match="nobody") as caught:
            worker.run("split", lambda _: None)
        assert caught.value.do
    finally:
        worker.close()


def test_nothing_is_imported_from_where_the_command_is_given(
    settings: Settings, project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of pictures from a stranger may hold a `sklearn.py` too."""
    for name in ("sklearn", "openvino", "sqlalchemy", "queue"):
        (tmp_path / f"{name}.py").write_text("open('imported', 'w').close()\n")
    monkeypatch.chdir(tmp_path)
    worker = Worker(settings, project)
    try:
        with pytest.raises(DataError, match="No picture is kept"):
            worker.run("split", lambda _: None)
    finally:
        worker.close()
    assert not (tmp_path / "imported").exists()


def test_an_unforeseen_error_says_how_to_see_more(settings: Settings, project: str) -> None:
    worker = Worker(settings, project)
    try:
        with pytest.raises(WorkerError, match="ModuleNotFoundError") as caught:
            worker.run("nonsense", lambda _: None)
        assert "TELLAPART_DEBUG" in caught.value.do
    finally:
        worker.close()


def test_a_killed_worker_is_told_with_its_signal(
    settings: Settings, project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _slow_step(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    worker = Worker(settings, project)
    try:
        with pytest.raises(WorkerError, match="SIGKILL during curate"):
            worker.run("curate", lambda event: os.kill(int(event.note), signal.SIGKILL))
    finally:
        worker.close()


def test_close_ends_a_worker_amid_a_step(
    settings: Settings, project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _slow_step(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    worker = Worker(settings, project)
    pids: list[int] = []

    def stop(event: object) -> None:
        pids.append(int(getattr(event, "note")))  # noqa: B009 - typed as object on purpose
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        worker.run("curate", stop)
    worker.close()
    assert _ended(pids[0])


def test_a_killed_parent_leaves_no_orphan(
    settings: Settings, project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also: a script without an `if __name__ == "__main__"` guard can start the worker."""
    _slow_step(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    script = tmp_path / "script.py"
    script.write_text(
        "from tellapart.settings import Settings\n"
        "from tellapart.worker import Worker\n"
        f"Worker(Settings.from_env(), {project!r})"
        ".run('curate', lambda event: print(event.note, flush=True))\n"
    )
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert psutil.pid_exists(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert _ended(pid)
