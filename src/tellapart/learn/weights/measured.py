"""How many pictures a second a backbone takes in here: measured, and remembered."""

from __future__ import annotations

import json
import time

import numpy as np

from tellapart.learn.backbone import Backbone, write
from tellapart.learn.engine import Engine
from tellapart.learn.features import BATCH, cache_of
from tellapart.settings import Settings

_FILE = "speeds.json"
#: Seconds that a measurement takes at least, and runs before it.
_SECONDS, _WARM_UP = 1.0, 2


def speed(backbone: Backbone, settings: Settings, *, anew: bool = False) -> float:
    """Pictures a second that the network's engine takes here, one batch after the other on all
    `settings.worker_threads`; without reading and preparing pictures. About 2 s on first use,
    then from `cache_dir/speeds.json`.
    """
    known = None if anew else known_speed(backbone, settings)
    if known is not None:
        return known
    engine = Engine(
        backbone.onnx, threads=settings.worker_threads, cache_dir=cache_of(backbone, settings)
    )
    shape = (BATCH, backbone.size, backbone.size, 3)
    batch = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    for _ in range(_WARM_UP):
        engine.run(batch, ("features",))
    start, count = time.perf_counter(), 0
    while (spent := time.perf_counter() - start) < _SECONDS:
        engine.run(batch, ("features",))
        count += BATCH
    found = round(count / spent, 2)
    speeds = {**_speeds(settings), _key(backbone, settings): found}
    write(settings.cache_dir / _FILE, json.dumps(speeds, sort_keys=True, indent=1).encode())
    return found


def known_speed(backbone: Backbone, settings: Settings) -> float | None:
    """What was measured here before; None where nothing was."""
    found = _speeds(settings).get(_key(backbone, settings))
    return float(found) if isinstance(found, int | float) else None


def _key(backbone: Backbone, settings: Settings) -> str:
    return f"{backbone.key}-t{settings.worker_threads}"


def _speeds(settings: Settings) -> dict[str, float]:
    try:
        found = json.loads((settings.cache_dir / _FILE).read_bytes())
        return dict(found) if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}
