"""Tell people and programs how a run ended: what goes into the outbox, each once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import sqlalchemy as sa

from tellapart import mail
from tellapart.mail import compose
from tellapart.runtime.desk.shapes import FileKind
from tellapart.runtime.links import WEEK, download_link
from tellapart.runtime.links import Link as Download
from tellapart.runtime.shapes import Run
from tellapart.settings import Settings

End = Literal["done", "failed", "cancelled"]
#: What a project's data are called in a mail.
_COUNTED = {"table": "rows", "arrays": "samples"}

_FILES: tuple[tuple[FileKind, str], ...] = (
    ("bundle", "The model: one zip that runs by itself"),
    ("dataset", "The pictures, by class"),
)


def tell(engine: sa.Engine, settings: Settings, run: Run, state: End) -> str:
    """Put the mail and the webhook of a run that ends in `state` into the outbox.

    Returns the mail's key, empty where none is due. Told twice is sent once: a success goes under
    the run's id, a failure also under how often it had been retried. Raises `InputError` for an
    address that is none.
    """
    outbox = mail.Outbox(engine, settings)
    key = run.id if state == "done" else f"{run.id}-{run.retries}"
    payload = {**run.to_dict(), "state": state, "ended": ""}
    if hook := run.notify.get("webhook"):
        for dropped in ("worker", "recipe", "notify", "left_s", "ahead", "asked", "mail"):
            del payload[dropped]
        payload["links"] = {kind: url for kind, _, url in links(settings, run)}
        outbox.put_webhook(f"{key}-hook", hook, payload, owner=run.owner)
    address = run.notify.get("email")
    # A run up to an earlier step has nothing that a mail could bring.
    nothing = state == "done" and not (run.result or {}).get("version")
    if not address or state == "cancelled" or nothing:
        return ""
    if state == "failed":
        outbox.put(key, address, compose.failure(_failure(settings, run)), owner=run.owner)
        return key
    bundle = _bundle(settings, run)
    attached = bundle is not None and outbox.attachable(bundle)
    message = compose.success(_success(settings, run, bundle, attached))
    outbox.put(key, address, message, bundle if attached else None, owner=run.owner)
    return key


def links(settings: Settings, run: Run) -> list[tuple[FileKind, str, str]]:
    """Kind, title and address of what a finished run made."""
    version = int((run.result or {}).get("version") or 0)
    if not version:
        return []
    return [
        (kind, title, download_link(settings, Download(run.owner, run.project, version, kind)))
        for kind, title in _FILES
    ]


def page(settings: Settings, run: Run) -> str:
    """Where a person can look at the run."""
    return f"{settings.public_url.rstrip('/')}/runs/{quote(run.id)}"


def _bundle(settings: Settings, run: Run) -> Path | None:
    name = (run.result or {}).get("bundle")
    if not name:
        return None
    theirs = replace(settings, owner=run.owner)
    return theirs.projects_dir / run.project / "versions" / str(name)


def _success(settings: Settings, run: Run, bundle: Path | None, attached: bool) -> mail.Success:
    result = run.result or {}
    metrics, pictures = result.get("metrics", {}), result.get("pictures", {})
    low, high = metrics.get("low"), metrics.get("high")
    size = bundle.stat().st_size if bundle is not None and bundle.is_file() else None
    until = datetime.now(UTC) + timedelta(seconds=WEEK)
    return mail.Success(
        project=run.project,
        version=int(result.get("version") or 0),
        classes=tuple(pictures.get("classes", {})),
        accuracy=metrics.get("accuracy"),
        interval=None if low is None or high is None else (low, high),
        baseline=metrics.get("baseline"),
        tested=int(metrics.get("n") or 0),
        kept=int(pictures.get("kept") or 0),
        set_aside=int(pictures.get("set_aside") or 0),
        verdict=None if run.verdict is None else _verdict(run.verdict),
        links=[
            mail.Link(title, url, size if kind == "bundle" else None)
            for kind, title, url in links(settings, run)
        ],
        links_end=f"{until.day} {until:%B %Y, %H:%M} UTC",
        page=page(settings, run),
        attached=attached,
        notes=tuple(result.get("notes", ())),
        counted=_COUNTED.get(str(result.get("data_kind")), "pictures"),
    )


def _verdict(found: Mapping[str, Any]) -> mail.Verdict:
    if "error" in found:
        return mail.Verdict("", 0.0, problem=str(found["error"]["what"]))
    return mail.Verdict(found["label"] or "", float(found["probability"]))


def _failure(settings: Settings, run: Run) -> mail.Failure:
    error = run.error or {}
    step = next((step.name for step in run.steps if step.state == "failed"), "")
    return mail.Failure(
        project=run.project,
        classes=tuple(run.recipe.get("classes") or ()),
        step=step,
        what=str(error.get("what", "")),
        expected=str(error.get("expected", "")),
        do=str(error.get("do", "")),
        page=page(settings, run),
    )
