"""The answers of a trained network on all samples: float32, many at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tellapart.learn.deep import numbers
from tellapart.learn.deep.build import Net
from tellapart.learn.deep.deployed import Deployed

#: Samples at a time, and between two words to who watches.
_BATCH, _WORD = 256, 4096


def answer(
    deployed: Deployed,
    x: NDArray[Any],
    watch: Callable[[int], None] = lambda done: None,
    threads: int = 0,
) -> NDArray[np.float32]:
    """Probabilities (n, C) of raw samples x; `threads` 0: as many as are worth it."""
    net = deployed.module
    before = torch.get_num_threads()
    if isinstance(net, Net):
        torch.set_num_threads(threads or numbers.threads_for(net.network, _BATCH))
    parts = []
    try:
        with torch.inference_mode():
            for start in range(0, len(x), _BATCH):
                if start % _WORD == 0:
                    watch(start)
                raw = torch.from_numpy(np.array(x[start : start + _BATCH]))
                parts.append(deployed(raw)[1].numpy())
    finally:
        torch.set_num_threads(before)
    return np.concatenate(parts).astype(np.float32)
