"""How a rung's network is tuned: the ladder's own choices, the recipe's where it has any."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tellapart.learn.backbone import Backbone
from tellapart.learn.ladder.rungs import TunedRung
from tellapart.recipe import Recipe

if TYPE_CHECKING:
    from tellapart.learn.deep.tuning import Augmentation, Plan

#: Chosen on the training pictures of trashnet_100, by folds (docs/architecture.md).
_OPTIMIZER, _WEIGHT_DECAY, _BATCH, _BY_LAYER, _SMOOTHING = "adamw", 0.05, 32, 0.7, 0.1
#: Layer groups that stay as they are: what tells edges and textures apart is learned already, and
#: with few pictures a whole network forgets more than it learns. Of networks of seven blocks, and
#: of others, whose groups are fewer.
_FROZEN, _FROZEN_ELSE = 6, 2
_SEVEN_BLOCKS = ("efficientnet", "mobilenet")
#: An average of weights needs so many steps to be worth anything.
_EMA = 0.98


def as_asked(rung: TunedRung, recipe: Recipe) -> TunedRung:
    """`rung` with the recipe's epochs, learning rate and mirror images, where it names any."""
    asked = recipe.train
    return replace(
        rung,
        epochs=int(_unless(asked.epochs, rung.epochs)),
        learning_rate=float(_unless(asked.learning_rate, rung.learning_rate)),
        mirror=asked.mirror is True,
    )


def plan_of(rung: TunedRung, net: Backbone, recipe: Recipe, fold: int) -> Plan:
    """The plan of one of the rung's networks; each fold and number draws its own chances."""
    from tellapart.learn.deep.tuning import Plan, Stage

    asked, name = recipe.train, net.timm or rung.network
    frozen = _FROZEN if any(word in name for word in _SEVEN_BLOCKS) else _FROZEN_ELSE
    stage = Stage(freeze=frozen, epochs=rung.epochs, lr=rung.learning_rate, size=rung.train_size)
    return Plan(
        backbone=name,
        stages=(stage,),
        arguments=dict(net.args),
        optimizer=_unless(asked.optimizer, _OPTIMIZER),
        weight_decay=float(_unless(asked.weight_decay, _WEIGHT_DECAY)),
        batch_size=int(_unless(asked.batch_size, _BATCH)),
        decay_by_layer=float(_unless(asked.decay_by_layer, _BY_LAYER)),
        augmentation=_augmentation(asked.augmentation),
        ema=float(_unless(asked.ema, _EMA)),
        # What other networks said is smooth by itself.
        label_smoothing=float(_unless(asked.label_smoothing, 0.0 if rung.teachers else _SMOOTHING)),
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
        return Augmentation(flip=True, rotate=20.0, lighting=0.15, crop=0.6)
    return Augmentation(**asked.model_dump())


def _unless(value: Any, own: Any) -> Any:
    return own if value is None or value == "auto" else value
