"""Run the server: start the workers, listen when they are ready, reload, and stop in good order."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import math
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tellapart.errors import TellapartError
from tellapart.serving import spawn, systemd, watching
from tellapart.serving.listening import Listening
from tellapart.serving.logs import Handler, Log
from tellapart.serving.metrics import Metrics
from tellapart.serving.models import ModelInfo
from tellapart.serving.options import Options
from tellapart.serving.pool import Pool

if TYPE_CHECKING:
    from tellapart.serving.app import App
    from tellapart.serving.face import Face
    from tellapart.serving.grpc.server import GrpcFace

#: Seconds between looks at connections that let the server wait.
_LOOK = 1.0
#: Events of which one line a look is logged.
_OFTEN = frozenset(("shed", "late"))


def serve(
    options: Options,
    say: Callable[[str], None] | None = None,
    begun: spawn.Child | None = None,
) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code.

    `say` gets one line when the server is ready (default: standard output), which names each
    address and each model. SIGHUP loads the bundles anew. `begun`: what `spawn.begin` gave, where
    it was called before the options were known. Raises what a bundle cannot be loaded for, and
    `InputError` where an address cannot be listened on.
    """
    log = Log(options.log)
    with contextlib.ExitStack() as stack:
        stack.callback(log.flush)
        # Before anything heavy, so that the workers load while this process imports.
        child = begun or spawn.begin()
        stack.callback(child.control.close)
        found = watching.bundles(options.bundles)
        listening = Listening(options)
        stack.callback(listening.close)
        spawn.start(options, found, child)
        server = Server(options, child, listening, log, say or _say)
        return int(_runner()(server.run()))


