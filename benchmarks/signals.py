"""A network's run as a process that reads along sees it: stopped, and killed, in its second epoch.

The older program's `mnist_cnn.json`, unchanged, on MNIST. Its standard output is read line by line.
Each of the three signals must come when what it says is true and what follows has not begun. Ctrl-C
in epoch 2 must lead to a verified bundle marked as unfinished; a run killed there must never say
compiled, and the same command must go on from the epochs that were done.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import main, need, tellapart, timed

#: In the order in which they must come.
SIGNALS = ("built", "trained", "compiled")
_WAIT = 600.0


def mnist_cnn(small: bool) -> dict[str, Any]:
    """The older program's first example; `small`: the same layers on scikit-learn's digits."""
    layers: tuple[dict[str, Any], ...] = (
        {"layer": "Conv2DLyr", "filters": 32, "kernel_size": "(3, 3)", "activation": "relu"},
        {"layer": "Conv2DLyr", "filters": 64, "kernel_size": "(3, 3)", "activation": "relu"},
        {"layer": "MaxPooling2DLyr", "pool_size": "(2, 2)"},
        {"layer": "DropoutLyr", "rate": 0.25},
        {"layer": "FlattenLyr"},
        {"layer": "DenseLyr", "units": 128, "activation": "relu"},
        {"layer": "DropoutLyr", "rate": 0.5},
        {"layer": "DenseLyr", "units": 10, "activation": "softmax"},
    )
    return {
        "model": {
            "model_name": "simple CNN",
            "num_layers": len(layers),
            "optimizer": "Adadelta",
            "input_layer": {"dim": "(8, 8, 1)" if small else "(28, 28, 1)"},
            **{f"layer_{number}": layer for number, layer in enumerate(layers)},
        },
        "dataset": {
            "name": "digits" if small else "MNIST",
            "metrics": ["accuracy"],
            "epochs": 60 if small else 12,
            "batch_size": 32,
            "loss": "mse",
        },
    }


class Reader:
    """Reads a run's standard output as it comes, and notes when each line came."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        #: (seconds since the epoch, the line as JSON)
        self.lines: list[tuple[float, dict[str, Any]]] = []
        self.err: list[str] = []
        self._came = threading.Condition()
        self._threads = [
            threading.Thread(target=work, daemon=True) for work in (self._read, self._drain)
        ]
        for thread in self._threads:
            thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._came:
                self.lines.append((time.time(), json.loads(line)))
                self._came.notify_all()

    def _drain(self) -> None:
        assert self.process.stderr is not None
        self.err.extend(self.process.stderr)

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for the first line that is `wanted`. Raises RuntimeError where it never comes."""
        deadline = time.monotonic() + _WAIT
        with self._came:
            while True:
                found = [line for _, line in self.lines if wanted(line)]
                if found:
                    return found[0]
                if not self._threads[0].is_alive() or time.monotonic() > deadline:
                    raise RuntimeError(f"never came: {self.lines} {''.join(self.err)}")
                self._came.wait(0.2)

    def end(self) -> int:
        """Wait for the end of the process; its exit code."""
        code = self.process.wait(_WAIT)
        for thread in self._threads:
            thread.join(30)
        return code

    def events(self, name: str) -> list[dict[str, Any]]:
        return [line for _, line in self.lines if line.get("event") == name]

    @property
    def signals(self) -> list[str]:
        return [line["event"] for _, line in self.lines if line.get("event") in SIGNALS]

    @property
    def result(self) -> dict[str, Any]:
        return self.lines[-1][1]

    def came(self, name: str) -> float:
        """When the first line of this event came, in seconds since the epoch."""
        return next(at for at, line in self.lines if line.get("event") == name)


@contextlib.contextmanager
def reading(command: list[str], environment: dict[str, str], **options: Any) -> Iterator[Reader]:
    """The run of `command`, killed where the block ends before it."""
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
    try:
        yield Reader(process)
    finally:
        process.kill()
        process.wait()


def epoch_from(number: int) -> Callable[[dict[str, Any]], bool]:
    """Whether a line is the end of this epoch or of a later one."""
    return lambda line: line.get("event") == "epoch" and line["epoch"] >= number


def manifest(bundle: str) -> dict[str, Any]:
    with zipfile.ZipFile(bundle) as archive:
        shape: dict[str, Any] = json.loads(archive.read("manifest.json"))
    return shape


def flushed(reader: Reader, home: Path) -> bool:
    """Whether each signal came before what follows it was written."""
    name = reader.result["name"]
    work = home / "projects" / name / "work"
    version = home / "projects" / name / "versions" / Path(reader.result["bundle"]).name
    after = (work / "outcome.safetensors", work / "model.onnx", version)
    return all(
        reader.came(word) < path.stat().st_mtime for word, path in zip(SIGNALS, after, strict=True)
    )


def _stopped(command: list[str], environment: dict[str, str], home: Path) -> dict[str, Any]:
    """Ctrl-C in epoch 2."""
    # A shell that starts this in the background has its children ignore Ctrl-C.
    heed = functools.partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    with reading(command, environment, start_new_session=True, preexec_fn=heed) as reader:
        reader.until(epoch_from(1))
        time.sleep(0 if reader.events("epoch")[0]["seconds"] < 2 else 1)  # well within epoch 2
        pressed = time.time()
        os.killpg(reader.process.pid, signal.SIGINT)
        code = reader.end()
    ended = time.time()
    if code:
        raise RuntimeError("".join(reader.err))
    verified, _ = timed(tellapart("verify", reader.result["bundle"]), env=environment)
    return {
        "exit_code": code,
        "signals": reader.signals,
        "each_came_before_what_follows": flushed(reader, home),
        "whole_epochs": len(reader.events("epoch")),
        "epoch_s": round(reader.events("epoch")[0]["seconds"], 2),
        "marked_unfinished": manifest(reader.result["bundle"])["finished"] is False
        and reader.events("trained")[0]["finished"] is False,
        "verified": verified > 0,
        "test_accuracy": reader.result["metrics"]["accuracy"],
        "from_ctrl_c_to_trained_s": round(reader.came("trained") - pressed, 2),
        "from_ctrl_c_to_bundle_s": round(ended - pressed, 2),
    }


def _killed(command: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """SIGKILL in epoch 2, then the same command, which `tellapart stop` ends."""
    with reading(command, environment) as reader:
        reader.until(epoch_from(1))
        reader.process.kill()
        reader.end()
    said = reader.signals
    with reading(command, environment) as again:
        first = again.until(epoch_from(1))["epoch"]
        timed(tellapart("stop", "simple-cnn"), env=environment)
        code = again.end()
    if code:
        raise RuntimeError("".join(again.err))
    return {
        "signals": said,
        "next_run": {
            "goes_on_with_epoch": first,
            "signals": again.signals,
            "marked_unfinished": manifest(again.result["bundle"])["finished"] is False,
        },
    }


def run(data: Path, small: bool) -> dict[str, Any]:
    environment = dict(os.environ)
    if not small:
        environment["TELLAPART_DATASETS"] = str(need(data / "mnist"))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        spec = folder / "mnist_cnn.json"
        spec.write_text(json.dumps(mnist_cnn(small), indent=2), encoding="utf-8")
        command = tellapart("run", str(spec), "--json")
        homes = {name: folder / name for name in ("stopped", "killed")}
        places = {
            name: {**environment, "TELLAPART_HOME": str(home)} for name, home in homes.items()
        }
        return {
            "spec": "mnist_cnn.json" + (" on digits" if small else ""),
            "stopped": _stopped(command, places["stopped"], homes["stopped"]),
            "killed": _killed(command, places["killed"]),
        }


if __name__ == "__main__":
    main(run)
