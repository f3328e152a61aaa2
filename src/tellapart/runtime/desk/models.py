"""Trained versions of a project: figures, report, files, answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tellapart.runtime.desk.base import Base
from tellapart.runtime.desk.shapes import Download, FileKind, VersionView


class Models(Base):
    """What a project has learned. `version` None: the newest."""

    def versions(self, project: str) -> list[VersionView]:
        """The packaged versions, newest first."""
        raise NotImplementedError

    def version(self, project: str, version: int | None = None) -> VersionView:
        """One version. Raises `NotFoundError`."""
        raise NotImplementedError

    def metrics(self, project: str, version: int | None = None) -> dict[str, Any]:
        """All figures of a version: the bundle's `metrics.json` (accuracy, `confusion`,
        `per_class`, `confident_errors`, `history`, …)."""
        raise NotImplementedError

    def manifest(self, project: str, version: int | None = None) -> dict[str, Any]:
        """What the bundle says of itself: labels, recipe, data, licences, network."""
        raise NotImplementedError

    def report(self, project: str, version: int | None = None) -> bytes:
        """The report as one HTML page; the newest version's with all pictures, for its owner."""
        raise NotImplementedError

    def plots(self, project: str, version: int | None = None) -> list[str]:
        """Names of the plots, such as `confusion.png`."""
        raise NotImplementedError

    def plot(self, project: str, name: str, version: int | None = None) -> bytes:
        """One plot as PNG. Raises `NotFoundError`."""
        raise NotImplementedError

    def bundle(self, project: str, version: int | None = None) -> Download:
        """The bundle's zip."""
        raise NotImplementedError

    def file(self, project: str, kind: FileKind, version: int | None = None) -> Download:
        """A file out of a version, ready to be streamed (copied out once, kept by content).

        `coreml` is a zip of the package, `dataset` a zip of the pictures that may be passed on
        and rows of all. Raises `NotFoundError` where the version has none.
        """
        raise NotImplementedError

    def compare(self, project: str, first: int, second: int) -> dict[str, Any]:
        """Two versions side by side: `versions`, `metrics` (name → [first, second]), `classes`
        (class → [recall, recall]), `pictures`, `recipe` (key → [first, second], differences)."""
        raise NotImplementedError

    async def predict(
        self,
        project: str,
        body: bytes,
        content_type: str,
        *,
        version: int | None = None,
        why: bool = False,
    ) -> tuple[int, dict[str, Any]]:
        """HTTP status and JSON of `serve` for the same body, through the same pool."""
        raise NotImplementedError

    def explain(
        self, project: str, picture: bytes, label: str | None = None
    ) -> tuple[dict[str, Any], bytes]:
        """Why the newest version answers a picture as it does: `Explanation.to_dict` (without
        paths), and the picture with its heat map as PNG. Takes a second or more."""
        raise NotImplementedError

    def network(self, project: str) -> dict[str, Any]:
        """The project's network layer by layer: `layers` ([{name, kind, out, parameters, …}]),
        `parameters`, `source`. Raises `NotFoundError` where it trains none."""
        raise NotImplementedError

    def work_file(self, project: str, name: str) -> Path:
        """A file that steps left beside the work, of those that may be shown (`plots/*.png`)."""
        raise NotImplementedError
