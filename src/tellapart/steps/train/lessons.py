"""One network taught on some of the training pictures, and kept as a part of a rung."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tellapart.errors import NotFoundError
from tellapart.learn import backbone, head, measuring
from tellapart.learn.backbone import FOLDER, Backbone
from tellapart.learn.ladder.rungs import TunedRung
from tellapart.steps.train import frozen
from tellapart.steps.train.climbing import Climb, Ended
from tellapart.steps.train.material import weights_file
from tellapart.steps.train.planning import plan_of
from tellapart.store.files import FileStore, write_file

if TYPE_CHECKING:
    from tellapart.learn.deep.tuning import PictureFeed, Tuned

#: Seconds that a network needs at least beside its training: pixels, export, checks.
AROUND = 8.0
#: A head that already fits all it learned from leaves the network nothing to learn from it.
_LARGEST_C = 10.0


@dataclass(frozen=True)
class Start:
    """What every network of a rung begins with."""

    net: Backbone
    tensors: dict[str, NDArray[Any]]
    #: Features of the training rows before tuning, and the strength of a head on them.
    vectors: NDArray[np.float32]
    C: float


@dataclass(frozen=True)
class Lesson:
    """Who learns from which training rows."""

    #: Places among the training rows to learn from, and to look at after each epoch.
    train: NDArray[np.int64]
    out: NDArray[np.int64]
    #: Classes (n,) of all training rows, or soft targets (n, C).
    targets: NDArray[Any]
    #: For pixels and checkpoints.
    folder: Path
    #: How progress calls it.
    said: str
    #: Which chances it draws.
    chance: int


@dataclass(frozen=True)
class Fold:
    """A finished network: a backbone, and logits (its features · weightᵀ + bias)."""

    backbone: Backbone
    weight: NDArray[np.float64]
    bias: NDArray[np.float64]
    #: Epochs trained, which the time may have cut short.
    epochs: int
    #: Training pictures a second.
    speed: float


def start_of(climb: Climb, rung: TunedRung) -> Start:
    """The pretrained network of `rung`. Raises what `weights.find` raises."""
    from tellapart.learn import weights

    context = climb.context
    file = weights_file(context, rung.network)
    found = weights.find(rung.network, context.settings, file)
    net = frozen.network(context, rung.network, rung.size)
    vectors = frozen.looked(context, climb.judges.rows, net, climb.watch(rung.name))
    fitted = frozen.fit(context, climb.judges, vectors)
    return Start(net, weights.tensors(found), vectors[: climb.judges.own], fitted.C)


def learn(
    climb: Climb, rung: TunedRung, task: Lesson, start: Start, share: float
) -> tuple[Tuned, PictureFeed] | None:
    """Tune one network within `share` seconds, what is around it included; None: too short.

    It is to see pictures of the rung's size from then on. One that was begun before goes on. Raises
    `Ended` at a stop request.
    """
    from tellapart.learn.deep import tuning

    context, judges = climb.context, climb.judges
    y = judges.y[: judges.own]
    if share < AROUND:
        return None
    # The head goes first (Kumar et al. 2022), on the same pictures as the network.
    first = head.fit(
        start.vectors[task.train],
        y[task.train],
        n_classes=judges.classes,
        seed=context.recipe.seed,
        C=min(start.C, _LARGEST_C),
        class_weight=context.recipe.train.class_weight,
        groups=judges.groups[task.train],
    )
    files = FileStore(context.settings.files_dir)
    feed = tuning.PictureFeed(
        [(r.sha256, measuring.reader(files, r.sha256, r.path)) for r in judges.material.train],
        task.targets,
        judges.classes,
        task.train,
        task.out,
        mean=start.net.mean,
        std=start.net.std,
        view=context.recipe.train.view,
        threads=context.settings.worker_threads,
    )

    def told(tick: Any) -> None:
        climb.pulse_only(f"{task.said}: epoch {tick.epoch} of {tick.epochs}, loss {tick.loss:.3f}")

    found = tuning.tune(
        plan_of(rung, start.net, context.recipe, task.chance),
        start.tensors,
        feed,
        folder=task.folder,
        key=climb.kept.key,
        watch=told,
        stop=context.stop_asked,
        deadline=time.monotonic() + share - AROUND,
        head=(first.weight, first.bias),
    )
    if not found.finished:
        raise Ended
    return replace(found, size=rung.size), feed


def exported(climb: Climb, found: Tuned, start: Start) -> Fold:
    """The network as a graph in the project's folder."""
    from tellapart.learn.deep import tuning

    net, weight, bias = tuning.tuned_backbone(
        found, climb.context.work / FOLDER, license=start.net.license
    )
    return Fold(
        net,
        weight.astype(np.float64),
        bias.astype(np.float64),
        len(found.history),
        found.pictures_per_second,
    )


def keep_fold(climb: Climb, rung: TunedRung, name: str, made: Fold, taught: str = "") -> None:
    """Note a finished network of `rung`; `taught`: names what it was taught."""
    facts = {
        "backbone": backbone.save(climb.context.work, made.backbone),
        "weight": made.weight.tolist(),
        "bias": made.bias.tolist(),
        "epochs": made.epochs,
        "speed": made.speed,
        "taught": taught,
    }
    place = climb.kept.folder / rung.folder
    place.mkdir(parents=True, exist_ok=True)
    write_file(place / f"fold-{name}.json", json.dumps(facts).encode())


def kept_fold(climb: Climb, rung: TunedRung, name: str, taught: str = "") -> Fold | None:
    """A network that an earlier command finished; None where it is not there or not that one."""
    try:
        file = climb.kept.folder / rung.folder / f"fold-{name}.json"
        facts = json.loads(file.read_bytes())
        if facts.get("taught", "") != taught:
            return None
        net = backbone.of(climb.context.work, facts, climb.context.settings.cache_dir)
        weight, bias = np.array(facts["weight"]), np.array(facts["bias"])
        return Fold(net, weight, bias, int(facts["epochs"]), float(facts["speed"]))
    except (OSError, ValueError, LookupError, NotFoundError):
        return None
