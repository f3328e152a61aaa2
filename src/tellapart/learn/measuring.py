"""Measure pictures: each is read and decoded once, for all analyzers and for its features."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from tellapart import images
from tellapart.doors import Analyzer, Picture
from tellapart.errors import DataError, NotFoundError, PictureError

if TYPE_CHECKING:
    from tellapart.learn.backbone import Backbone
    from tellapart.learn.features import FeatureCache
    from tellapart.settings import Settings
    from tellapart.store.files import FileStore

#: Longest side of what analyzers see; their figures do not need more, and cost by the pixel.
ANALYZED_SIDE = 256
#: Under this name a broken picture's `reason` and `what` are kept, so that it is tried once.
BROKEN = "decode"
#: The decoder may read what an older one could not.
BROKEN_VERSION = images.VERSION
#: Reasons that are not the picture's own fault and may be gone the next time.
_PASSING = frozenset({"missing"})
#: Pictures stored in one go, and looked at by one thread before others hear of them.
_AT_ONCE, _TOGETHER = 128, 16

Read = Callable[[], bytes]
Figures = dict[str, dict[str, Any]]
#: Stores figures: analyzer's name, its version, figures by SHA-256.
Save = Callable[[str, int, Mapping[str, Mapping[str, Any]]], None]


@dataclass(frozen=True)
class Plan:
    """What is still to be measured of one picture."""

    sha256: str
    read: Read
    analyzers: tuple[Analyzer, ...]
    features: bool


class _Seen(Picture):
    """A picture whose pixels are read out of Pillow's image only where an analyzer wants them."""

    def __init__(self, sha256: str, data: bytes, seen: images.Look) -> None:
        facts = {"width": seen.width, "height": seen.height, "format": seen.format}
        vars(self).update(sha256=sha256, data=data, image=_reduced(seen.image), **facts)

    @cached_property
    def pixels(self) -> np.ndarray:
        return np.asarray(self.image)


@dataclass
class Survey:
    """Measures what its plans ask for and hands the outcome over in batches."""

    save: Save
    hint: int
    on_done: Callable[[int], None]
    #: By SHA-256: the `PictureError` of what cannot be used.
    errors: dict[str, PictureError] = field(default_factory=dict)
    _fresh: dict[tuple[str, int], Figures] = field(default_factory=lambda: defaultdict(dict))
    _done: int = 0

    def run_light(self, plans: Sequence[Plan], threads: int) -> None:
        """Measure without features, in `threads` threads."""
        parts = [plans[at : at + _TOGETHER] for at in range(0, len(plans), _TOGETHER)]
        waiting = 0
        pool = ThreadPoolExecutor(max(1, threads), thread_name_prefix="measure")
        try:
            # While some are stored the next ones are measured.
            for part, found in zip(parts, pool.map(self._look_at, parts), strict=True):
                self._take(part, found)
                waiting += len(part)
                if waiting >= _AT_ONCE:
                    self._flush()
                    waiting = 0
            self._flush()
        finally:
            pool.shutdown(cancel_futures=True)

    def run_full(
        self,
        plans: Sequence[Plan],
        backbone: Backbone,
        view: images.View,
        settings: Settings,
        cache: FeatureCache,
    ) -> None:
        """Measure and extract features from the same decoded picture; features go to `cache`."""
        from tellapart.learn import features

        # Figures wait here until their picture's features are there too.
        waiting: dict[str, dict[str, dict[str, Any]]] = {}

        def loader(plan: Plan) -> Callable[[], bytes | np.ndarray]:
            def load() -> np.ndarray:
                image, figures = self._decode(plan)
                waiting[plan.sha256] = figures
                return images.prepare(image, backbone.size, view)

            return load

        by_sha = {plan.sha256: plan for plan in plans}
        items = [(sha, loader(plan)) for sha, plan in by_sha.items()]
        vectors: dict[str, np.ndarray] = {}
        for sha, outcome in features.extract(items, backbone, view, settings):
            if isinstance(outcome, PictureError):
                self._take([by_sha[sha]], [outcome])
            else:
                vectors[sha] = outcome
                self._take([by_sha[sha]], [waiting.pop(sha)])
            if len(vectors) >= _AT_ONCE:
                _keep(cache, vectors)
                self._flush()
        _keep(cache, vectors)
        self._flush()

    def _look_at(self, plans: Sequence[Plan]) -> list[dict[str, dict[str, Any]] | PictureError]:
        return [self._look(plan) for plan in plans]

    def _look(self, plan: Plan) -> dict[str, dict[str, Any]] | PictureError:
        try:
            return self._decode(plan)[1]
        except PictureError as error:
            return error

    def _decode(self, plan: Plan) -> tuple[Image.Image, dict[str, dict[str, Any]]]:
        data = plan.read()
        seen = images.look(data, hint=self.hint)
        if not plan.analyzers:
            return seen.image, {}
        picture = _Seen(plan.sha256, data, seen)
        return seen.image, {a.name: _measured(a, picture) for a in plan.analyzers}

    def _take(
        self,
        plans: Sequence[Plan],
        outcomes: Iterable[dict[str, dict[str, Any]] | PictureError],
    ) -> None:
        for plan, outcome in zip(plans, outcomes, strict=True):
            if isinstance(outcome, PictureError):
                self.errors[plan.sha256] = outcome
                if outcome.reason not in _PASSING:
                    facts = {"reason": outcome.reason, "what": outcome.what}
                    self._fresh[BROKEN, BROKEN_VERSION][plan.sha256] = facts
            else:
                for analyzer in plan.analyzers:
                    figures = outcome[analyzer.name]
                    self._fresh[analyzer.name, analyzer.version][plan.sha256] = figures
            self._done += 1
        self.on_done(self._done)

    def _flush(self) -> None:
        for (name, version), figures in self._fresh.items():
            self.save(name, version, figures)
        self._fresh.clear()


