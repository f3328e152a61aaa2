"""One model in one engine: ONNX Runtime, or OpenVINO where it is wanted."""

from __future__ import annotations

import os
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


def _cores() -> int:
    """As `settings.cores`, which does not travel with a bundle."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


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
        batch: int = 0,
    ) -> None:
        """Load the ONNX file `model`.

        `threads` for inference; 0: as many as cores. `precision` other than f32 is OpenVINO's
        alone, `device` cuda is ONNX Runtime's. `cache_dir`: where OpenVINO keeps models that it
        has compiled, to start sooner and in less memory; `batch`: how many pictures will often
        come together, for which OpenVINO then plans (0: not known). Raises `InputError` for other
        words, `MissingExtraError` where the engine or the device is not there, and
        `VerificationError` for a model that cannot be loaded.
        """
        _check(engine, precision, device)
        self.engine, self.precision, self.device = engine, precision, device
        if engine == "onnxruntime":
            self._run, self.metadata = _onnxruntime(model, threads, device)
        else:
            self._run, self.metadata = _openvino(model, threads, precision, cache_dir, batch)

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
    # Left to itself it binds a thread to each core of the machine, also to forbidden ones.
    options.intra_op_num_threads = threads or _cores()
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
    model: bytes, threads: int, precision: str, cache_dir: Path | None, batch: int
) -> tuple[_Run, dict[str, str]]:
    telemetry.off()
    try:
        import openvino
    except ImportError as error:
        raise _missing("openvino") from error
    from tellapart.bundle.compiled import Compiled

    hints: dict[str, Any] = {
        # On some processors the default is bfloat16, which moves probabilities by up to 0.09.
        "INFERENCE_PRECISION_HINT": precision,
        # Bound to cores by number, processes of one thread each would all share the first core.
        "ENABLE_CPU_PINNING": False,
    }
    if threads:
        hints["INFERENCE_NUM_THREADS"] = threads
    try:
        return Compiled(openvino, model, hints, cache_dir, batch).run, {}
    except Exception as error:
        raise bad_model(f"cannot be loaded ({_first_line(error)})") from error


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