class Server:
    """One run of the server."""

    def __init__(
        self,
        options: Options,
        child: spawn.Child,
        listening: Listening,
        log: Log,
        say: Callable[[str], None],
    ) -> None:
        self._options = options
        self._listening = listening
        self._log = log
        self._say = say
        self._metrics = Metrics()
        self._since: Counter[str] = Counter()
        self._pool = Pool(options, child=child, on_event=self._happened)
        self._face: Face | None = None
        self._grpc: GrpcFace | None = None
        self._seen = watching.look(child.bundles)
        self._stop = asyncio.Event()
        self._stopped: float | None = None
        self._reload = asyncio.Event()

    async def run(self) -> int:
        """Serve until asked to stop."""
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, self._asked_to_stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload.set)
        began = time.monotonic()
        starting = asyncio.ensure_future(self._pool.start())
        stopping = asyncio.ensure_future(self._stop.wait())
        await asyncio.sleep(0)  # the pool begins before this process imports
        try:
            self._face = self._make_face()
            if self._options.grpc_port is not None:
                self._grpc = _make_grpc(self._face.app)
            await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
            if not self._stop.is_set():
                await starting
                await self._serve(self._face, began)
            return 0
        finally:
            for task in (starting, stopping):
                task.cancel()
            await asyncio.gather(starting, stopping, return_exceptions=True)
            systemd.notify("STOPPING=1")
            whole = await self._pool.drain(self._patience())
            self._log.event("stopped", whole=whole)

    def _make_face(self) -> Face:
        from tellapart.serving.app import App
        from tellapart.serving.face import Face

        logger = logging.getLogger("asyncio")
        logger.setLevel(logging.WARNING)
        logger.handlers, logger.propagate = [Handler(self._log)], False
        app = App(self._pool, self._options, self._log, self._metrics, self._load_anew)
        return Face(app)

    async def _serve(self, face: Face, began: float) -> None:
        grpc = self._grpc
        chores = [asyncio.ensure_future(work()) for work in (self._look, self._reloading)]
        try:
            await face.start(self._listening.sockets)
            if grpc is not None:
                self._listening.addresses.append(await grpc.start())
            self._tell_ready(time.monotonic() - began)
            gc.freeze()  # what was imported stays: the collector need not walk it again and again
            await self._stop.wait()
            systemd.notify("STOPPING=1")
            self._log.event("stopping", open=self._metrics.open)
            ends = [face.stop(self._options.drain)]
            if grpc is not None:
                ends.append(grpc.stop(self._options.drain))
            await asyncio.gather(*ends)
        finally:
            for chore in chores:
                chore.cancel()
            await asyncio.gather(*chores, return_exceptions=True)
            await face.close()

    def _tell_ready(self, seconds: float) -> None:
        models = list(map(_named, self._pool.models))
        places = self._listening.addresses
        self._say(f"ready: {' '.join(places)} serves {', '.join(models)}")
        self._log.event("ready", addresses=places, models=models, seconds=round(seconds, 3))
        for info in self._pool.models:
            self._log.event("model", model=_named(info), **info.runs_on)
        systemd.notify("READY=1\nSTATUS=Serves " + ", ".join(models))

    async def _look(self) -> None:
        """What is done over and over: slow clients, systemd's watchdog, newer bundles."""
        pause = min(_LOOK, (systemd.watchdog_interval() or math.inf) / 2)
        watched = time.monotonic()
        while True:
            await asyncio.sleep(pause)
            now = time.monotonic()
            if self._face is not None:
                self._face.check(now)
            self._say_often()
            systemd.notify("WATCHDOG=1")
            if self._options.watch and now - watched >= self._options.watch:
                watched = now
                if self._changed():
                    self._reload.set()

    def _changed(self) -> bool:
        """Whether other bundles lie at the paths than when they were last loaded, or tried to."""
        try:
            return watching.look(watching.bundles(self._options.bundles)) != self._seen
        except (TellapartError, OSError):
            return False  # the folder is being filled or gone: the next look will tell

    async def _reloading(self) -> None:
        while True:
            await self._reload.wait()
            self._reload.clear()
            # The old models go on answering: a bad bundle costs nobody's request, and nothing
            # that goes wrong here is the end of looking for the next.
            try:
                await self._load_anew()
            except TellapartError:
                pass  # logged where it was raised
            except Exception as error:
                self._log.event("reload_failed", error={"what": repr(error)})

    async def _load_anew(self) -> None:
        """Load what lies at the bundles' paths now. Raises as `Pool.reload`, logged already."""
        systemd.notify("STATUS=Loading anew")
        try:
            found = watching.bundles(self._options.bundles)
            self._seen = watching.look(found)
        except TellapartError as error:
            self._log.event("reload_failed", error=error.to_dict()["error"])
            raise
        models = await self._pool.reload(found)
        systemd.notify("STATUS=Serves " + ", ".join(map(_named, models)))

    def _happened(self, name: str, facts: dict[str, Any]) -> None:
        """Something happened to the pool."""
        self._metrics.happened(name)
        if name in _OFTEN:
            self._since[name] += facts.get("jobs", 1)
        else:
            self._log.event(name, **facts)

    def _say_often(self) -> None:
        """Log what may happen thousands of times a second as one line a look."""
        for name, jobs in self._since.items():
            self._log.event(name, jobs=jobs)
        self._since.clear()

    def _patience(self) -> float:
        """Seconds of the drain that are left."""
        since = 0.0 if self._stopped is None else time.monotonic() - self._stopped
        return max(0.0, self._options.drain - since)

    def _asked_to_stop(self) -> None:
        self._stopped = self._stopped or time.monotonic()
        if self._stop.is_set() and self._face is not None:
            self._face.hurry()  # asked twice: no patience left
        self._stop.set()


def _named(info: ModelInfo) -> str:
    return f"{info.name}/{info.version}"


def _make_grpc(app: App) -> GrpcFace:
    """gRPC beside HTTP. Raises `MissingExtraError`."""
    from tellapart.serving.grpc.server import GrpcFace

    return GrpcFace(app)


def _runner() -> Callable[[Any], Any]:
    try:
        import uvloop
    except ImportError:
        return asyncio.run
    return uvloop.run  # type: ignore[no-any-return]


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
