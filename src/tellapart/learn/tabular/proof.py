"""Prove that a table's ONNX answers as the trained model, row by row."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellapart.bundle.manifest import TOLERANCE
from tellapart.bundle.session import Session
from tellapart.errors import VerificationError
from tellapart.learn.tabular.graph import has_trees

#: Rows that go through the model together.
_BATCH = 4096


@dataclass(frozen=True)
class Proof:
    """A check that was passed."""

    #: The engines that ran the model.
    engines: tuple[str, ...]
    #: Largest difference of a probability, by engine.
    max_difference: dict[str, float]
    #: Share of rows with the same top class, by engine.
    agreement: dict[str, float]
    notes: tuple[str, ...]


def prove(
    model: bytes,
    rows: NDArray[np.float32],
    expected: NDArray[np.float32],
    ids: Sequence[str],
    classes: Sequence[str],
    threads: int,
    watch: Callable[[int], None] = lambda done: None,
) -> Proof:
    """Compare `model` on raw `rows` (n, f) with the trained model's probabilities (n, C).

    ONNX Runtime always; OpenVINO too where it is installed and the model holds no trees, which
    it cannot run. The top class must be the same for all rows (two classes that the trained
    model holds for equally likely within the tolerance count as one) and no probability more
    than 1e-3 away. Raises `VerificationError` that names the worst row.
    """
    names, notes = ["onnxruntime"], []
    if has_trees(model):
        notes.append("OpenVINO cannot run decision trees: the model was proved on ONNX Runtime.")
    elif importlib.util.find_spec("openvino") is not None:
        names.append("openvino")
    worst, same = {}, {}
    for name in names:
        session = Session(model, engine=name, threads=threads)
        worst[name], same[name] = 0.0, 0
        for start in range(0, len(rows), _BATCH):
            part = slice(start, start + _BATCH)
            found = session.run(rows[part], ("probabilities",))["probabilities"]
            away, agreed = _compare(name, found, expected[part], ids[part], classes)
            worst[name], same[name] = max(worst[name], away), same[name] + agreed
            watch(min(start + _BATCH, len(rows)))
    shares = {name: round(same[name] / max(len(rows), 1), 6) for name in names}
    return Proof(tuple(names), worst, shares, tuple(notes))


def _compare(
    engine: str,
    found: NDArray[np.float32],
    expected: NDArray[np.float32],
    ids: Sequence[str],
    classes: Sequence[str],
) -> tuple[float, int]:
    """The largest difference, and how many rows have the same top class."""
    if found.shape != expected.shape:
        raise _differs(engine, f"gives {found.shape[1:]} probabilities, not {expected.shape[1:]}")
    wanted = expected.astype(np.float64)
    away = np.abs(found - wanted).max(axis=1)
    row = int(np.argmax(np.where(np.isfinite(away), away, np.inf)))
    if not away[row] <= TOLERANCE:
        raise _differs(engine, f"is {away[row]:.2g} away on the row {ids[row]}")
    tops = found.argmax(axis=1)
    lost = wanted.max(axis=1) - wanted[np.arange(len(tops)), tops]
    row = int(np.argmax(lost))
    if lost[row] > TOLERANCE:
        ours, theirs = classes[int(wanted[row].argmax())], classes[int(tops[row])]
        raise _differs(engine, f"calls the row {ids[row]} {theirs!r} instead of {ours!r}")
    return float(away.max()), int((lost == 0).sum())


def _differs(engine: str, what: str) -> VerificationError:
    return VerificationError(
        f"The compiled model does not answer as the trained one: {engine} {what}.",
        expected=f"the same top class, and probabilities within {TOLERANCE:g}",
        do="Run `tellapart doctor`; if the engines are sound, report it. No model was written.",
    )
