"""The chain: the only place where steps meet.

`ORDER` is the product. A run walks it; every step works only on what is not done, so a run that
was cut off is run again and goes on. The heavy steps of one run share one spawned worker
(`tellapart.worker`), started first so that its imports overlap with collecting.
"""

from __future__ import annotations

import contextlib
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from tellapart.errors import DataError, Interrupted, NotFoundError
from tellapart.settings import Settings
from tellapart.steps import Command, Progress, StepContext, is_long, open_context, run_step
from tellapart.worker import Worker

#: collect → curate → split → train → evaluate → compile → package
ORDER = ("collect", "curate", "split", "train", "evaluate", "compile", "package")

#: Steps that compute; they run in the spawned worker. `collect` waits for the network.
HEAVY = frozenset(ORDER) - {"collect"}

Watcher = Callable[[Progress], None]


def plan(upto: str = ORDER[-1], *, since: str = ORDER[0]) -> tuple[str, ...]:
    """The steps from `since` to `upto`, in order. Raises `NotFoundError` for an unknown step."""
    for step in (since, upto):
        if step not in ORDER:
            raise NotFoundError(
                f"There is no step {step!r}.",
                expected=f"one of {', '.join(ORDER)}",
                do="Correct the step's name.",
            )
    return ORDER[ORDER.index(since) : ORDER.index(upto) + 1]


class Walk:
    """One pass through steps of a project: they are taken one by one and share one spawned worker.

    A `with` block ends the worker. The caller holds the project's lock.
    """

    def __init__(
        self,
        settings: Settings,
        name: str,
        steps: Sequence[str],
        *,
        progress: Watcher | None = None,
        spawn: bool = True,
        heavy: frozenset[str] = HEAVY,
        keep: Sequence[int] = (),
    ) -> None:
        """`steps`: the whole command, also those taken before. `heavy` ones run in the worker,
        which gets the descriptors `keep` too."""
        #: Each taken step's summary, and its seconds.
        self.summaries: dict[str, dict[str, Any]] = {}
        self.seconds: dict[str, float] = {}
        #: The step that is being taken, or was last.
        self.at = ""
        self._heavy = heavy
        self._watch = _guarded(progress)
        command = Command(time.monotonic(), tuple(steps))
        #: Started first, so that its imports overlap with the first step.
        self._worker: Worker | None = None
        if spawn and not heavy.isdisjoint(steps):
            self._worker = Worker(settings, name, command, keep)
        try:
            self._context = open_context(settings, name, self._watch, command)
            for left in (self._context.training_file, self._context.stop_file):
                left.unlink(missing_ok=True)  # of a run that was killed
        except BaseException:
            self.kill()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def step(self, step: str) -> dict[str, Any]:
        """Take one step and return its summary. Raises what it raises."""
        self.at = step
        start = time.perf_counter()
        self._watch(Progress(step, 0, None, "starting"))
        with _stoppable(self._context, step):
            if step == "collect" and self._context.recipe.in_rounds:
                self.summaries[step] = self._collect_in_rounds()
            else:
                self.summaries[step] = self._take(step, self._watch)
        self.seconds[step] = round(time.perf_counter() - start, 3)
        return self.summaries[step]

    def _take(self, step: str, watch: Watcher) -> dict[str, Any]:
        # What weighs computes as what curates does.
        heavy = ("curate" if step == "weigh" else step) in self._heavy
        if self._worker is not None and heavy:
            return self._worker.run(step, watch)
        return run_step(step, replace(self._context, progress=watch))

    def _collect_in_rounds(self) -> dict[str, Any]:
        """Collect, look, decide, until there are enough: all of it is the step `collect`."""
        told = _Rounds(self._watch)
        standing = self._take("rounds", told)
        told.round = standing["round"]
        summary = self._take("collect", told)
        while not standing["over"]:
            # A class of which nothing is kept yet may have some after the next round.
            with contextlib.suppress(DataError):
                self._take("curate", told)
            standing = self._take("weigh", told)
            told.round = standing["round"]
            if not standing["over"]:
                summary = self._take("collect", told)
        notes = [*summary.get("notes", ()), *standing["notes"]]
        return {**summary, "notes": notes, "rounds": standing}

    def stop(self) -> bool:
        """Ask a training that is under way to end at its next halt; whether there is one."""
        if self._context.training_file.exists():
            self._context.stop_file.touch()
            return True
        return False

    @property
    def alive(self) -> bool:
        """Whether the worker, if there is one, still runs."""
        return self._worker is None or self._worker.alive

    def kill(self) -> None:
        """End the worker amid its step, which then raises `WorkerError`; from any thread."""
        if self._worker is not None:
            self._worker.kill()

    def close(self) -> None:
        """End the worker and let go of the database; what was done stays."""
        if self._worker is not None:
            self._worker.close()
        self._context.close()

    def note_reserve(self) -> None:
        """Write down how long the steps after a ladder took, beside what it kept for them."""
        _note_reserve(self._context, self.summaries, self.seconds)


