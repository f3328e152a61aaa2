"""Run a graph on the CPU: OpenVINO where it can be trusted, ONNX Runtime everywhere else.

Which one runs is a rule, not a race: OpenVINO in fp32 if it is installed and agrees with ONNX
Runtime on a probe batch, else ONNX Runtime. A timing would choose differently from day to day,
and with the engine the last digits of every feature change.

bf16 is asked for, never taken by itself: about twice as fast where the CPU has it, and a like or a
pass near the threshold may turn. It runs only where it agrees with fp32 on the probe batch.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from tellapart import telemetry
from tellapart.errors import MissingExtraError, VerificationError

EngineName = Literal["openvino", "onnxruntime"]
Precision = Literal["fp32", "bf16"]
#: Greatest difference on the probe batch, as a share of the reference's greatest value (at
#: least 1), up to which OpenVINO is trusted. Measured for the embedded backbone: 1e-5.
AGREEMENT = 1e-3
#: Least cosine of a picture's features in bf16 to those in fp32. Measured for the embedded
#: backbone: .997 on the probe batch and at worst of 48 photographs; the same photographs saved
#: anew as JPEG of quality 75: .998 at worst; the two most alike of 732 photographs: .95. So .99
#: lets pass about what another saving does to a picture, and nothing that makes it another one.
AGREEMENT_BF16 = 0.99
_PROBE_PICTURES = 2


class _Runner(Protocol):
    inputs: tuple[int | None, ...]
    outputs: tuple[str, ...]

    def run(self, batch: np.ndarray, outputs: Sequence[str]) -> list[np.ndarray]: ...


class Engine:
    """A loaded graph with one uint8 input N×H×W×3; `run` may be called from many threads.

    `threads`: CPU threads in all. `callers`: threads that will call `run` at the same time; each
    call then gets its share of `threads`. Features are the same to the bit for any of both.
    `prefer` skips the rule. `precision`: `bf16` runs where OpenVINO runs, the CPU has it and it
    agrees with fp32; else fp32 does, and `reason` says why. `cache_dir`: where OpenVINO keeps
    what it compiled; None: nowhere. Raises `VerificationError` for a graph that cannot be loaded,
    `MissingExtraError` for an engine that is asked for and not installed.
    """

    def __init__(
        self,
        model: bytes | Path,
        *,
        threads: int,
        prefer: EngineName | None = None,
        cache_dir: Path | None = None,
        callers: int = 1,
        precision: Precision = "fp32",
    ) -> None:
        raw = model.read_bytes() if isinstance(model, Path) else model
        telemetry.off()
        threads, callers = max(1, threads), max(1, callers)
        #: Which engine runs, and why.
        self.name: EngineName
        self.reason: str
        #: What it runs in.
        self.precision: Precision = "fp32"
        self._runner: _Runner
        try:
            if prefer == "openvino":
                self.name, self.reason = "openvino", "asked for"
                self._runner = _OpenVino(raw, threads, callers, cache_dir)
            else:
                self._runner = reference = _OnnxRuntime(raw, threads, callers)
                self.name, self.reason = "onnxruntime", "asked for"
                if prefer is None:
                    self._apply_rule(raw, reference, threads, callers, cache_dir)
            if precision == "bf16":
                self._try_bf16(raw, threads, callers, cache_dir)
        except ImportError as error:
            raise MissingExtraError(
                f"The engine {error.name!r} is not installed.",
                expected="onnxruntime, and openvino where it is asked for by name",
                do="Run: pip install onnxruntime openvino",
            ) from None
        except Exception as error:
            raise VerificationError(
                f"The model cannot be loaded: {error}.",
                expected="an ONNX graph that this program wrote",
                do="Run the step `compile` again, or fetch the bundle again.",
            ) from error

    @property
    def outputs(self) -> tuple[str, ...]:
        return self._runner.outputs

    def run(
        self, batch: np.ndarray, outputs: Sequence[str] = ("features",)
    ) -> dict[str, np.ndarray]:
        """Return the named outputs for a uint8 batch N×H×W×3 (RGB), float32, first axis N.

        Raises `ValueError` for a batch of another type or shape, or an unknown output.
        """
        wanted = self._runner.inputs
        if (
            batch.dtype != np.uint8
            or batch.ndim != 4
            or any(size not in (None, have) for size, have in zip(wanted, batch.shape, strict=True))
        ):
            raise ValueError(f"batch is {batch.dtype} {batch.shape}, expected uint8 {wanted}")
        unknown = sorted(set(outputs) - set(self.outputs))
        if unknown:
            raise ValueError(f"outputs {unknown} not in {list(self.outputs)}")
        count = len(batch)
        if count == 0:  # OpenVINO knows no empty batch
            batch = np.zeros((1, *batch.shape[1:]), np.uint8)
        answers = self._runner.run(np.ascontiguousarray(batch), outputs)
        return {name: answer[:count] for name, answer in zip(outputs, answers, strict=True)}

    def _apply_rule(
        self,
        raw: bytes,
        reference: _OnnxRuntime,
        threads: int,
        callers: int,
        cache_dir: Path | None,
    ) -> None:
        try:
            candidate = _OpenVino(raw, threads, callers, cache_dir)
            distance = _distance(candidate, reference)
        except ImportError:
            self.reason = "OpenVINO is not installed"
        except Exception as error:  # whatever it stumbles over, the reference runs
            self.reason = f"OpenVINO fails: {error}"
        else:
            if distance <= AGREEMENT:
                self.name, self._runner = "openvino", candidate
                self.reason = f"OpenVINO agrees with ONNX Runtime to {distance:.0e}"
            else:
                self.reason = f"OpenVINO differs from ONNX Runtime by {distance:.0e}"

    def _try_bf16(self, raw: bytes, threads: int, callers: int, cache_dir: Path | None) -> None:
        """Run in bf16 where that can be trusted."""
        if self.name != "openvino":
            self.reason = f"bf16 needs OpenVINO; {self.reason}"
            return
        if not _has_bf16():
            self.reason = "the CPU has no bf16"
            return
        try:
            candidate = _OpenVino(raw, threads, callers, cache_dir, "bf16")
            cosine = _cosine(candidate, self._runner)
        except Exception as error:  # whatever it stumbles over, fp32 runs
            self.reason = f"bf16 fails: {error}"
            return
        if cosine >= AGREEMENT_BF16:
            self.precision, self._runner = "bf16", candidate
            self.reason = f"bf16 agrees with fp32 to a cosine of {cosine:.4f}"
        else:  # features that are no numbers come here too
            self.reason = (
                f"bf16 differs from fp32: a cosine of {cosine:.4f}, at least {AGREEMENT_BF16} is "
                "needed"
            )


def _has_bf16() -> bool:
    """Whether the CPU computes in bf16, as OpenVINO sees it."""
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class _OnnxRuntime:
    def __init__(self, raw: bytes, threads: int, callers: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = max(1, threads // callers)
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Waiting threads would otherwise burn the cores that decode the next batch.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            raw, options, providers=["CPUExecutionProvider"]
        )
        entry = self._session.get_inputs()[0]
        self._input = entry.name
        self.inputs = tuple(size if isinstance(size, int) else None for size in entry.shape)
        self.outputs = tuple(output.name for output in self._session.get_outputs())

    def run(self, batch: np.ndarray, outputs: Sequence[str]) -> list[np.ndarray]:
        return list(self._session.run(list(outputs), {self._input: batch}))


class _OpenVino:
    def __init__(
        self,
        raw: bytes,
        threads: int,
        callers: int,
        cache_dir: Path | None,
        precision: Precision = "fp32",
    ) -> None:
        import openvino

        core = openvino.Core()
        settings: dict[str, Any] = {
            # Where the CPU has bf16 that is the default, and moves probabilities by up to .09.
            "INFERENCE_PRECISION_HINT": "f32" if precision == "fp32" else "bf16",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": min(callers, threads),
            "ENABLE_CPU_PINNING": False,
        }
        model = core.read_model(model=raw)
        facts = f"{openvino.__version__}\0{threads}\0{callers}\0".encode()
        if precision != "fp32":
            facts += f"{precision}\0".encode()
        key = hashlib.sha256(facts + raw).hexdigest()[:24]
        self._compiled = _compile(core, model, settings, cache_dir, key)
        self._threads = threading.local()
        shape = self._compiled.input(0).get_partial_shape()
        self.inputs = tuple(None if size.is_dynamic else int(size.get_length()) for size in shape)
        self.outputs = tuple(output.get_any_name() for output in self._compiled.outputs)

    def run(self, batch: np.ndarray, outputs: Sequence[str]) -> list[np.ndarray]:
        # One request a thread: one shared by two is "busy" half of the time, and once hung.
        request = getattr(self._threads, "request", None)
        if request is None:
            request = self._threads.request = self._compiled.create_infer_request()
        request.infer({0: batch}, share_inputs=True)
        return [np.array(request.get_tensor(name).data) for name in outputs]


def _compile(core: Any, model: Any, settings: dict[str, Any], root: Path | None, key: str) -> Any:
    """Compile through a cache folder of this very model, which appears whole or not at all.

    OpenVINO writes its cache in place; killed at it, it would leave half a model behind.
    """
    if root is None:
        return core.compile_model(model, "CPU", settings)
    folder = root / "openvino" / key
    with contextlib.suppress(Exception):
        if folder.is_dir():
            return core.compile_model(model, "CPU", {**settings, "CACHE_DIR": str(folder)})
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = tempfile.mkdtemp(dir=folder.parent, prefix=".part-")
    except OSError:  # a cache that cannot be written is no reason not to run
        return core.compile_model(model, "CPU", settings)
    try:
        compiled = core.compile_model(model, "CPU", {**settings, "CACHE_DIR": fresh})
        with contextlib.suppress(OSError):  # another process was first
            Path(fresh).rename(folder)
        return compiled
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _distance(candidate: _Runner, reference: _Runner) -> float:
    """Greatest difference over all outputs on the probe batch."""
    batch, names = _probe(reference), reference.outputs
    pairs = zip(candidate.run(batch, names), reference.run(batch, names), strict=True)
    return max(
        float(np.abs(ours - theirs).max() / max(1.0, float(np.abs(theirs).max())))
        for ours, theirs in pairs
    )


def _cosine(candidate: _Runner, reference: _Runner) -> float:
    """Smallest cosine of a row of the first output to the reference's, on the probe batch."""
    batch, names = _probe(reference), reference.outputs[:1]
    ours, theirs = (
        one.run(batch, names)[0].reshape(len(batch), -1).astype(np.float64)
        for one in (candidate, reference)
    )
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    return float(((ours * theirs).sum(axis=1) / lengths).min())


def _probe(runner: _Runner) -> np.ndarray:
    """A fixed batch of noise and a ramp."""
    shape = tuple(size or _PROBE_PICTURES for size in runner.inputs)
    batch = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    batch[0] = np.linspace(0, 255, shape[2], dtype=np.uint8)[None, :, None]
    return batch
