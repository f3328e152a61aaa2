"""The network among a table's candidates: compared on the same rows, where torch is installed."""

from __future__ import annotations

import importlib.util
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.errors import TellapartError
from tellapart.learn import outcome
from tellapart.learn.tabular import Candidate, Fitted
from tellapart.learn.tabular.crossing import score
from tellapart.steps import Progress, StepContext
from tellapart.steps.samples import Samples

NETWORK = "network"
_MISSING = (
    "A network was not compared: torch is not installed. `pip install tellapart[deep]` brings it."
)

_STOPPED = "A network was not compared: the training was stopped."


@dataclass(frozen=True)
class Rival:
    """A network that was trained on all training rows."""

    #: None where there is no network; `note` says why.
    candidate: Candidate | None
    #: Calibrated probabilities (n, C) of raw rows (n, f).
    probabilities: Callable[[NDArray[np.float32]], NDArray[Any]] | None = None
    #: The whole model as ONNX, from raw rows on.
    to_onnx: Callable[[], bytes] | None = None
    #: What `recipe.network.Network.to_dict` says of it.
    network: dict[str, Any] | None = None
    note: str = ""
    #: False after a stop request.
    finished: bool = True


def is_possible() -> bool:
    """Whether what networks need is installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("torch", "lightning"))


def network(context: StepContext, samples: Samples, categories: list[int], fitted: Fitted) -> Rival:
    """Train a small network on the training rows and judge it on the folds of `fitted`.

    Its cross-validation is not repeated: each takes seconds. What cannot be trained or was
    stopped is left out with a note; the other candidates stand.
    """
    if not is_possible():
        return Rival(None, note=_MISSING)
    folder = context.work / outcome.CHECKPOINT
    try:
        return _network(context, samples, categories, fitted)
    except TellapartError as error:
        return Rival(None, note=f"A network was not compared: {error.what}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _network(
    context: StepContext, samples: Samples, categories: list[int], fitted: Fitted
) -> Rival:
    from tellapart.learn.deep import rows
    from tellapart.learn.deep.deployed import predict
    from tellapart.learn.deep.onnx import export

    start, places = time.perf_counter(), samples.rows_of("train")
    x, y = samples.x[places], samples.y[places]
    all_rows = rows.Task(
        x,
        y,
        len(samples.classes),
        categories,
        context.recipe.seed,
        context.work / outcome.CHECKPOINT,
    )
    chosen = fitted.plan.rows
    held_out = rows.cross(
        all_rows.part(chosen),
        fitted.plan.fold_of[0],
        lambda done, total: context.progress(Progress("train", done, total, "network")),
        context.stop_asked,
    )
    if held_out is None:
        return Rival(None, note=_STOPPED, finished=False)
    judged = score(held_out[None], y[chosen])
    trained, how = rows.train(all_rows, "all", context.stop_asked)
    if not trained.finished:
        return Rival(None, note=_STOPPED, finished=False)
    deployed = rows.deploy(trained, how, judged.temperature)
    return Rival(
        Candidate(
            NETWORK,
            "network",
            {"hidden": [64, 64], "epochs": len(trained.history)},
            (),
            judged,
            seconds=round(time.perf_counter() - start, 3),
        ),
        lambda wanted: predict(deployed, wanted),
        lambda: export(deployed, {}),
        trained.net.network.to_dict(),
    )
