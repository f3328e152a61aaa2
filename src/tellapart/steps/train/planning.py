"""How a rung's network is tuned: the ladder's own choices, the recipe's where it has any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tellapart.learn.backbone import Backbone
from tellapart.learn.ladder.rungs import TunedRung
from tellapart.recipe import Recipe

if TYPE_CHECKING:
    from tellapart.learn.deep.tuning import Augmentation, Plan

#: Chosen on the training pictures of trashnet_100, by folds (docs/architecture.md).
_OPTIMIZER, _WEIGHT_DECAY, _BATCH, _BY_LAYER = "adamw", 0.01, 32, 0.8
#: An average of weights needs so many steps to be worth anything.
_EMA = 0.98


def plan_of(rung: TunedRung, net: Backbone, recipe: Recipe, fold: int) -> Plan:
    """The plan of one of the rung's networks; each fold and number draws its own chances."""
    from tellapart.learn.deep.tuning import Plan, Stage

    asked = recipe.train
    stage = Stage(freeze="none", epochs=rung.epochs, lr=rung.learning_rate, size=rung.train_size)
    return Plan(
        backbone=net.timm or rung.network,
        stages=(stage,),
        arguments=dict(net.args),
        optimizer=_unless(asked.optimizer, _OPTIMIZER),
        weight_decay=float(_unless(asked.weight_decay, _WEIGHT_DECAY)),
        batch_size=int(_unless(asked.batch_size, _BATCH)),
        decay_by_layer=float(_unless(asked.decay_by_layer, _BY_LAYER)),
        augmentation=_augmentation(asked.augmentation),
        ema=float(_unless(asked.ema, _EMA)),
        label_smoothing=float(_unless(asked.label_smoothing, 0.0)),
        best_weights=False,  # each fold's pictures judge: they must not choose as well
        precision=asked.precision,
        device=asked.device,
        devices=asked.devices,
        seed=(recipe.seed + 1000 * rung.number + fold) % 2**32,
        freeze_norm=bool(_unless(asked.freeze_norm, True)),
        class_weight=asked.class_weight,
    )


def _augmentation(asked: Any) -> Augmentation:
    from tellapart.learn.deep.tuning import Augmentation

    if asked is None:
        return Augmentation(flip=True, rotate=10.0, lighting=0.1, crop=0.7)
    return Augmentation(**asked.model_dump())


def _unless(value: Any, own: Any) -> Any:
    return own if value is None or value == "auto" else value
