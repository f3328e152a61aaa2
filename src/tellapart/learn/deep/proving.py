"""Prove every format of a network on samples before it is shipped; what is not proved is not.

The trained network's own answers are the measure. ONNX runs in ONNX Runtime and OpenVINO; Core
ML, which only Apple's systems run, in our interpreters, read back from the disk.
"""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.bundle.session import Session
from tellapart.errors import TellapartError
from tellapart.learn.agreement import compare
from tellapart.learn.deep import coreml, mil, neuralnetwork
from tellapart.learn.deep.deployed import Deployed
from tellapart.learn.deep.quiet import first_line

_BATCH = 64
#: The interpreters take one sample at a time: more prove no more.
_INTERPRETED = 256


@dataclass(frozen=True)
class Evidence:
    """Raw samples, uint8 (n, h, w, c) or float32 (n, f), and the trained network's answers."""

    x: NDArray[Any]
    #: (n, C) float32.
    probabilities: NDArray[np.float32]
    ids: Sequence[str]
    classes: tuple[str, ...]

    def first(self, count: int) -> Evidence:
        """At most `count` of them."""
        return Evidence(self.x[:count], self.probabilities[:count], self.ids[:count], self.classes)

    def judge(self, who: str, found: NDArray[np.float32]) -> float:
        """The largest difference. Raises `VerificationError` where it is too large."""
        return compare(who, found, self.probabilities, self.ids, self.classes)


def onnx(
    model: bytes, evidence: Evidence, threads: int, watch: Callable[[int], None] = lambda done: None
) -> dict[str, float]:
    """The largest difference by engine; OpenVINO too where it is installed.

    Raises `VerificationError` where one of them answers differently.
    """
    engines = ["onnxruntime"]
    if importlib.util.find_spec("openvino") is not None:
        engines.append("openvino")
    worst = {}
    for number, name in enumerate(engines, start=1):
        session = Session(model, engine=name, threads=threads)
        parts = []
        for start in range(0, len(evidence.x), _BATCH):
            batch = np.ascontiguousarray(evidence.x[start : start + _BATCH])
            parts.append(session.run(batch, ("probabilities",))["probabilities"])
            watch((start + len(batch)) * number // len(engines))
        worst[name] = evidence.judge(name, np.concatenate(parts))
    return worst


@dataclass(frozen=True)
class Shipped:
    """Core ML files that were proved, by their path in a bundle, and what to say of them."""

    files: dict[str, bytes]
    #: `files`, `precision`, `max_difference`, …; or `skipped`, why there are none.
    facts: dict[str, Any]


def ship(
    deployed: Deployed,
    wanted: coreml.Wanted,
    name: str,
    evidence: Evidence,
    *,
    single_file: bool = False,
) -> Shipped:
    """Core ML files of a network as `coreml/NAME.…`, each proved on `evidence`.

    The `.mlpackage`, and the `.mlmodel` with `single_file`. Whatever cannot be converted or
    answers otherwise is left out, with the reason in the facts. Nothing is raised for it.
    """
    some = evidence.first(_INTERPRETED)
    files: dict[str, bytes] = {}
    differences: dict[str, float] = {}
    reasons: dict[str, str] = {}
    facts: dict[str, Any] = {}
    forms: dict[str, Callable[[], dict[str, bytes]]] = {
        "mlpackage": lambda: _package(deployed, wanted, name, some, differences, facts)
    }
    if single_file:
        forms["mlmodel"] = lambda: _model(deployed, wanted, name, some, differences, facts)
    for form, make in forms.items():
        try:
            files |= make()
        except TellapartError as error:
            reasons[form] = error.what
        except Exception as error:  # a phone's format must not cost the whole run
            reasons[form] = f"Core ML could not be written ({first_line(error)})."
    if not files:
        return Shipped({}, {"skipped": " ".join(dict.fromkeys(reasons.values()))})
    facts |= {
        "files": sorted({"/".join(path.split("/")[:2]) for path in files}),
        "input": wanted.input,
        "output": wanted.output,
        "label": coreml.LABEL,
        "precision": wanted.precision,
        "checked": len(some.x),
        "max_difference": differences,
    }
    if reasons:
        facts["left_out"] = reasons
    return Shipped(files, facts)


def _package(
    deployed: Deployed,
    wanted: coreml.Wanted,
    name: str,
    evidence: Evidence,
    differences: dict[str, float],
    facts: dict[str, Any],
) -> dict[str, bytes]:
    files = coreml.package(deployed, wanted)
    with tempfile.TemporaryDirectory() as folder:
        program = mil.Program(coreml.write(files, Path(folder) / f"{name}.mlpackage"))
        found = program.probabilities(evidence.x, evidence.classes)
    differences["mlpackage"] = evidence.judge("the Core ML program", found)
    facts["operators"] = list(program.operators)
    return {f"coreml/{name}.mlpackage/{path}": data for path, data in files.items()}


def _model(
    deployed: Deployed,
    wanted: coreml.Wanted,
    name: str,
    evidence: Evidence,
    differences: dict[str, float],
    facts: dict[str, Any],
) -> dict[str, bytes]:
    data = coreml.model_file(deployed, wanted)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.mlmodel"
        path.write_bytes(data)
        network = neuralnetwork.Network(path)
    found = network.probabilities(evidence.x, evidence.classes)
    differences["mlmodel"] = evidence.judge("the Core ML neural network", found)
    facts["specification"] = network.version
    return {f"coreml/{name}.mlmodel": data}
