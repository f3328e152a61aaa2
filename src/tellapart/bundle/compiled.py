"""A model in OpenVINO: compiled once, kept between starts, for batches of known sizes.

A model compiled for one size of batch answers a tenth faster than one for any size, in less
memory: its buffers are planned beforehand. So a batch is answered in parts of two sizes, single
pictures and `batch` together.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np

#: Stands for batches of any size.
_ANY = 0


class Compiled:
    """One ONNX file for OpenVINO's CPU; `run` may be called from many threads at once."""

    def __init__(
        self, openvino: Any, model: bytes, hints: dict[str, Any], keep: Path | None, batch: int
    ) -> None:
        """Compile `model` (what OpenVINO raises is not caught), or load what was kept in `keep`.

        `batch`: pictures that will often come together; 0: nothing is known of that.
        """
        self._openvino = openvino
        self._core = openvino.Core()
        self._hints = hints
        self._lock = threading.Lock()
        self._local = threading.local()  # one request a thread: a shared one is often "busy"
        #: Largest first.
        self._sizes = sorted({1, batch}, reverse=True) if batch else [_ANY]
        self._ready: dict[int, Any] = {}
        #: Open files: what they hold stays readable when the cache is emptied meanwhile.
        self._files: dict[int, int] = {}
        for size in reversed(self._sizes):
            self._load(model, size, keep)

    def run(self, pictures: np.ndarray, outputs: list[str]) -> dict[str, np.ndarray]:
        """The named outputs of a batch of any size."""
        if self._sizes == [_ANY]:
            return self._infer(_ANY, pictures, outputs)
        parts = []
        done = 0
        while done < len(pictures):
            size = self._size(len(pictures) - done)
            parts.append(self._infer(size, pictures[done : done + size], outputs))
            done += size
        if len(parts) == 1:
            return parts[0]
        return {name: np.concatenate([part[name] for part in parts]) for name in outputs}

    def _size(self, left: int) -> int:
        """The largest size for so many pictures whose model is there; single ones always are.

        The larger model is loaded when it is first asked for, for where pictures come alone it
        would be memory for nothing.
        """
        with self._lock:
            for size in self._sizes:
                if size > left:
                    continue
                if size not in self._ready:
                    found = _import(self._core, self._files[size], self._hints)
                    if found is None:  # somebody wrote into the file: go on with what is at hand
                        self._sizes = [other for other in self._sizes if other != size]
                        continue
                    self._ready[size] = found
                return size
        raise RuntimeError("no model is left for single pictures")

    def _infer(self, size: int, pictures: np.ndarray, outputs: list[str]) -> dict[str, np.ndarray]:
        requests: dict[int, Any] = self._local.__dict__.setdefault("requests", {})
        request = requests.get(size)
        if request is None:
            request = requests[size] = self._ready[size].create_infer_request()
        request.infer([pictures])
        return {name: request.get_tensor(name).data.copy() for name in outputs}

    def _load(self, model: bytes, size: int, keep: Path | None) -> None:
        file = None if keep is None else keep / f"{self._name(model, size)}.blob"
        later = size > 1 and file is not None
        if file is not None and self._take(file, size, later):
            return
        network = self._core.read_model(model)
        if size != _ANY:
            entry = network.input(0)
            sides = [side.get_length() for side in list(entry.get_partial_shape())[1:]]
            network.reshape([size, *sides])
        made = self._core.compile_model(network, "CPU", self._hints)
        kept = file is not None and _keep(made, file)
        if not (kept and later and file is not None and self._take(file, size, later)):
            self._ready[size] = made

    def _take(self, file: Path, size: int, later: bool) -> bool:
        """Load the model in `file`, or with `later` hold the file open; whether it is whole."""
        with contextlib.suppress(OSError):
            opened = os.open(file, os.O_RDONLY | getattr(os, "O_BINARY", 0))
            found = _import(self._core, opened, self._hints, check=later)
            if later and found is not None:
                self._files[size] = opened
                weakref.finalize(self, os.close, opened)
                return True
            os.close(opened)
            if found is not None:
                self._ready[size] = found
                return True
        return False

    def _name(self, model: bytes, size: int) -> str:
        """What a compiled model depends on, as a hash."""
        processor = self._core.get_property("CPU", "FULL_DEVICE_NAME")
        able = sorted(self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
        precision = self._hints["INFERENCE_PRECISION_HINT"]
        of = "\0".join([self._openvino.get_version(), processor, *able, precision, str(size), ""])
        return hashlib.sha256(of.encode() + model).hexdigest()


def _import(core: Any, opened: int, hints: dict[str, Any], *, check: bool = False) -> Any:
    """The compiled model in an open file (True with `check`); None: it is damaged.

    Beside a compilation this takes a ninth of the time and 20 MB less memory. OpenVINO's own
    `CACHE_DIR` reads the ONNX file first, and has one file for all precisions.
    """
    with contextlib.suppress(Exception):  # a cache that cannot be used is no fault
        with open(opened, "rb", closefd=False) as file:
            file.seek(0)
            data = file.read()
        if hashlib.sha256(memoryview(data)[32:]).digest() == data[:32]:
            return True if check else core.import_model(data[32:], "CPU", hints)
    return None


def _keep(compiled: Any, file: Path) -> bool:
    """Write a compiled model for the next start, whole or not at all; whether that went well."""
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    with contextlib.suppress(Exception):
        file.parent.mkdir(parents=True, exist_ok=True)
        stream = io.BytesIO()
        compiled.export_model(stream)
        data = stream.getvalue()
        part.write_bytes(hashlib.sha256(data).digest() + data)
        part.replace(file)
        return True
    with contextlib.suppress(OSError):
        part.unlink(missing_ok=True)
    return False
