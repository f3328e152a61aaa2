"""One run, walked: every step of it a step of one durable workflow, under the run's own id.

The workflow's engine remembers which steps have ended, and how. A run that was cut off is gone on
with by whoever has claimed it: finished steps are not taken again.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tellapart import api, chain, registry
from tellapart.errors import BusyError, Interrupted, StorageError, TellapartError, WorkerError
from tellapart.project import Project
from tellapart.recipe import Recipe, check
from tellapart.runtime import judging, telling
from tellapart.runtime.intake import confine
from tellapart.runtime.recording import Recorder, patiently
from tellapart.runtime.runs import Runs, folder
from tellapart.runtime.shapes import Run, now
from tellapart.settings import Settings
from tellapart.store.lock import project_lock

#: How often a step is taken again where its process died of something else than us, or the
#: database or the disk was away, and the seconds before.
_AGAIN, _PAUSE_S = 2, 2.0
#: Everything is done in the spawned process: there it can be ended at once.
_HEAVY = frozenset(chain.ORDER)
#: How many epochs… of the summary's notes become events.
_MOST_NOTES = 20


class Job:
    """A run that this worker has claimed. `take` is called by the workflow, the rest by others."""

    def __init__(
        self, engine: sa.Engine, settings: Settings, run: Run, worker: str, lost: Callable[[], None]
    ) -> None:
        self.id = run.id
        self.run = run
        #: `begin`, the chain's steps, maybe `judge`: the same in every attempt.
        self.plan = ("begin", *(step.name for step in run.steps))
        #: Whether the workflow has begun to work here.
        self.begun = False
        #: Whether it has ended, or is about to: nobody has taken it away then.
        self.over = False
        self._engine = engine
        #: The server's; and the same for the run's owner.
        self._server = settings
        self._settings = replace(settings, owner=run.owner)
        self._lost = lost
        self._cancelled = self._leaving = False
        self._walk: chain.Walk | None = None
        self._held = contextlib.ExitStack()
        steps = [vars(step) for step in run.steps]
        self._recorder = Recorder(engine, run.id, worker, [dict(s) for s in steps], lost)

    # -- from other threads -----------------------------------------------------------------

    def cancel(self) -> None:
        """End it, also amid a step."""
        self._cancelled = True
        self._kill()

    def leave(self) -> None:
        """Stop working at once and write nothing more: others will go on with it."""
        self._leaving = True
        self._kill()

    def stop(self) -> None:
        """End a training that is under way; what was learned is kept."""
        if self._walk is not None and self._walk.at == "train":
            with contextlib.suppress(OSError):
                self._walk.stop()

    def _kill(self) -> None:
        if self._walk is not None:
            self._walk.kill()

    # -- in the workflow --------------------------------------------------------------------

    def take(self, name: str) -> dict[str, Any]:
        """Take one step: its summary and its seconds. Raises `TellapartError` alone."""
        self.begun = True
        self._check()
        start = time.perf_counter()
        try:
            if name == "begin":
                patiently(self._begin, self._check)
                return {"summary": {}, "seconds": 0.0}
            self._recorder.begin(name)
            summary = self._judge() if name == "judge" else self._step(name)
        except TellapartError:
            self._check(name)
            self._recorder.fail(name)
            raise
        except Exception as error:
            self._check(name)
            self._recorder.fail(name)
            raise _unforeseen(error) from error
        return {"summary": summary, "seconds": round(time.perf_counter() - start, 3)}

    def taken(self, name: str, output: Mapping[str, Any]) -> None:
        """The engine remembers that a step is done: say so, once, to whoever watches."""
        if name != "begin" and not self._recorder.is_done(name):
            notes = [str(note) for note in output["summary"].get("notes", ())]
            self._recorder.end(name, output["seconds"], *notes[:_MOST_NOTES])

    def conclude(self, outputs: Mapping[str, Any], error: TellapartError | None) -> str:
        """Note what the run gave, and have it told; the state in which it ends."""
        self._check(cancel=False)
        try:
            return self._conclude(outputs, error)
        except Exception as problem:  # it must end, whatever happens
            self._check(cancel=False)
            self._recorder.keep(error=_unforeseen(problem).to_dict()["error"])
            return "failed"

    def _conclude(self, outputs: Mapping[str, Any], error: TellapartError | None) -> str:
        state: telling.End = _state(error)
        values: dict[str, Any] = {"error": None}
        if error is None:
            try:
                values["result"] = patiently(lambda: self._result(outputs), self._going)
                values["verdict"] = outputs.get("judge", {}).get("summary")
            except Exception as problem:  # the project was deleted meanwhile
                error = problem if isinstance(problem, TellapartError) else _unforeseen(problem)
                state = _state(error)
        if error is not None:
            values["error"] = error.to_dict()["error"]
        self._recorder.keep(**values)
        if error is not None and state == "failed":
            self._recorder.error(values["error"])
        try:
            self._recorder.keep(mail=patiently(lambda: self._tell(state), self._going))
        except Exception as problem:  # a mail never fails a run
            said = problem.what if isinstance(problem, TellapartError) else repr(problem)
            self._recorder.log(f"nobody could be told: {said}")
        return state

    def _tell(self, state: telling.End) -> str:
        run = Runs(self._engine, self._server).get(self.id)
        return telling.tell(self._engine, self._server, run, state)

    def end(self, state: str) -> None:
        """The run has ended."""
        self._check(cancel=False)
        self.over = True
        self._recorder.state(state, ended_at=now(), worker="", stop_asked=False)

    def close(self) -> None:
        """Let go of the project and of the spawned process."""
        if self._walk is not None:
            self._walk.close()
            self._walk = None
        self._held.close()

    # -- inside -----------------------------------------------------------------------------

    def _check(self, step: str = "", *, cancel: bool = True) -> None:
        """Go no further where the run is another's, or was cancelled."""
        while self._leaving:
            time.sleep(3600)  # the process is about to end: nothing may be written any more
        if cancel and self._cancelled:
            if step:
                self._recorder.fail(step, "waiting")
            raise Interrupted(
                "The run was cancelled.",
                expected="a run that is let finish",
                do="Retry it: it goes on from its last finished step.",
            )

    def _going(self) -> None:
        self._check(cancel=False)

    def _begin(self) -> None:
        """Make the project, or take what is asked for into the one there is."""
        run = self.run
        if run.kind == "retrain":
            project = Project(run.project, self._settings, self._engine)
            if run.recipe:
                project.update(run.recipe, base=self._uploads)
            self._confined(project.recipe)
        else:
            recipe = check(dict(run.recipe), sources=registry.names("source"))
            self._confined(recipe)
            api.look_ahead(recipe, self._settings, None)
            Project.create(recipe, self._settings).close()

    @property
    def _uploads(self) -> Path:
        return self._settings.owner_dir / "uploads"

    def _confined(self, recipe: Recipe) -> None:
        """What the desk has held an account's recipe to, once more where it is acted upon."""
        if self.run.owner:
            decks = self._settings.owner_dir / "decks"
            root = decks if self._of_a_deck(recipe, decks) else self._uploads
            confine(recipe.model_dump(), root)

    def _of_a_deck(self, recipe: Recipe, decks: Path) -> bool:
        """Whether it learns from labels that a deck of the owner's has written."""
        data = recipe.data
        return isinstance(data, Path) and data.name == "labels.csv" and data.is_relative_to(decks)

    def _step(self, name: str) -> dict[str, Any]:
        for again in range(_AGAIN, -1, -1):
            try:
                return self._walking().step(name)
            except (WorkerError, StorageError, BusyError) as error:
                walk = self._walk
                died = walk is not None and not walk.alive
                if self._cancelled or self._leaving or not again:
                    raise
                if isinstance(error, WorkerError) and not died:
                    raise
                if walk is not None and died:
                    walk.close()
                    self._walk = None
                said = "its process died" if died else error.what
                self._recorder.log(f"{said}: taken again", name)
                time.sleep(_PAUSE_S)
        raise AssertionError  # never: the last turn returns or raises

    def _walking(self) -> chain.Walk:
        """The one spawned process of the run, and the project for as long as it works on it."""
        if self._walk is None:
            lock = self._hold()
            steps = [name for name in self.plan if name in chain.ORDER]
            self._walk = chain.Walk(
                self._settings,
                self.run.project,
                steps,
                progress=self._recorder.progress,
                heavy=_HEAVY,
                keep=(lock,),  # where we are killed, nobody else begins before it has ended too
            )
            self._check()  # asked for before there was anything to kill
        return self._walk

    def _hold(self) -> int:
        """Wait for the project: somebody may work on it at the command line."""
        self._held.close()
        told = False
        while True:
            try:
                path = self._settings.projects_dir / self.run.project
                return self._held.enter_context(project_lock(path))
            except BusyError as error:
                if not told:
                    self._recorder.log(error.what)
                told = True
                time.sleep(0.5)
                self._check()

    def _judge(self) -> dict[str, Any]:
        def newest() -> Path:
            return Project(self.run.project, self._settings, self._engine).bundle_path

        bundle = patiently(newest, self._check)
        return judging.judge(
            self._settings, self.run, bundle, folder(self._server, self.id) / "test"
        )

    def _result(self, outputs: Mapping[str, Any]) -> dict[str, Any]:
        summaries = {name: output["summary"] for name, output in outputs.items()}
        seconds = {name: outputs[name]["seconds"] for name in outputs if name != "begin"}
        project = Project(self.run.project, self._settings, self._engine)
        package = summaries.get("package", {})
        return {
            "version": package.get("version"),
            "bundle": project.bundle_path.name if package else None,
            "data_kind": project.recipe.data_kind,
            "pictures": project.counts(),
            "metrics": summaries.get("evaluate", {}).get("metrics", {}),
            "seconds": {**seconds, "total": round(sum(seconds.values()), 3)},
            "notes": [note for one in summaries.values() for note in one.get("notes", ())],
        }


def _state(error: TellapartError | None) -> telling.End:
    if error is None:
        return "done"
    return "cancelled" if isinstance(error, Interrupted) else "failed"


def _unforeseen(error: Exception) -> TellapartError:
    return WorkerError(
        f"{type(error).__name__}: {error}",
        expected="the step to finish",
        do="Retry the run; if it fails so again, report it with the worker's log.",
    )
