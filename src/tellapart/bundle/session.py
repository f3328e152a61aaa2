"""One model in one engine: ONNX Runtime, or OpenVINO where it is wanted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from tellapart import telemetry
from tellapart.errors import InputError, MissingExtraError, VerificationError

EngineName = Literal["onnxruntime", "openvino"]


class Session:
    """One model in one engine; `run` may be called from many threads at once."""

    def __init__(self, model: bytes, *, engine: str = "onnxruntime", threads: int = 0) -> None:
        self.engine = engine
        if engine == "onnxruntime":
            self._run, self.metadata = _onnxruntime(model, threads)
        elif engine == "openvino":
            self._run, self.metadata = _openvino(model, threads)
        else:
            raise InputError(
                f"The engine is {engine!r}.",
                expected="onnxruntime or openvino",
                do="Choose one of the two.",
            )

    def run(self, batch: np.ndarray, outputs: Sequence[str]) -> dict[str, np.ndarray]:
        """The named outputs of a uint8 batch N×H×W×3 (RGB). Raises `VerificationError`."""
        try:
            return self._run(np.ascontiguousarray(batch), list(outputs))
        except Exception as error:
            raise bad_model(f"does not run ({_first_line(error)})") from error


_Run = Callable[[np.ndarray, list[str]], dict[str, np.ndarray]]


def _onnxruntime(model: bytes, threads: int) -> tuple[_Run, dict[str, str]]:
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
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
    except Exception as error:
        raise bad_model(f"cannot be loaded ({_first_line(error)})") from error

    def run(batch: np.ndarray, outputs: list[str]) -> dict[str, np.ndarray]:
        return dict(zip(outputs, session.run(outputs, {name: batch}), strict=True))

    return run, dict(session.get_modelmeta().custom_metadata_map)


def _openvino(model: bytes, threads: int) -> tuple[_Run, dict[str, str]]:
    telemetry.off()
    try:
        import openvino
    except ImportError as error:
        raise _missing("openvino") from error
    try:
        core = openvino.Core()
        # On some processors the default is bfloat16, which moves probabilities by up to 0.09.
        hints: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}
        if threads:
            hints["INFERENCE_NUM_THREADS"] = threads
        compiled = core.compile_model(core.read_model(model), "CPU", hints)
    except Exception as error:
        raise bad_model(f"cannot be loaded ({_first_line(error)})") from error
    local = threading.local()  # one request a thread: a shared one is "busy" half of the time

    def run(batch: np.ndarray, outputs: list[str]) -> dict[str, np.ndarray]:
        if not hasattr(local, "request"):
            local.request = compiled.create_infer_request()
        local.request.infer([batch])
        return {name: local.request.get_tensor(name).data.copy() for name in outputs}

    return run, {}


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
