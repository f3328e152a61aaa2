"""Which jobs a pool takes: those that a model can answer, and in time."""

from __future__ import annotations

from tellapart.errors import InputError, OverloadedError
from tellapart.serving.generation import Generation
from tellapart.serving.jobs import Job
from tellapart.serving.models import ModelInfo
from tellapart.serving.options import Options

#: The wait may be as much of the time that a job has; the rest is for what is not foreseen.
_TRUST = 0.5


def check(job: Job, info: ModelInfo) -> None:
    """Whether the model takes such a job. Raises `InputError`."""
    what = expected = ""
    if job.kind == "tensor":
        size = info.item_bytes
        if len(job.payload) != size:
            what = f"The tensor has {len(job.payload):,} bytes"
            expected = f"{size:,} bytes: one item of shape {list(info.shape)}"
    elif job.kind != info.kind:
        what, expected = f"The model {info.name!r} takes no {job.kind}", f"a {info.kind}"
    if job.why and info.kind == "row":
        what, expected = f"The model {info.name!r} gives no map", "a model that answers pictures"
    for name in job.outputs:
        if name not in info.outputs:
            what = f"The model {info.name!r} has no output {name!r}"
            expected = f"some of {', '.join(info.outputs)}"
    if what:
        raise InputError(what + ".", expected=expected, do="Send that, or name another model.")


def full(generation: Generation, options: Options) -> bool:
    """Whether as much waits as may."""
    queue = generation.queue
    return len(queue) >= options.max_queue or queue.bytes >= options.max_queue_mb * 1e6


def admit(
    generation: Generation,
    jobs: int,
    deadline: float,
    options: Options,
    now: float,
) -> None:
    """Let so many jobs in. Raises `OverloadedError` where they would come too late."""
    waiting = generation.queue.count
    wait = generation.wait()
    if waiting and waiting + jobs > options.max_queue:
        why = f"{waiting} jobs wait"
    elif generation.queue.bytes > options.max_queue_mb * 1e6:
        why = f"{generation.queue.bytes / 1e6:,.0f} MB wait"
    elif now + wait / _TRUST > deadline:
        why = f"the {waiting} jobs that wait will take {wait:.1f} s"
    elif not generation.ready and generation.struggling:
        why = "no worker runs"
    else:
        return
    raise OverloadedError(
        f"The server has as much work as it can take: {why}.",
        expected=f"at most {options.max_queue} waiting",
        do="Ask again later.",
        retry_after=max(0.1, wait / 2),
    )
