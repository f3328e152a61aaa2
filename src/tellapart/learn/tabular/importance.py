"""Which columns a model leans on: how much worse it does when one is shuffled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: More rows or turns hardly change the picture, and each costs a pass through the model.
_MOST_ROWS, _MOST_TURNS, _PASSES = 1000, 10, 500


def permutation(
    predict: Callable[[NDArray[np.float32]], NDArray[Any]],
    rows: NDArray[np.float32],
    y: NDArray[np.int64],
    names: Sequence[str],
    seed: int,
) -> list[dict[str, Any]]:
    """What shuffling each column of raw rows (n, f), alone, costs; JSON-able.

    `predict` gives probabilities (n, C). One entry a column, the most important first: `drop` is
    the accuracy that shuffling costs, `log_loss` what it adds to the log loss, means over
    `turns`; `spread` is the standard deviation of the drop, `n` the rows. A column that the model
    does not use costs 0; of columns that say the same, each costs little (Breiman: Random
    Forests, Machine Learning 45, 2001). Nothing without a row.
    """
    draw = np.random.default_rng(seed)
    if len(rows) > _MOST_ROWS:
        places = np.sort(draw.choice(len(rows), _MOST_ROWS, replace=False))
        rows, y = rows[places], y[places]
    turns = min(_MOST_TURNS, max(1, _PASSES // max(len(names), 1)))
    if not len(rows):
        return []
    accuracy, log_loss = _judge(predict(rows), y)
    found: list[dict[str, Any]] = []
    for column, name in enumerate(names):
        lost = np.zeros((turns, 2))
        for turn in range(turns):
            shuffled = rows.copy()
            shuffled[:, column] = shuffled[draw.permutation(len(rows)), column]
            worse = _judge(predict(shuffled), y)
            lost[turn] = accuracy - worse[0], worse[1] - log_loss
        found.append(
            {
                "column": name,
                "drop": round(float(lost[:, 0].mean()), 6),
                "spread": round(float(lost[:, 0].std()), 6),
                "log_loss": round(float(lost[:, 1].mean()), 6),
                "turns": turns,
                "n": len(rows),
            }
        )
    return sorted(found, key=lambda one: (-float(one["log_loss"]), -float(one["drop"])))


def _judge(probabilities: NDArray[Any], y: NDArray[np.int64]) -> tuple[float, float]:
    own = np.clip(probabilities[np.arange(len(y)), y].astype(np.float64), 1e-15, 1)
    right = probabilities.argmax(axis=1) == y
    return float(right.mean()), float(-np.log(own).mean())
