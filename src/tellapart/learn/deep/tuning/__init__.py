"""Fine-tuning: networks of timm trained on in stages, from pictures to a backbone and its head.

`plan` needs no torch; everything else here is loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tellapart.learn.deep.tuning.pictures import PictureFeed
from tellapart.learn.deep.tuning.plan import Augmentation, Plan, Stage

if TYPE_CHECKING:
    from tellapart.learn.deep.tuning.exporting import tuned_backbone
    from tellapart.learn.deep.tuning.fitting import Tuned, device_of, predict, spent, tune

__all__ = [
    "Augmentation",
    "PictureFeed",
    "Plan",
    "Stage",
    "Tuned",
    "device_of",
    "predict",
    "spent",
    "tune",
    "tuned_backbone",
]

_WHERE = {
    "Tuned": "fitting",
    "device_of": "fitting",
    "predict": "fitting",
    "spent": "fitting",
    "tune": "fitting",
    "tuned_backbone": "exporting",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(name)
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
