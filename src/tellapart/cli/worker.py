"""The verbs beside the app: one more worker, and what goes on."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from tellapart.cli.console import emit, table, write
from tellapart.cli.options import Json
from tellapart.errors import InputError


def worker(
    at_once: Annotated[
        int | None,
        typer.Option("--at-once", metavar="N", help="Runs walked at once; default 1."),
    ] = None,
) -> None:
    """Walk queued runs, on this or another machine, until SIGTERM or Ctrl-C.

    `tellapart up` has one already. Workers share TELLAPART_DATABASE_URL and TELLAPART_HOME; what a
    worker leaves amid a step goes on in another one.
    """
    from tellapart.runtime.worker import main
    from tellapart.settings import Settings

    if at_once is not None and at_once < 1:
        raise InputError(
            f"--at-once is {at_once}.", expected="a whole number from 1 up", do="Choose such one."
        )
    main(Settings.from_env(), at_once=at_once, again=(sys.executable, *sys.orig_argv[1:]))


def status(json: Json = False) -> None:
    """Say what runs, what waits, which workers live, and what failed last."""
    from tellapart.cli.runs import opened

    with opened() as runs:
        found: dict[str, Any] = runs.overview()
        under_way = runs.list(states=("running", "queued"), limit=20)
    if json:
        emit({**found, "runs": [run.to_dict() for run in under_way]})
        return
    workers = found["workers"]
    write(f"{found['running']} running, {found['queued']} waiting, {len(workers)} workers")
    if found["queued"] and not workers:
        write("nobody works: start `tellapart up` or `tellapart worker`")
    if workers:
        rows = [
            (one["host"], one["pid"], one["at_once"], f"{one['silent_s']:.0f} s ago", *one["runs"])
            for one in workers
        ]
        rows = [(*row[:4], " ".join(row[4:]) or "-") for row in rows]
        write(table(rows, ("host", "pid", "at once", "seen", "runs")))
    if under_way:
        from tellapart.cli.runs import row

        write(table([row(run) for run in under_way], ("run", "project", "state", "step", "asked")))
    for error in found["errors"]:
        write(f"failed {error['ended']}  {error['id']}  {error['project']}: {error['what']}")
