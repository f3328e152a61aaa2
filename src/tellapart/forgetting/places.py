"""Every place where something of a picture or a candidate may lie, one entry a place.

A new table or folder belongs into one of these; a test compares them with all there are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tellapart.forgetting import accounts, bundles, caches, decks, ledger, queue, texts, uploads
from tellapart.forgetting.order import Order


@dataclass(frozen=True)
class Place:
    """One place: what lies in it, and the function that empties it."""

    name: str
    forget: Callable[[Order], dict[str, int]]
    #: Tables of ours that it knows.
    tables: tuple[str, ...] = ()
    #: Folders and files of the home, by their first names; `*` stands for any.
    folders: tuple[str, ...] = ()
    #: Tables of the runs' engine.
    engine: tuple[str, ...] = ()


#: In the order in which they are emptied: what names the rest goes last, so that what was cut off
#: can be asked for again.
PLACES: tuple[Place, ...] = (
    Place("bundles", bundles.withdraw, ("versions",), ("projects/*/versions",)),
    Place("work", bundles.begin_anew, ("steps",), ("projects/*/work", "projects/*/changed")),
    Place("mails", queue.mails, ("outbox",), ("outbox",)),
    Place(
        "runs",
        queue.runs,
        ("runs", "run_events"),
        ("runs",),
    ),
    Place(
        "engine",
        queue.engine,
        (),
        ("runs.sqlite*",),
        (
            *("workflow_status", "operation_outputs", "workflow_input", "workflow_output"),
            *("workflow_events", "workflow_events_history", "streams", "notifications"),
        ),
    ),
    Place("texts", texts.forget),
    Place("uploads", uploads.forget, (), ("uploads", "accounts/*/uploads")),
    Place(
        "caches",
        caches.forget,
        (),
        ("cache/features-v1.*", "cache/thumbs", "cache/members", "cache/exports"),
    ),
    Place("files", caches.files, (), ("files", "tellapart.sqlite.before-*", ".restoring")),
    Place(
        "decks",
        decks.forget,
        (
            *("decks", "deck_candidates", "deck_pictures", "deck_features", "deck_actions"),
            *("deck_feedback", "deck_heads", "deck_log"),
        ),
        ("decks", "accounts/*/decks"),
    ),
    Place("measurements", ledger.measurements, ("measurements", "people")),
    Place(
        "ledger",
        ledger.pictures,
        (
            *("pictures", "scores", "verdicts", "overrules", "splits", "rule_labels", "projects"),
            *("acts", "act_changes"),
        ),
        ("tellapart.sqlite*",),
    ),
    Place(
        "account",
        accounts.forget,
        ("accounts", "sessions", "tokens", "credentials", "deck_confirmations"),
        ("accounts",),
    ),
)

#: Tables that hold nothing of a picture, a candidate or a person, and why.
HOLDS_NOTHING: dict[str, str] = {
    "forgotten": "keyed digests alone",
    "searches": "words to search for, and how far they were read",
    "rows": "rows of tables, which are no pictures",
    "deck_days": "counts by day",
    "account_settings": "of the server",
    "attempts": "keyed digests that end by themselves",
    "run_workers": "processes",
    "robots_ignored": "names of hosts",
    "source_states": "names of services, and when they last answered",
}
#: The same of folders and files of the home.
NOTHING_THERE: dict[str, str] = {
    "secret.key": "the server's key",
    "home.lock": "a lock",
    "workers": "locks of processes",
    "tmp": "of running processes",
    "projects/*/project.lock": "a lock",
    "cache/backbones": "pretrained networks",
    "cache/faces": "networks that find faces",
    "cache/weights": "pretrained networks",
    "cache/openvino": "compiled networks",
    "cache/matplotlib": "a list of fonts",
    "cache/datasets": "data sets by name, as published",
    "cache/variants": "how fast models run",
    "cache/speeds.json": "how fast networks run",
}
#: And of tables of the runs' engine.
ENGINE_NOTHING: dict[str, str] = {
    "dbos_migrations": "its revision",
    "workflow_schedules": "times",
    "application_versions": "versions",
    "queues": "names of workers",
}
