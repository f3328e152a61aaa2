"""What the epochs of a network's training say about its end."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

#: A loss that fell by less than this share over the last tenth of the epochs has settled; above
#: this validation accuracy it does not matter any more.
_CLEARLY, _ENOUGH = 0.02, 0.99


def still_falling(facts: Mapping[str, Any]) -> str:
    """That a training ended too early, for a note; empty where it did not.

    `facts` are those of a trained network: `history`, `best_epoch` (whose weights were kept),
    `learning_rate`, `finished`, `schedule`. A schedule that ends at a small rate has no more to
    give at its end, whatever the loss does.
    """
    history = facts.get("history") or []
    last = len(history)
    if last < 2 or not facts.get("finished", True) or facts.get("best_epoch") != last:
        return ""
    if facts.get("schedule", "constant") != "constant":
        return ""
    validated = history[-1].get("validation_loss") is not None
    if (history[-1].get("validation_accuracy" if validated else "accuracy") or 0) > _ENOUGH:
        return ""
    key = "validation_loss" if validated else "loss"
    before, now = history[-1 - max(1, last // 10)].get(key), history[-1].get(key)
    if not _finite(before) or not _finite(now) or now >= before - _CLEARLY * abs(before):
        return ""
    return (
        f"The {key.replace('_', ' ')} was still falling in the last epoch: more epochs, or a "
        f"larger train.learning_rate (now {facts.get('learning_rate', 0):g}), would help."
    )


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
