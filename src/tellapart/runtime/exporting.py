"""Core ML of a model of pictures: no bundle holds it, so it is made when somebody first asks.

In a process of its own (it loads torch) that is polite to pages, one at a time, once for each
bundle by its content.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from importlib.util import find_spec
from pathlib import Path
from threading import Lock, Thread, Timer
from typing import Any

from tellapart.bundle.manifest import HEAD_FORMAT
from tellapart.errors import DataError, OverloadedError, TellapartError, WorkerError
from tellapart.settings import Settings

#: Seconds that a request waits; it goes on being made, and who asks again finds it.
PATIENCE = 90.0
#: Seconds that the making may take.
_LIMIT = 900.0
_WEIGHTS = "weights.safetensors"

#: One at a time is made.
_turn = Lock()
_lock = Lock()
_under_way: dict[Path, Future[Path]] = {}


def can_make(manifest: Mapping[str, Any], names: Collection[str]) -> bool:
    """Whether Core ML can be made here of a bundle with these files that holds none."""
    backbone = manifest.get("backbone") or {}
    fits = manifest.get("format") == HEAD_FORMAT and _WEIGHTS in names and backbone.get("timm")
    # As the exporter has it: of one network with a linear head.
    fits = fits and not backbone.get("parts") and backbone.get("classifier", "classifier")
    return bool(fits) and all(map(find_spec, ("torch", "timm", "coremltools")))


def core_ml(settings: Settings, bundle: Path, digest: str) -> Path:
    """A zip with the `.mlpackage` of a bundle with that SHA-256, kept in the cache.

    Raises `DataError` where there can be none, `OverloadedError` while it is being made.
    """
    target = settings.cache_dir / "members" / digest[:32] / "coreml.zip"
    if target.is_file():
        return target
    with _lock:
        future = _under_way.get(target)
        if future is None:
            future = _under_way[target] = Future()
            # Of the daemon kind: the server's end does not wait for it.
            Thread(target=_work, args=(future, bundle, target), daemon=True).start()
    try:
        return future.result(PATIENCE)
    except TimeoutError:
        raise OverloadedError(
            "The Core ML model is being made.",
            expected="a minute or two, once for each version",
            do="Ask again in a while.",
            retry_after=15.0,
        ) from None


def _work(future: Future[Path], bundle: Path, target: Path) -> None:
    try:
        with _turn:
            future.set_result(_made(bundle, target))
    except BaseException as error:  # told to all who wait
        future.set_exception(error)
    finally:
        with _lock:
            _under_way.pop(target, None)


def _made(bundle: Path, target: Path) -> Path:
    folder = target.with_name(f".coreml-{os.getpid()}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        _exported(bundle, folder)
        partial = folder / "coreml.zip"
        with zipfile.ZipFile(partial, "w") as archive:
            for file in sorted(p for p in folder.rglob("*") if p.is_file() and p != partial):
                name = file.relative_to(folder).as_posix()
                archive.writestr(zipfile.ZipInfo(name), file.read_bytes())
        partial.replace(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return target


def _exported(bundle: Path, folder: Path) -> None:
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(p for p in (root, os.environ.get("PYTHONPATH", "")) if p)
    command = [sys.executable, "-P", "-m", "tellapart.runtime.exporting", str(bundle), str(folder)]
    with subprocess.Popen(  # noqa: S603 - our own program, on a bundle of ours
        command,
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.PIPE,  # its end tells the child that the server has gone
        stdout=subprocess.PIPE,
    ) as process:
        late = Timer(_LIMIT, process.kill)
        late.start()
        try:
            said = process.stdout.read() if process.stdout else b""
            code = process.wait()
        finally:
            late.cancel()
    if code:
        with contextlib.suppress(ValueError, KeyError, IndexError):
            error = json.loads(said.splitlines()[-1])["error"]
            raise DataError(error["what"], expected=error["expected"], do=error["do"])
        raise _failed(f"ended with {code}")


def _failed(how: str) -> WorkerError:
    return WorkerError(
        f"The process that was to make the Core ML model {how}.",
        expected="a model",
        do="Look at the server's memory; or run `tellapart export` on the bundle.",
    )


def main(bundle: str, folder: str) -> int:
    """Export one bundle; the last line of what fails is its error as JSON."""
    from tellapart import registry
    from tellapart.bundle import Bundle

    with contextlib.suppress(OSError):
        os.nice(Settings.from_env().worker_nice)
    Thread(target=_end_with_the_parent, daemon=True).start()
    try:
        registry.load("exporter", "coreml")().export(Bundle.load(bundle), Path(folder))
    except TellapartError as error:
        sys.stdout.write(json.dumps(error.to_dict()) + "\n")
        return 1
    return 0


def _end_with_the_parent() -> None:
    # Unbuffered: a thread that holds the buffer at the end makes the interpreter abort.
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os._exit(1)


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:3]))