class _Rounds:
    """Tells of all that is done in rounds as of collecting."""

    def __init__(self, watch: Watcher) -> None:
        self.round = 1
        self._watch = watch
        self._last = Progress("collect", 0)

    def __call__(self, event: Progress) -> None:
        if event.step == "collect":
            self._last = event
        note = f"round {self.round}" + (f", {event.note}" if event.note else "")
        self._watch(replace(self._last, note=note))


def run(
    settings: Settings,
    name: str,
    steps: Sequence[str],
    *,
    progress: Watcher | None = None,
    spawn: bool = True,
) -> tuple[dict[str, dict[str, Any]], dict[str, float]]:
    """Walk `steps` for the project `name`; return each step's summary and its seconds.

    Heavy steps run in one spawned worker unless `spawn` is False. Raises whatever a step raises,
    and `Interrupted` on Ctrl-C: what is done is kept. The caller holds the project's lock.
    """
    walk: Walk | None = None
    try:
        with Walk(settings, name, steps, progress=progress, spawn=spawn) as walk:
            for step in steps:
                walk.step(step)
            walk.note_reserve()
    except KeyboardInterrupt:
        at = walk.at if walk is not None else ""
        raise Interrupted(
            f"Stopped during {at or 'start'}.",
            expected="the work to be let finish",
            do="Run the same command again: it goes on from here. Nothing done is lost.",
        ) from None
    return walk.summaries, walk.seconds


@contextlib.contextmanager
def _stoppable(context: StepContext, step: str) -> Iterator[None]:
    """While a network or a ladder trains, the first Ctrl-C asks it to end at its next halt.

    The run then goes on with what was learned so far, up to the bundle; a second Ctrl-C ends it.
    """
    if step != "train" or not is_long(context.recipe):
        yield
        return
    context.stop_file.unlink(missing_ok=True)  # one asked for before concerns a run before
    with contextlib.suppress(OSError):  # a full disk: nobody can ask, but it trains
        (context.work / context.training_file.name).touch()
    handler = signal.getsignal(signal.SIGINT)
    catches = handler is signal.default_int_handler
    # Only the main thread may set handlers; a caller's own handler is left alone.
    catches = catches and threading.current_thread() is threading.main_thread()
    if catches:
        signal.signal(signal.SIGINT, lambda *_: _ask_to_stop(context.stop_file))
    try:
        yield
    finally:
        if catches:
            signal.signal(signal.SIGINT, handler)
        context.training_file.unlink(missing_ok=True)
        context.stop_file.unlink(missing_ok=True)


def _note_reserve(
    context: StepContext, summaries: dict[str, dict[str, Any]], seconds: dict[str, float]
) -> None:
    """Write beside the ladder's work how long the steps after it took, and what was kept for them:
    what its estimates are checked by."""
    kept = summaries.get("train", {}).get("reserve")
    took = {step: seconds[step] for step in ("evaluate", "compile", "package") if step in seconds}
    if kept and took:
        with contextlib.suppress(OSError):  # nothing stands on it
            text = json.dumps({"kept": kept, "took": took}, indent=1, sort_keys=True)
            (context.work / "reserve.json").write_text(f"{text}\n", encoding="utf-8")


def _ask_to_stop(file: Path) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        return
    raise KeyboardInterrupt


def _guarded(progress: Watcher | None) -> Watcher:
    """A watcher that can never break the run it watches."""

    def watch(event: Progress) -> None:
        if progress is not None:
            # Observers never break the observed: a closed terminal must not end a run.
            with contextlib.suppress(Exception):
                progress(event)

    return watch
