"""The autopilot: queues a turn of every deck that is due, and the deeper training of its labels.

Any number of workers may do so at once: a turn is queued under a key that says when it was due,
and asked for twice is queued once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tellapart.deck import Deck
from tellapart.decks import listing
from tellapart.decks.ledger import Ledger
from tellapart.decks.shapes import DeckRow, iso, now
from tellapart.errors import BusyError, TellapartError
from tellapart.recipe.naming import slug
from tellapart.runtime.runs import Runs
from tellapart.runtime.shapes import ENDED, TURN, Request, moment
from tellapart.settings import Settings
from tellapart.steps.decide.deeper import worth
from tellapart.store import database
from tellapart.store.schema_decks import decks
from tellapart.store.schema_runs import runs

#: Days for which the runs of ended turns are kept; what they did stands in the deck.
TURNS_KEPT_DAYS = 2
#: A deeper training comes again when there are so many times the labels.
_MORE = 1.25
_d, _r = decks.c, runs.c


def project_of(deck: str) -> str:
    """The `project` of a deck's turns in the queue."""
    return f"deck:{deck}"


def begin_due(runs_: Runs) -> list[str]:
    """Queue the turns that are due; the ids of the runs.

    None for a deck that is off, out of likes, or has a turn queued or under way.
    """
    begun = []
    for row in _due(runs_.engine):
        wanted = Request(
            kind="turn",
            owner=row.owner,
            project=project_of(row.id),
            recipe={"deck": row.name, "limit": None},
            key=f"turn {row.id} {row.next_turn}",
        )
        begun.append(runs_.submit(wanted).id)
        following = iso(datetime.now(UTC) + timedelta(seconds=row.every_s))
        same = (_d.id == row.id, _d.next_turn == row.next_turn)
        with database.writing(runs_.engine) as connection:
            connection.execute(decks.update().where(*same).values(next_turn=following))
    return begun


def _due(engine: sa.Engine) -> Sequence[Any]:
    at = now()
    open_turn = sa.select(_r.id).where(
        _r.kind.in_(TURN),
        _r.project == sa.literal("deck:").concat(_d.id),
        _r.state.not_in(ENDED),
    )
    query = sa.select(_d.id, _d.owner, _d.name, _d.next_turn, _d.every_s).where(
        _d.mode != "off",
        _d.next_turn != "",
        _d.next_turn <= at,
        sa.or_(_d.mode != "on", _d.out_until <= at),
        ~open_turn.exists(),
    )
    with database.reading(engine) as connection:
        return connection.execute(query.order_by(_d.next_turn).limit(500)).all()


def prune(engine: sa.Engine) -> list[str]:
    """Forget the runs of turns that ended long ago; their ids."""
    before = iso(datetime.now(UTC) - timedelta(days=TURNS_KEPT_DAYS))
    old = (_r.kind.in_(TURN), _r.state.in_(ENDED), _r.ended_at < before, _r.ended_at != "")
    with database.writing(engine) as connection:
        return list(connection.scalars(runs.delete().where(*old).returning(_r.id)))


def tidy(engine: sa.Engine, settings: Settings) -> None:
    """Drop what decks need not keep any longer, also of those that are off."""
    for row in listing.listed(engine):
        with contextlib.suppress(TellapartError):  # a turn is under way: the next time
            Deck(row.name, replace(settings, owner=row.owner), engine).tidy()


# -- deeper training ------------------------------------------------------------------------


def go_deeper(runs_: Runs) -> list[str]:
    """Queue deeper trainings that are due, and offer to their decks what has been trained."""
    begun = []
    for row in listing.listed(runs_.engine):
        settings = replace(runs_.settings, owner=row.owner)
        try:
            if row.deeper_run:
                _offer(runs_, settings, row)
            elif row.mode != "off" and _is_due(runs_.engine, row):
                begun.append(_train(runs_, settings, row))
        except BusyError:
            continue  # the database is held by others: looked at again soon
        except Exception as error:  # one deck must not keep the others from theirs
            said = error.what if isinstance(error, TellapartError) else repr(error)
            Ledger(runs_.engine, row.id).note("head", f"No deeper training: {said}")
            Ledger(runs_.engine, row.id).change(deeper_run="", deeper_at=now())
    return begun


def _is_due(engine: sa.Engine, row: DeckRow) -> bool:
    if not row.deeper_days:
        return False
    if row.deeper_at:
        next_one = moment(row.deeper_at) + timedelta(days=row.deeper_days)
        if datetime.now(UTC) < next_one:
            return False
    labels = worth(Ledger(engine, row.id))
    return labels > 0 and labels >= _MORE * _learned(engine, row.id)


def _learned(engine: sa.Engine, deck: str) -> int:
    with database.reading(engine) as connection:
        return int(connection.scalar(sa.select(_d.deeper_labels).where(_d.id == deck)) or 0)


def train_deeper(runs_: Runs, deck: Deck) -> str:
    """Queue a run of a project that is made of the deck's labels; the run's id."""
    return _train(runs_, deck.settings, deck.row)


def _train(runs_: Runs, settings: Settings, row: DeckRow) -> str:
    deck = Deck(row.name, settings, runs_.engine)
    file: Path = deck.folder / "labels.csv"
    deck.labels(file)
    run = runs_.submit(
        Request(
            kind="deeper",
            owner=row.owner,
            key=f"deeper {row.id} {now()}",
            at_once=1,
            recipe={
                "name": slug(f"deck {row.name}"),
                "data": str(file),
                "split": {"group_by": "group"},
            },
        )
    )
    ledger = deck.ledger
    ledger.change(deeper_run=run.id, deeper_at=now(), deeper_labels=worth(ledger))
    ledger.note("head", "A deeper training has begun.", run=run.id, project=run.project)
    return run.id


def _offer(runs_: Runs, settings: Settings, row: DeckRow) -> None:
    """The version that came of it becomes the base of a challenger; the gate decides."""
    ledger = Ledger(runs_.engine, row.id)
    run = runs_.get(row.deeper_run)
    if run.state not in ENDED:
        return
    version = (run.result or {}).get("version")
    if run.state != "done" or version is None:
        why = (run.error or {}).get("what", run.state)
        ledger.change(deeper_run="")
        ledger.note("head", f"The deeper training gave no version: {why}", run=run.id)
        return
    base = f"{run.project}/{version}"
    ledger.change(base=base)
    ledger.note("head", f"The version {base} is offered as a base.", run=run.id)
    state = Deck(row.name, settings, runs_.engine).retrain().state
    # A champion brings its own base; one that was refused is not tried again.
    kept = {} if state not in ("champion", "refused") else {"base": ""}
    ledger.change(deeper_run="", **kept)
