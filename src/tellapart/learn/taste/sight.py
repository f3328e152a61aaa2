"""Sight: pictures to features for every user of this process, by one engine."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tellapart import images
from tellapart.errors import PictureError, TellapartError
from tellapart.learn.engine import Engine, Precision
from tellapart.learn.taste import base as bases
from tellapart.learn.taste.heads import Taste
from tellapart.settings import Settings

#: Pictures that go through the network together; see `learn.features.BATCH`.
BATCH = 4
#: Bundles that stay loaded: each takes the memory of a network.
_MOST_BUNDLES = 4


@dataclass(frozen=True)
class Look:
    """What one picture gave: features, or the problem with it."""

    #: (D,) float32; None where there is a problem.
    features: NDArray[np.float32] | None
    #: Why there are none, in one line; "" where there are.
    problem: str = ""
    #: `picture`: it cannot be used. `model`: the network failed, and nothing is judged. "": none.
    fault: str = ""


class Sight:
    """A network ready to look at pictures; `look` may be called from many threads.

    `base`: a project's bundle (zip or folder) whose features count; None: the backbone that comes
    with the program. Use `Sight.shared`: the network is then loaded once for all users.
    """

    def __init__(
        self, settings: Settings, base: Path | None = None, *, view: images.View = "squash"
    ) -> None:
        self._base = bases.of_bundle(base) if base else bases.embedded(settings, view)
        self._workers = settings.worker_threads
        self._engine = Engine(
            self._base.model,
            threads=self._workers,
            callers=self._workers,
            cache_dir=self._base.cache_dir,
            precision=settings.sight_precision,
        )
        #: Why it does not run in the precision asked for; "": it does.
        self.note = ""
        if self._engine.precision != settings.sight_precision:
            self.note = f"The network runs in fp32, not in bf16: {self._engine.reason}."
        self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="sight")

    @classmethod
    def shared(cls, settings: Settings, base: Path | None = None) -> Sight:
        """The one of this process for this base and these settings, loaded on first use.

        Of bundles the last few stay loaded; one in use stays as long as it is used.
        """
        written = base.stat().st_mtime_ns if base and base.exists() else 0
        place = f"{settings.cache_dir}\0{settings.sight_precision}"
        key = (place, settings.worker_threads, str(base or ""), written)
        with _lock:
            found = _shared.pop(key, None)
            if found is None:
                for other in [k for k in _shared if k[:3] == key[:3]]:
                    del _shared[other]  # the bundle was written anew
                found = cls(settings, base)
            _shared[key] = found  # as the one used last
            for other in [k for k in _shared if k[2]][:-_MOST_BUNDLES]:
                del _shared[other]
            return found

    @property
    def key(self) -> str:
        """Names all that features depend on but the picture: heads of another key do not fit."""
        precision = self._engine.precision
        return self._base.key + ("" if precision == "fp32" else f"-{precision}")

    @property
    def precision(self) -> Precision:
        """What the network runs in."""
        return self._engine.precision

    @property
    def dim(self) -> int:
        """Numbers of a picture's features."""
        return self._base.dim

    @property
    def view(self) -> images.View:
        """How a picture is brought to the network's shape."""
        return self._base.view

    @property
    def has_map(self) -> bool:
        """Whether it can say where in a picture something spoke."""
        return "feature_map" in self._engine.outputs

    @property
    def keeps(self) -> bool:
        """Whether features may be kept at rest: not where they tell of faces."""
        return self._base.view not in images.FACE_VIEWS

    def look(self, pictures: Sequence[bytes]) -> list[Look]:
        """Decode pictures (files' bytes) and look at them, one outcome each, in their order.

        Nothing is raised: a picture that cannot be used, or a network that fails, is a `problem`.
        """
        batches = [pictures[start : start + BATCH] for start in range(0, len(pictures), BATCH)]
        if len(batches) < 2:
            return [look for batch in batches for look in self._batch(batch)]
        return [look for found in self._pool.map(self._batch, batches) for look in found]

    def map(self, picture: bytes, taste: Taste) -> NDArray[np.float32] | None:
        """What in a picture spoke for a like, and where: logits (h, w), their mean the picture's.

        None where the base has no map. Raises `PictureError`.
        """
        if not self.has_map:
            return None
        places = self._engine.run(self._pixels(picture)[None], ("feature_map",))["feature_map"]
        return taste.map(places[0])

    def overlay(self, picture: bytes, taste: Taste) -> Image.Image | None:
        """The picture with what spoke for a like glowing; None where the base has no map.

        Raises `PictureError`.
        """
        from tellapart.bundle.overlay import why_overlay

        heat = self.map(picture, taste)
        if heat is None:
            return None
        if self.keeps:
            return why_overlay(images.decode(picture), heat, view=self.view)
        # A face was cut out and turned upright: the heat belongs on what the network saw.
        return why_overlay(Image.fromarray(self._pixels(picture)), heat)

    def _pixels(self, picture: bytes) -> np.ndarray:
        return images.load(picture, self._base.size, self._base.view, self._base.color)

    def _batch(self, pictures: Sequence[bytes]) -> list[Look]:
        looks: list[Look | None] = [None] * len(pictures)
        pixels: list[np.ndarray] = []
        places: list[int] = []
        for place, picture in enumerate(pictures):
            try:
                pixels.append(self._pixels(picture))
                places.append(place)
            except PictureError as error:
                looks[place] = Look(None, error.what, "picture")
            except TellapartError as error:  # such as a detector of faces that is gone
                looks[place] = Look(None, error.what, "model")
        if pixels:
            for place, found in zip(places, self._features(np.stack(pixels)), strict=True):
                looks[place] = found
        return [look for look in looks if look is not None]

    def _features(self, stack: np.ndarray) -> list[Look]:
        try:
            rows = self._engine.run(stack, ("features",))["features"]
        except Exception as error:  # whatever it is: not judged, never a like
            what = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
            return [Look(None, f"the network failed: {what}", "model")] * len(stack)
        return [
            Look(row)
            if np.isfinite(row).all()
            else Look(None, "the network gave features that are no numbers", "model")
            for row in rows
        ]


_lock = threading.Lock()
_shared: dict[tuple[str, int, str, int], Sight] = {}
