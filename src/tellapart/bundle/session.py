"""One model in one engine: ONNX Runtime, or OpenVINO where it is wanted."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from tellapart import telemetry
from tellapart.errors import InputError, MissingExtraError, VerificationError

EngineName = Literal["onnxruntime", "openvino"]
#: Numbers that the engine computes with; what goes in and comes out is the same for all.
Precision = Literal["f32", "bf16", "f16"]
Device = Literal["cpu", "cuda"]


class Session:
    """One model in one engine; `run` may be called from many threads at once."""

    def __init__(
        self,
        model: bytes,
        *,
        engine: str = "onnxruntime",
        threads: int = 0,
        precision: str = "f32",
        device: str = "cpu",
        cache_dir: Path | None = None,
    ) -> None:
        """Load the ONNX file `model`.

        `threads` for inference; 0: as many as cores. `precision` other than f32 is OpenVINO's
        alone, `device` cuda is ONNX Runtime's. `cache_dir`: where OpenVINO keeps models that it
        has compiled, to start sooner and in less memory. Raises `InputError` for other
        words, `MissingExtraError` where the engine or the device is not there, and
        `VerificationError` for a model that cannot be loaded.
        """
        _check(engine, precision, device)
        self.engine, self.precision, self.device = engine, precision, device
        if engine == "onnxruntime":
            self._run, self.metadata = _onnxruntime(model, threads, device)
        else:
            self._run, self.metadata = _openvino(model, threads, precision, cache_dir)

    def run(self, batch: np.ndarray, outputs: Sequence[str]) -> dict[str, np.ndarray]:
        """The named outputs of a uint8 batch N×H×W×3 (RGB). Raises `VerificationError`."""
        try:
            return self._run(np.ascontiguousarray(batch), list(outputs))
        except Exception as error:
            raise bad_model(f"does not run ({_first_line(error)})") from error


_Run = Callable[[np.ndarray, list[str]], dict[str, np.ndarray]]


def _check(engine: str, precision: str, device: str) -> None:
    for word, value, known in (
        ("engine", engine, get_args(EngineName)),
        ("precision", precision, get_args(Precision)),
        ("device", device, get_args(Device)),
    ):
        if value not in known:
            raise InputError(
                f"The {word} is {value!r}.",
                expected=", ".join(known[:-1]) + f" or {known[-1]}",
                do="Choose one of them.",
            )
    if engine == "onnxruntime" and precision != "f32":
        raise InputError(
            f"The precision is {precision!r}, and the engine is onnxruntime.",
            expected="f32, with which ONNX Runtime computes on a CPU",
            do="Take the engine openvino, or the precision f32.",
        )
    if engine == "openvino" and device != "cpu":
        raise InputError(
            f"The device is {device!r}, and the engine is openvino.",
            expected="the engine onnxruntime, which computes on it",
            do="Take the engine onnxruntime, or the device cpu.",
        )


def _onnxruntime(model: bytes, threads: int, device: str) -> tuple[_Run, dict[str, str]]:
    telemetry.off()
    try:
        import onnxruntime
    except ImportError as error:
        raise _missing("onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # Waiting threads would otherwise burn the cores that decode the next batch.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = ["CPUExecutionProvider"]
    if device == "cuda":
        if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
            raise _no_cuda("this onnxruntime was built without it")
        providers.insert(0, "CUDAExecutionProvider")
    try:
        session = onnxruntime.InferenceSession(model, options, providers=providers)
        name = session.get_inputs()[0].name
    except Exception as error:
        raise bad_model(f"cannot be loaded ({_first_line(error)})") from error
    # It would hold the file's bytes for as long as it lives, to open itself anew when asked to.
    session._model_bytes = None
    if device == "cuda" and "CUDAExecutionProvider" not in session.get_providers():
        # Without a driver or its libraries it falls back to the CPU and says so only in a log.
        raise _no_cuda("no NVIDIA device, driver or CUDA library is found")

    def run(batch: np.ndarray, outputs: list[str]) -> dict[str, np.ndarray]:
        return dict(zip(outputs, session.run(outputs, {name: batch}), strict=True))

    return run, dict(session.get_modelmeta().custom_metadata_map)


def _openvino(
    model: bytes, threads: int, precision: str, cache_dir: Path | None
) -> tuple[_Run, dict[str, str]]:
    telemetry.off()
    try:
        import openvino
    except ImportError as error:
        raise _missing("openvino") from error
    # On some processors the default is bfloat16, which moves probabilities by up to 0.09.
    hints: dict[str, Any] = {"INFERENCE_PRECISION_HINT": precision}
    if threads:
        hints["INFERENCE_NUM_THREADS"] = threads
    core = openvino.Core()
    kept: Path | None = None
    if cache_dir is not None:
        processor = core.get_property("CPU", "FULL_DEVICE_NAME")
        of = f"{openvino.get_version()}\0{processor}\0{precision}\0".encode()
        kept = cache_dir / f"{hashlib.sha256(of + model).hexdigest()}.blob"
    compiled = None if kept is None else _import_kept(core, kept, hints)
    if compiled is None:
        try:
            compiled = core.compile_model(core.read_model(model), "CPU", hints)
        except Exception as error:
            raise bad_model(f"cannot be loaded ({_first_line(error)})") from error
        if kept is not None:
            _keep(compiled, kept)
    local = threading.local()  # one request a thread: a shared one is "busy" half of the time

    def run(batch: np.ndarray, outputs: list[str]) -> dict[str, np.ndarray]:
        if not hasattr(local, "request"):
            local.request = compiled.create_infer_request()
        local.request.infer([batch])
        return {name: local.request.get_tensor(name).data.copy() for name in outputs}

    return run, {}


def _import_kept(core: Any, kept: Path, hints: dict[str, Any]) -> Any:
    """A compiled model that was kept; None where there is none, or it is damaged.

    Beside a compilation this takes a ninth of the time and 20 MB less memory. OpenVINO's own
    `CACHE_DIR` reads the ONNX file first, and one file for all precisions.
    """
    with contextlib.suppress(Exception):  # a cache that cannot be used is no fault
        data = kept.read_bytes()
        if hashlib.sha256(data[32:]).digest() == data[:32]:
            return core.import_model(data[32:], "CPU", hints)
    return None


def _keep(compiled: Any, kept: Path) -> None:
    """Write a compiled model for the next start, whole or not at all."""
    part = kept.with_name(f".{kept.name}.{os.getpid()}.part")
    with contextlib.suppress(Exception):
        kept.parent.mkdir(parents=True, exist_ok=True)
        stream = io.BytesIO()
        compiled.export_model(stream)
        data = stream.getvalue()
        part.write_bytes(hashlib.sha256(data).digest() + data)
        part.replace(kept)
    with contextlib.suppress(OSError):
        part.unlink(missing_ok=True)


def _no_cuda(what: str) -> MissingExtraError:
    return MissingExtraError(
        f"The device is 'cuda', and ONNX Runtime cannot use it: {what}.",
        expected="onnxruntime-gpu, an NVIDIA device and its CUDA libraries",
        do="Run `pip install onnxruntime-gpu` in its place, or take the device cpu.",
    )


def bad_model(what: str) -> VerificationError:
    return VerificationError(
        f"The model {what}.",
        expected="a model that `tellapart compile` wrote",
        do="Run `verify` on the bundle; fetch or package it again.",
    )


def _missing(library: str) -> MissingExtraError:
    return MissingExtraError(
        f"{library} is not installed.",
        expected=f"the library that runs the model ({library})",
        do=f"Run `pip install {library}`.",
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
