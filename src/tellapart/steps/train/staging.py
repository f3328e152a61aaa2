"""The stages of a recipe, nothing left open: sizes, rates, epochs, and weights to start from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tellapart.errors import InputError, MissingExtraError, TellapartError

if TYPE_CHECKING:
    from tellapart.learn.deep.tuning import Augmentation, Plan, Stage
    from tellapart.learn.weights import Weights
    from tellapart.recipe import Recipe
    from tellapart.recipe.tuning import Stage as Asked
    from tellapart.settings import Settings

#: Passes of a stage that names none, where the head alone learns and where more does.
_EPOCHS_HEAD, _EPOCHS = 3, 8
#: Rates that suit, as multiples of the optimizer's own.
_RATE_HEAD, _RATE = 3.0, 0.3
#: Of the optimizers by name; none for the others.
_WEIGHT_DECAY = {"adamw": 0.01, "sgd": 1e-4}
_BY_LAYER = 0.8
#: An average of weights is worth something from so many steps on.
_EMA, _EMA_STEPS = 0.98, 200
#: Statistics of smaller batches are mostly noise.
_SMALL_BATCH = 16


@dataclass(frozen=True)
class Start:
    """What the tuning begins with."""

    #: None: at random.
    weights: Weights | None
    model: str
    args: dict[str, Any]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    #: Side in pixels that the network was made for.
    size: int
    license: str

    @property
    def sha256(self) -> str:
        return "" if self.weights is None else self.weights.sha256


def start_of(recipe: Recipe, settings: Settings) -> Start:
    """The backbone that the recipe names, and its weights.

    Raises `InputError` for a network that timm does not know or whose weights are nowhere, with
    the ways to get them; `MissingExtraError` without torch and timm.
    """
    asked = recipe.train
    found = None if asked.weights == "none" else weights_of(recipe, settings)
    try:
        from tellapart.learn.deep import timm_nets
    except ImportError as error:
        raise MissingExtraError(
            f"Networks are tuned with {error.name}, which is not installed.",
            expected="the extra [deep]",
            do="Run: pip install 'tellapart[deep]'",
        ) from error
    facts = timm_nets.facts_of(asked.backbone if found is None else found.model)
    return Start(
        weights=found,
        model=facts["model"],
        args={} if found is None else dict(found.args),
        mean=_three((found and found.mean) or facts["mean"]),
        std=_three((found and found.std) or facts["std"]),
        size=int((found and found.size) or facts["size"]),
        license="Apache-2.0"  # nobody's but the project's own: as the program
        if found is None
        else (facts["license"] if found.license == "unknown" else found.license),
    )


def weights_of(recipe: Recipe, settings: Settings) -> Weights:
    """The weights that the recipe's backbone starts from. Raises as `start_of`."""
    from tellapart.learn import weights

    name, file = recipe.train.backbone, recipe.train.weights
    try:
        return weights.find(name, settings, file if isinstance(file, Path) else None)
    except MissingExtraError:
        raise
    except TellapartError as error:
        if isinstance(file, Path):
            raise
        raise InputError(
            f"There are no weights of {name!r} here: {error.what}",
            expected="pretrained weights in a file, in the folder TELLAPART_WEIGHTS, in the cache, "
            "or a model hub in reach",
            do=f"Run `tellapart weights get {name}` where the hub is in reach; or put "
            f"{name}.safetensors into the folder that TELLAPART_WEIGHTS names; or name the file "
            "with `train.weights: FILE`; or write `train.weights: none` to start at random.",
        ) from error


def plan_of(recipe: Recipe, start: Start, pictures: int, threads: int) -> Plan:
    """How the recipe's stages are trained on so many `pictures`, every choice made."""
    from tellapart.learn.deep.tuning import Plan

    asked = recipe.train
    optimizer = str(_unless(asked.optimizer, "adamw"))
    stages = tuple(_stage(recipe, each, start, optimizer) for each in asked.stages)
    steps = sum(each.length for each in stages) * max(1, pictures // asked.batch_size)
    frozen = all(each.freeze == "body" for each in stages)
    return Plan(
        backbone=start.model,
        stages=stages,
        head=asked.head,
        arguments=start.args,
        optimizer=optimizer,
        weight_decay=float(_unless(asked.weight_decay, _WEIGHT_DECAY.get(optimizer, 0.0))),
        batch_size=asked.batch_size,
        decay_by_layer=float(_unless(asked.decay_by_layer, 1.0 if frozen else _BY_LAYER)),
        augmentation=_augmentation(asked.augmentation),
        ema=float(_unless(asked.ema, _EMA if steps >= _EMA_STEPS else 0.0)),
        label_smoothing=float(_unless(asked.label_smoothing, 0.0)),
        early_stopping=asked.early_stopping,
        best_weights=asked.best_weights,
        precision=asked.precision,
        device=asked.device,
        devices=asked.devices,
        seed=recipe.seed,
        threads=threads,
        freeze_norm=bool(_unless(asked.freeze_norm, asked.batch_size < _SMALL_BATCH)),
        class_weight=asked.class_weight,
    )


def _stage(recipe: Recipe, asked: Asked, start: Start, optimizer: str) -> Stage:
    from tellapart.learn.deep.tuning import Stage

    train, head_only = recipe.train, asked.freeze == "body"
    epochs = asked.cycle_epochs or asked.epochs
    if epochs == "auto":
        epochs = _unless(train.epochs, _EPOCHS_HEAD if head_only else _EPOCHS)
    rate = asked.lr
    if rate == "auto":
        rate = _unless(train.learning_rate, _rate(optimizer, head_only))
    schedule = _unless(asked.schedule, "one_cycle" if asked.cycles is None else "cosine")
    return Stage(
        freeze=asked.freeze,
        epochs=int(epochs),
        lr=rate,
        find=asked.find,
        size=int(_unless(asked.size, _unless(train.size, start.size))),
        cycles=asked.cycles,
        cycle_length=asked.cycle_length,
        cycle_mult=asked.cycle_mult,
        schedule=schedule,
    )


def _rate(optimizer: str, head_only: bool) -> float:
    from tellapart.learn.deep import optimizers

    own = optimizers.default_rate(optimizer)
    return float(f"{own * (_RATE_HEAD if head_only else _RATE):.2g}")


def _augmentation(asked: Any) -> Augmentation:
    from tellapart.learn.deep.tuning import Augmentation

    if asked is None:
        return Augmentation(flip=True, rotate=15.0, lighting=0.1, crop=0.6)
    return Augmentation(**asked.model_dump())


def _unless(value: Any, own: Any) -> Any:
    return own if value == "auto" else value


def _three(values: Any) -> tuple[float, float, float]:
    first, second, third = (float(value) for value in values)
    return first, second, third
