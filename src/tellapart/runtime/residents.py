"""Models that answer: bundles loaded on demand into serving's pools, the least used ones closed."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

from tellapart.errors import NotFoundError, OverloadedError, TellapartError
from tellapart.serving.elsewhere import Elsewhere
from tellapart.serving.metrics import Metrics
from tellapart.serving.options import Options
from tellapart.serving.pool import Pool
from tellapart.serving.predicting import Predictor
from tellapart.serving.request import Request, problem
from tellapart.settings import Settings

#: Seconds between looks for models that nobody asks, and that a closed one may finish its work.
_LOOK_S, _DRAIN_S = 15.0, 5.0


class _Key(NamedTuple):
    """A bundle's file as it is now: one put in its place is another model."""

    path: Path
    changed: int
    size: int


class _Resident:
    """One model: its pool, how often it is being asked, when it was last asked."""

    def __init__(self, bundle: Path, elsewhere: Elsewhere) -> None:
        options = Options(bundles=(bundle,), port=None, workers=1, log="off", trust_local=False)
        self.pool = Pool(options)
        self.predictor = Predictor(self.pool, options, elsewhere, Metrics())
        self.asked = 0
        self.last = time.monotonic()
        #: Begun by the first who asks, waited for by all.
        self.ready = asyncio.ensure_future(self.pool.start())


class Residents:
    """Resident models, by the bundle's path. One event loop's."""

    def __init__(self, settings: Settings, *, most: int = 4, idle: float = 600.0) -> None:
        """`most` models are resident at once; one not asked for `idle` seconds is closed."""
        self.settings = settings
        self.most = most
        self.idle = idle
        self._models: dict[_Key, _Resident] = {}
        self._elsewhere: Elsewhere | None = None
        self._watch: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[bool]] = set()

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
        model = self._model(await asyncio.to_thread(_key, bundle))
        model.asked += 1
        try:
            await self._loaded(model)
            headers = {b"content-type": content_type.encode("latin-1", "replace")}
            asked = urlencode(dict(query or {})).encode("ascii")
            request = Request("POST", "/predict", asked, headers, body=body)
            try:
                answer = await model.predictor.respond(request)
            except TellapartError as error:
                answer = problem(error)
            finally:
                model.predictor.budget.give(request.held)
            return answer.status, answer.body
        finally:
            model.asked -= 1
            model.last = time.monotonic()

    async def close(self) -> None:
        """End all of them."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
            self._watch = None
        for key in list(self._models):
            self._end(key)
        while self._closing:
            await asyncio.gather(*self._closing, return_exceptions=True)
        if self._elsewhere is not None:
            await self._elsewhere.close()
            self._elsewhere = None

    def resident(self) -> list[Path]:
        """The bundles that are loaded, the one asked last at the end."""
        found = sorted(self._models.items(), key=lambda item: item[1].last)
        return [key.path for key, _ in found]

    def _model(self, key: _Key) -> _Resident:
        """The resident of this file; where there is none, one that loads."""
        if key in self._models:
            return self._models[key]
        for stale in [each for each in self._models if each.path == key.path]:
            self._end(stale)
        while len(self._models) >= self.most:
            idle = [each for each in self._models if not self._models[each].asked]
            if not idle:
                raise OverloadedError(
                    f"All {self.most} resident models are being asked.",
                    expected="a model that can make room for another one",
                    do="Ask again in a moment.",
                    retry_after=1.0,
                )
            self._end(min(idle, key=lambda each: self._models[each].last))
        if self._elsewhere is None:
            self._elsewhere = Elsewhere(Options(port=None, trust_local=False), self.settings)
        if self._watch is None:
            self._watch = asyncio.ensure_future(self._look())
        model = self._models[key] = _Resident(key.path, self._elsewhere)
        return model

    async def _loaded(self, model: _Resident) -> None:
        try:
            await asyncio.shield(model.ready)
        except Exception:  # also what is not ours, such as memory that has run out
            for key in [each for each, one in self._models.items() if one is model]:
                self._end(key)
            raise

    def _end(self, key: _Key) -> None:
        model = self._models.pop(key)
        task = asyncio.ensure_future(_drained(model))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _look(self) -> None:
        """Close what nobody has asked for long."""
        while True:
            await asyncio.sleep(min(_LOOK_S, self.idle / 2))
            now = time.monotonic()
            for key, model in list(self._models.items()):
                if not model.asked and now - model.last > self.idle:
                    self._end(key)


async def _drained(model: _Resident) -> bool:
    """Let a model finish what it has begun, then end its processes."""
    with contextlib.suppress(Exception, asyncio.CancelledError):
        await model.ready
    return await model.pool.drain(_DRAIN_S)


def _key(bundle: Path) -> _Key:
    try:
        found = bundle.stat()
    except OSError as error:
        raise NotFoundError(
            f"The bundle {bundle.name!r} is gone ({error.strerror or error}).",
            expected="a version's bundle",
            do="Run the project again: it is packaged anew.",
        ) from error
    return _Key(bundle, found.st_mtime_ns, found.st_size)
