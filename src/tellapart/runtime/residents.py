"""Models that answer: bundles loaded on demand into serving's pools, the least used ones closed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tellapart.settings import Settings


class Residents:
    """Resident models, by the bundle's path. One event loop's."""

    def __init__(self, settings: Settings, *, most: int = 4, idle: float = 600.0) -> None:
        """`most` models are resident at once; one not asked for `idle` seconds is closed."""
        self.settings = settings
        self.most = most
        self.idle = idle

    async def predict(
        self,
        bundle: Path,
        body: bytes,
        *,
        content_type: str = "",
        query: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """The status and JSON that `tellapart serve` answers to `POST /predict` with this body.

        `query`: as there, such as `{"why": "1"}`. Loads the bundle first where it is not resident.
        Raises `NotFoundError`, `VerificationError`, `MissingExtraError` for a bundle that cannot be
        loaded, `OverloadedError` where all residents are busy.
        """
        raise NotImplementedError

    async def close(self) -> None:
        """End all of them."""
