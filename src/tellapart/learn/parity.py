"""Prove that a compiled model answers as the trained one, picture by picture."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart import images
from tellapart.bundle.manifest import TOLERANCE
from tellapart.bundle.predictor import BATCH, Session
from tellapart.errors import VerificationError
from tellapart.learn.backbone import Backbone
from tellapart.learn.features import matrix
from tellapart.learn.trained import Trained
from tellapart.settings import Settings

Items = Sequence[tuple[str, Callable[[], bytes]]]


@dataclass(frozen=True)
class Parity:
    """A check that was passed."""

    #: The engines that ran the compiled model.
    engines: list[str]
    #: Largest difference of a probability, by engine.
    max_difference: dict[str, float]
    notes: list[str] = field(default_factory=list)


def check(
    items: Items,
    backbone: Backbone,
    view: images.View,
    trained: Trained,
    model: bytes,
    settings: Settings,
    on_done: Callable[[int], None] | None = None,
) -> Parity:
    """Compare the compiled `model` with the trained one on `items`, pairs of SHA-256 and bytes.

    The trained model is the features that training used, and the head in numpy; the compiled one
    runs in ONNX Runtime, and in OpenVINO where that is installed, from each picture's bytes on.
    The top class must be the same for all pictures (two classes that the trained model holds
    for equally likely within the tolerance count as one) and no probability more than 1e-3 away.
    Raises `VerificationError` that names the worst picture.
    """
    features, errors = matrix(items, backbone, view, settings)
    if errors:
        raise next(iter(errors.values()))
    expected = trained.head.probabilities(features)
    sessions = _sessions(model, settings.worker_threads)
    worst = dict.fromkeys(sessions, 0.0)
    done = 0
    for batch in _batches(items, backbone.size, view, settings.worker_threads):
        wanted = expected[done : done + len(batch)]
        shas = [sha for sha, _ in items[done : done + len(batch)]]
        for name, session in sessions.items():
            found = session.run(batch, ("probabilities",))["probabilities"]
            worst[name] = max(
                worst[name], _compare(name, shas, found, wanted, trained.facts["classes"])
            )
        done += len(batch)
        if on_done is not None:
            on_done(done)
    return Parity(list(sessions), worst)


def _sessions(model: bytes, threads: int) -> dict[str, Session]:
    names = ["onnxruntime"]
    if importlib.util.find_spec("openvino") is not None:
        names.append("openvino")
    return {name: Session(model, engine=name, threads=threads) for name in names}


def _batches(
    items: Items, size: int, view: images.View, threads: int
) -> Iterator[NDArray[np.uint8]]:
    """Prepared pictures, a batch at a time, the next one decoded while this one is looked at."""

    def prepare(item: tuple[str, Callable[[], bytes]]) -> NDArray[Any]:
        return images.load(item[1](), size, view)

    with ThreadPoolExecutor(threads) as pool:
        starts = range(0, len(items), BATCH)
        coming = [pool.submit(prepare, item) for item in items[:BATCH]]
        for start in starts:
            ready, coming = coming, []
            after = items[start + BATCH : start + 2 * BATCH]
            coming = [pool.submit(prepare, item) for item in after]
            yield np.stack([future.result() for future in ready])


def _compare(
    engine: str,
    shas: Sequence[str],
    found: NDArray[np.float32],
    expected: NDArray[np.float64],
    labels: Sequence[str],
) -> float:
    if found.shape != expected.shape:
        raise _differs(engine, f"gives {found.shape[1:]} probabilities, not {expected.shape[1:]}")
    away = np.abs(found - expected).max(axis=1)
    row = int(np.argmax(np.where(np.isfinite(away), away, np.inf)))
    if not away[row] <= TOLERANCE:
        raise _differs(engine, f"is {away[row]:.2g} away on the picture {shas[row]}")
    tops = found.argmax(axis=1)
    lost = expected.max(axis=1) - expected[np.arange(len(tops)), tops]
    row = int(np.argmax(lost))
    if lost[row] > TOLERANCE:
        ours, theirs = labels[int(expected[row].argmax())], labels[int(tops[row])]
        raise _differs(engine, f"calls the picture {shas[row]} {theirs!r} instead of {ours!r}")
    return float(away.max())


def _differs(engine: str, what: str) -> VerificationError:
    return VerificationError(
        f"The compiled model does not answer as the trained one: {engine} {what}.",
        expected=f"the same top class, and probabilities within {TOLERANCE:g}",
        do="Run `tellapart doctor`; if the engines are sound, report it. No model was written.",
    )
