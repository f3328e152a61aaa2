"""The child of `runtime.thinker`: decides and explains, out of the sight of pages."""

from __future__ import annotations

import base64
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from io import BytesIO
from typing import Any

import sqlalchemy as sa

from tellapart import telemetry
from tellapart.errors import DataError, TellapartError, WorkerError
from tellapart.project import Project
from tellapart.recipe import asked, check, with_changes
from tellapart.runtime.thinker import settings_of
from tellapart.settings import Settings
from tellapart.steps import StepContext, open_context
from tellapart.store.database import open_database
from tellapart.store.lock import project_lock

#: Pictures that changed sides and are named.
_MOST_NAMED = 200


def decide(
    settings: Settings, *, project: str, thresholds: Mapping[str, Any], store: bool
) -> dict[str, Any]:
    """Verdicts by changed thresholds: `thresholds`, `counts` (of a trial), `changed`, `moved`,
    `notes`. Stored, or only looked at."""
    with closing(open_context(settings, project)) as context:
        written = with_changes(asked(context.recipe), {"curate": dict(thresholds)})
        wanted = replace(context, recipe=check(written))
        before = _sides(wanted)
        counts: dict[str, Any] = {}
        if store:
            with project_lock(context.folder):
                context.catalog.save_recipe(asked(wanted.recipe))
                notes = _stored(wanted)
            after = _sides(wanted)
        else:
            notes, counts, after = _tried(wanted)
    moved = sorted(id for id, kept in after.items() if before.get(id) is not kept)
    return {
        "thresholds": wanted.recipe.curate.model_dump(mode="json", exclude={"features"}),
        "counts": counts,
        "changed": len(moved),
        "moved": {
            "kept": [id for id in moved if after[id]][:_MOST_NAMED],
            "set_aside": [id for id in moved if not after[id]][:_MOST_NAMED],
        },
        "notes": notes,
    }


def explain(settings: Settings, *, project: str, picture: str, label: str | None) -> dict[str, Any]:
    """Why the newest version answers a picture as it does: `explanation`, `picture` (PNG)."""
    with Project.open(project, settings) as opened:
        found = opened.explain(base64.b64decode(picture), label)
    shape = found.to_dict()
    for side in ("for", "against"):
        for speaker in shape.get(side, ()):
            speaker.pop("file", None)
    out = BytesIO()
    found.image.save(out, "PNG")
    return {"explanation": shape, "picture": base64.b64encode(out.getvalue()).decode()}


def workbench(
    settings: Settings, *, project: str, verb: str, values: Mapping[str, Any]
) -> dict[str, Any]:
    """One look (or act) at a project's workbench, as plain data; see `steps.workbench`."""
    if verb not in _LOOKS:
        raise ValueError(verb)
    with Project.open(project, settings) as opened:
        if verb == "source_quality":
            return {"found": opened.source_quality()}
        found = getattr(opened.workbench, verb)(**values)
    many = isinstance(found, list)
    return {"found": [one.to_dict() for one in found] if many else found.to_dict()}


def taste(settings: Settings, *, deck: str, verb: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """What looks or learns for a deck; see `runtime.desk.tasting`."""
    from tellapart.runtime.desk.tasting import answer

    return {"found": answer(_engine(settings), settings, deck, verb, values)}


def _engine(settings: Settings) -> sa.Engine:
    """The database, opened once for all requests."""
    key = (str(settings.home), settings.database_url or "")
    if key not in _engines:
        _engines[key] = open_database(settings)
    return _engines[key]


_engines: dict[tuple[str, str], sa.Engine] = {}


def _sides(context: StepContext) -> dict[str, bool | None]:
    from tellapart.catalog import looking

    return looking.sides(context.catalog)


def _stored(context: StepContext) -> list[str]:
    from tellapart.steps import curate

    try:
        result = curate.run(context)
    except DataError as error:
        # The verdicts are stored; that nothing can be trained like this is said, not refused.
        return [f"{error.what} {error.do}"]
    return [str(note) for note in result["notes"]]


def _tried(context: StepContext) -> tuple[list[str], dict[str, Any], dict[str, bool | None]]:
    """Notes, counts and sides as they would be."""
    from tellapart.steps import curate

    rows, decisions, result = curate.trial(context)
    sides: dict[str, bool | None] = {}
    for row, one in zip(rows, decisions, strict=True):
        word = None if one.reason == "unreadable" else row.overruled
        sides[row.id] = one.kept if word is None else word
    notes = [str(note) for note in result.pop("notes")]
    return notes, result, sides


_LOOKS = frozenset(
    ("clusters", "copies", "doubtful", "slices", "shortcuts", "diff", "act", "source_quality")
)
_TASKS: dict[str, Callable[..., dict[str, Any]]] = {
    "decide": decide,
    "explain": explain,
    "taste": taste,
    "workbench": workbench,
}


def main() -> None:
    """Answer requests, one line each, until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no answer
    telemetry.off()
    os.nice(5)  # pages come first
    for line in sys.stdin.buffer:
        request = json.loads(line)
        answer = _answer(request)
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    try:
        settings = settings_of(request.pop("settings"))
        task = _TASKS[request.pop("what")]
        return {"found": task(settings, **request)}
    except Exception as error:
        if not isinstance(error, TellapartError):
            error = WorkerError(
                f"{type(error).__name__}: {error}",
                expected="an answer",
                do="Try again; if it happens again, report it.",
            )
        reason = getattr(error, "reason", "")
        return {**error.to_dict(), "kind": type(error).__name__, "reason": reason}


if __name__ == "__main__":
    main()
