"""The durable engine (DBOS): which steps of which run have ended, and with what.

Its tables lie beside ours: in the schema `dbos` of the PostgreSQL database, or in the file
`runs.sqlite` of the home folder. Whose a run is, is never its business (see `queue`).
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterable
from typing import Any

from dbos import DBOS, DBOSConfig, SetWorkflowID

from tellapart.errors import StorageError, TellapartError
from tellapart.runtime.walking import Job
from tellapart.settings import Settings
from tellapart.store import database

#: Workflows of one version may be gone on with by any worker of that version.
VERSION = "tellapart-runs-1"
_NAME = "tellapart.run"
_TERMINAL = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")

#: The runs that this process works on, by id; the workflow finds its job here.
_jobs: dict[str, Job] = {}


@DBOS.workflow(name=_NAME, max_recovery_attempts=None)
def _walk(run: str) -> str:
    """One run. Deterministic: what it does next depends on its steps' results alone."""
    job = _jobs[run]
    outputs: dict[str, Any] = {}
    error: TellapartError | None = None
    try:
        for name in job.plan:
            try:
                outputs[name] = DBOS.run_step({"name": name}, job.take, name)
                job.taken(name, outputs[name])
            except TellapartError as problem:
                error = problem
                break
        state = DBOS.run_step({"name": "conclude"}, job.conclude, outputs, error)
        job.close()  # before anybody sees it ended, and may ask for it again
        DBOS.run_step({"name": "end"}, job.end, state)
        return state
    finally:
        job.close()
        if _jobs.get(run) is job:  # else it has been asked for again already
            del _jobs[run]


class Engine:
    """The engine of one worker's process."""

    def __init__(self, settings: Settings, worker: str) -> None:
        self._queue = f"worker {worker}"
        log = logging.getLogger("dbos")
        if not log.handlers:  # else it would set up its own
            handler = logging.StreamHandler(sys.stderr)
            handler.setFormatter(logging.Formatter("%(message)s"))
            log.addHandler(handler)
            log.propagate = False
        log.setLevel(logging.ERROR)
        config: DBOSConfig = {
            "name": "tellapart",
            "system_database_url": _url(settings),
            "executor_id": worker,
            "application_version": VERSION,
            "enable_otlp": False,
            "use_listen_notify": False,
            "log_level": "ERROR",
        }
        DBOS(config=config)
        DBOS.listen_queues([self._queue])

    def begin(self) -> None:
        """Raises `StorageError` where its tables cannot be used."""
        try:
            DBOS.launch()
            DBOS.register_queue(self._queue, polling_interval_sec=1.0, on_conflict="always_update")
        except TellapartError:
            raise
        except Exception as error:
            raise StorageError(
                f"The durable engine cannot begin ({type(error).__name__}: {error}).",
                expected="a database in which it may make its tables",
                do="Check TELLAPART_DATABASE_URL, and the disk of TELLAPART_HOME.",
            ) from error

    @property
    def jobs(self) -> dict[str, Job]:
        """The runs this process works on, by id."""
        return _jobs

    def walk(self, job: Job, *, retried: bool) -> None:
        """Begin a run, or go on with it; returns at once.

        `retried`: somebody asked that the step which failed be taken again.
        """
        _jobs[job.id] = job
        try:
            self._walk(job.id, retried)
        except BaseException:
            _jobs.pop(job.id, None)
            raise

    def _walk(self, id: str, retried: bool) -> None:
        status = DBOS.get_workflow_status(id)
        if status is None:
            with SetWorkflowID(id):
                DBOS.start_workflow(_walk, id)
            return
        steps = DBOS.list_workflow_steps(id)
        failed = [step["function_id"] for step in steps if step["error"]]
        if status.status not in _TERMINAL:
            if not (retried and failed):
                DBOS.resume_workflow(id, queue_name=self._queue)
                return
            DBOS.cancel_workflow(id)  # it was cut off just before it ended
        # Where no step failed, it was the ending.
        ending = [step["function_id"] for step in steps if step["function_name"] == "conclude"]
        DBOS.rewind_workflow(
            id, start_step=min(failed or ending, default=1), queue_name=self._queue
        )

    def end(self, dead: Iterable[str] = ()) -> None:
        """Take away this worker's queue; or those of `dead` workers."""
        for name in [f"worker {worker}" for worker in dead] or [self._queue]:
            with contextlib.suppress(Exception):  # a row too many harms nobody
                DBOS.delete_queue(name)

    def remembered(self) -> list[str]:
        """The ids of all runs of which something is remembered."""
        found = DBOS.list_workflows(name=_NAME, load_input=False, load_output=False)
        return [each.workflow_id for each in found]

    def forget(self, runs: Iterable[str]) -> None:
        """Drop what is remembered of runs that are over."""
        with contextlib.suppress(Exception):
            DBOS.delete_workflows(list(runs))


def _url(settings: Settings) -> str:
    if settings.database_url is None:
        return f"sqlite:///{settings.home / 'runs.sqlite'}"
    url = database.url_of(settings)
    if url.get_backend_name() == "sqlite":
        return f"sqlite:///{settings.home / 'runs.sqlite'}"
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
