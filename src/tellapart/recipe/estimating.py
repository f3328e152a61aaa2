"""How long an epoch will take here, before anything is built: an estimate, never a promise."""

from __future__ import annotations

import math
import time
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tellapart.recipe.network import Network

#: Forward once, backward about twice: the gradients by the inputs and by the weights.
_PASSES = 3
#: Share of a matrix product's speed that training reaches. Measured: `benchmarks` of mnist_cnn.
_REACHED = 0.6
#: Seconds a step that do not depend on the batch: calls, the optimizer, the loop around them.
_STEP = 1e-3
_STEP_LAYER = 1e-4
_SIDE = 512
_TRIES = 8


def epoch_seconds(network: Network, samples: int, batch: int = 32) -> float:
    """About how many seconds one epoch of `samples` in batches of `batch` takes on this CPU.

    From the network's operations and the speed of a matrix product, measured once (some 30 ms).
    An estimate: expect it within a factor of two, on an otherwise idle machine.
    """
    work = _PASSES * network.flops * samples / (_speed() * _REACHED)
    steps = math.ceil(samples / max(batch, 1))
    return work + steps * (_STEP + _STEP_LAYER * len(network.layers))


@cache
def _speed() -> float:
    """Operations a second of a float32 matrix product here, the best of a few."""
    import numpy as np

    square = np.ones((_SIDE, _SIDE), np.float32)
    best = math.inf
    for _ in range(_TRIES):
        begin = time.perf_counter()
        square @ square
        best = min(best, time.perf_counter() - begin)
    return float(2 * _SIDE**3 / best)