def _keep(cache: FeatureCache, vectors: dict[str, np.ndarray]) -> None:
    if vectors:
        cache.put(list(vectors), np.stack(list(vectors.values())))
        vectors.clear()


def reader(files: FileStore, sha256: str, path: str = "") -> Read:
    """How to get one picture's bytes: from `path` (referenced in place) or from `files`.

    What is read raises `PictureError` where the file is gone or no longer the one collected.
    """

    def read() -> bytes:
        try:
            data = _bytes_of(path) if path else files.get(sha256)
        except (OSError, NotFoundError) as error:
            text = error.what if isinstance(error, NotFoundError) else error.strerror or error
            raise _missing(f"The picture's file cannot be read: {text}") from None
        if hashlib.sha256(data).hexdigest() != sha256:
            if not path:  # worthless under this name; gone, it is fetched again
                files.remove(sha256)
            raise _missing("The picture's file has changed since it was collected.")
        return data

    return read


def _bytes_of(path: str) -> bytes:
    # `Path.read_bytes` takes three times as long: as much as hashing a small picture.
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        return file.read()


def _missing(what: str) -> PictureError:
    return PictureError(
        what,
        expected="the file as it was when it was collected",
        do="Run `tellapart collect` again, which sees what has changed.",
        reason="missing",
    )


def _reduced(image: Image.Image) -> Image.Image:
    factor = -(-max(image.size) // ANALYZED_SIDE)
    # A sliver of 1 × 4000 keeps its one pixel.
    across, down = min(factor, image.width), min(factor, image.height)
    return image.reduce((across, down)) if factor > 1 else image


def _measured(analyzer: Analyzer, picture: Picture) -> dict[str, Any]:
    try:
        return dict(analyzer.measure(picture))
    except PictureError:
        raise
    # A stranger's analyzer may fail with anything; the user must learn whose fault it is.
    except Exception as error:
        raise DataError(
            f"The analyzer {analyzer.name!r} failed on the picture {picture.sha256[:16]}: "
            f"{type(error).__name__}: {error}",
            expected="figures for every picture that can be decoded",
            do="Upgrade or uninstall the package that brings this analyzer, or tell its author.",
        ) from error
