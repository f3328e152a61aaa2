"""Pretrained weights: where they are, what they are, and the backbones made of them.

In this order: an explicit file, the local folder and cache, what comes with the program, and the
model hub. Without a hub in reach all but the last go on. `find`, `backbone` and `key` of the same
name, settings and file are of the same weights.
"""

from __future__ import annotations

from tellapart.learn.weights.finding import Weights, available, find, local
from tellapart.learn.weights.made import backbone, key, of, ready, tensors
from tellapart.learn.weights.measured import known_speed, speed

__all__ = [
    "Weights",
    "available",
    "backbone",
    "find",
    "key",
    "known_speed",
    "local",
    "of",
    "ready",
    "speed",
    "tensors",
]
