"""What the epochs of a training say about its end."""

from __future__ import annotations

from typing import Any

from tellapart.learn.history import still_falling


def _epochs(losses: list[float], validation: bool = True) -> list[dict[str, Any]]:
    return [
        {
            "epoch": number,
            "loss": loss,
            "validation_loss": loss if validation else None,
            "validation_accuracy": 0.6 if validation else None,
        }
        for number, loss in enumerate(losses, 1)
    ]


def _facts(losses: list[float], validation: bool = True, **more: Any) -> dict[str, Any]:
    history = _epochs(losses, validation)
    common = {"history": history, "best_epoch": len(losses), "learning_rate": 0.001}
    return {"finished": True, **common, **more}


FALLING = [1.2 * 0.99**n for n in range(100)]
SETTLED = [0.3 + 0.9 * 0.8**n for n in range(100)]


def test_a_loss_that_still_falls_is_said_with_the_rate() -> None:
    said = still_falling(_facts(FALLING))
    assert said == (
        "The validation loss was still falling in the last epoch: more epochs, or a larger "
        "train.learning_rate (now 0.001), would help."
    )
    plain = still_falling(_facts(FALLING, validation=False))
    assert plain.startswith("The loss was still falling")


def test_nothing_is_said_of_a_training_that_settled_or_was_cut_off() -> None:
    assert not still_falling(_facts(SETTLED))
    assert not still_falling(_facts(FALLING, best_epoch=80))
    assert not still_falling(_facts(FALLING, finished=False))
    assert not still_falling(_facts(FALLING[:1]))
    assert not still_falling(_facts([]))
    assert not still_falling(_facts(FALLING, schedule="one_cycle"))
    assert not still_falling(_facts([float("nan")] * 20))
    sure = _facts(FALLING)
    sure["history"][-1]["validation_accuracy"] = 1.0
    assert not still_falling(sure)
