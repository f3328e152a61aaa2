"""The outbox: what is to be sent, each under a key, sent once.

A mail is a row before it is a mail, so a crash loses none. A sender takes a row with a lease that
it renews while it works; a dead sender's rows are taken over when the lease is out. A mail can
only come twice where a sender dies between the server's acceptance and its own next write; the
second one then has the same Message-ID, by which many mail programs show it once.
"""

from __future__ import annotations

import hashlib
import json
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa

from tellapart.mail.addresses import checked
from tellapart.mail.allowing import refusal
from tellapart.mail.message import drop, finished, hidden, keep, sweep
from tellapart.mail.times import seconds, stamp
from tellapart.settings import Settings
from tellapart.store import schema_accounts as schema
from tellapart.store.database import reading, writing
from tellapart.store.inserting import insert_new

State = Literal["queued", "sending", "sent", "failed", "refused"]
#: `run`: of a run, to its owner; `account`: of an account (confirming, a new password).
Purpose = Literal["run", "account"]
Kind = Literal["mail", "webhook"]

_DAY = 86_400.0
#: Days for which a sent row is remembered, without its text.
REMEMBERED_DAYS = 90
_table = schema.outbox


@dataclass(frozen=True)
class Posted:
    """What became of a mail or webhook."""

    key: str
    kind: Kind
    recipient: str
    state: State
    #: Why it was refused, failed, or is tried again; empty where all is well.
    reason: str
    tries: int
    created: str
    #: Empty until it is sent.
    sent: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            name: getattr(self, name)
            for name in ("kind", "recipient", "state", "reason", "tries", "created", "sent")
        }


@dataclass(frozen=True)
class Health:
    """How the outbox is: for people who look after the server."""

    #: Whether a mail server is named (TELLAPART_MAIL).
    configured: bool
    waiting: int
    #: Given up within the last seven days.
    failed: int
    #: Seconds for which the oldest waiting one has waited.
    oldest_s: float
    #: What the last failed try met, while something waits for another one; empty: nothing.
    trouble: str
    #: When the last one was sent; empty: none yet.
    last_sent: str


class Outbox:
    """The mails and webhooks of one database; threads and processes may share it."""

    def __init__(
        self,
        engine: sa.Engine,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.time,
        ssl_context: ssl.SSLContext | None = None,
        lease_s: float = 60.0,
    ) -> None:
        self.engine = engine
        self.settings = settings
        self.clock = clock
        self.ssl_context = ssl_context
        self.lease_s = lease_s
        #: Kind → until when nothing of it is tried, after the mail server itself failed.
        self.paused: dict[str, float] = {}
        self.pauses = 0

    def put(
        self,
        key: str,
        to: str,
        message: EmailMessage,
        attachment: Path | None = None,
        *,
        owner: str,
        purpose: Purpose = "run",
    ) -> Posted:
        """Have `message` (of `compose`) sent to `to`; a key that is there already changes nothing.

        `owner` is the account it belongs to, empty for the single user. What may not be sent is
        kept as `refused` with its reason, not raised: a mail never fails a run. Mails of runs go
        to the confirmed address of their account only. Raises `InputError` for a `to` that is no
        address. A file that is not `attachable` stays out.
        """
        to = checked(to)
        key = _short(key)
        if (there := self.get(key)) is not None:
            return there
        kept = ""
        if attachment is not None and self.settings.mail_url and self.attachable(attachment):
            kept = keep(self.settings, key, attachment)
        values = {"kind": "mail", "purpose": purpose, "recipient": to, "owner": owner}
        now = self.clock()
        return self._store(
            key, values, lambda: finished(message, to, key, self.settings, now), kept
        )

    def put_webhook(self, key: str, url: str, payload: Mapping[str, Any], *, owner: str) -> Posted:
        """Have `payload` posted to `url` as JSON, signed (see `webhook.secret`); else as `put`."""
        key = _short(key)
        if (there := self.get(key)) is not None:
            return there
        # Whatever was given can be stored, and said; what it is worth is told when it is tried.
        to = url[:2048].encode("ascii", "backslashreplace").decode("ascii").replace("\0", "")
        values = {"kind": "webhook", "purpose": "run", "recipient": to, "owner": owner}
        body = json.dumps(payload, allow_nan=False)
        return self._store(key, values, lambda: body, "")

    def attachable(self, file: Path) -> bool:
        """Whether a file is small enough to go along (TELLAPART_MAIL_ATTACH_MB)."""
        try:
            return file.stat().st_size <= self.settings.mail_attach_mb * 1e6
        except OSError:
            return False

    def get(self, key: str) -> Posted | None:
        """What became of the mail or webhook put under `key`; None: there is none."""
        with reading(self.engine) as connection:
            query = sa.select(_table).where(_table.c.key == _short(key))
            row = connection.execute(query).one_or_none()
        return None if row is None else _posted(row)

    def of(self, owner: str) -> list[Posted]:
        """All that is remembered of one account's, newest first."""
        query = sa.select(_table).where(_table.c.owner == owner)
        with reading(self.engine) as connection:
            return [
                _posted(row) for row in connection.execute(query.order_by(sa.desc("created_at")))
            ]

    def state(self) -> Health:
        """How the outbox is."""
        now, c = self.clock(), _table.c
        waiting = c.state.in_(("queued", "sending"))
        with reading(self.engine) as connection:
            count, oldest = connection.execute(
                sa.select(sa.func.count(), sa.func.min(c.created_at)).where(waiting)
            ).one()
            failed = connection.scalar(
                sa.select(sa.func.count()).where(
                    c.state == "failed", c.created_at >= stamp(now - 7 * _DAY)
                )
            )
            trouble = connection.scalar(
                sa.select(c.reason).where(waiting, c.reason != "").order_by(c.due.desc()).limit(1)
            )
            last = connection.scalar(sa.select(sa.func.max(c.sent_at)))
        return Health(
            configured=bool(self.settings.mail_url),
            waiting=int(count),
            failed=int(failed or 0),
            oldest_s=max(0.0, now - seconds(oldest)) if oldest else 0.0,
            trouble=str(trouble or ""),
            last_sent=str(last or ""),
        )

    def deliver_due(self, now: float | None = None, kind: Kind | None = None) -> int:
        """Send what is due; return how many were sent. Blocks: call it from a thread, or from one
        for each `kind`, so that slow receivers of webhooks never hold up the mails.

        Several processes may do so at once: none sends what another one has taken. Raises
        nothing for a mail that fails: it is tried again, later and later, for three days.
        """
        from tellapart.mail.delivery import deliver

        return deliver(self, now, kind)

    def delete(self, owner: str) -> None:
        """Forget all of one account's, also what waits."""
        with writing(self.engine) as connection:
            gone = connection.scalars(
                sa.select(_table.c.attachment).where(_table.c.owner == owner)
            ).all()
            connection.execute(_table.delete().where(_table.c.owner == owner))
        for file in filter(None, gone):
            drop(file)

    def prune(self) -> None:
        """Forget what was done with more than 90 days ago."""
        limit = stamp(self.clock() - REMEMBERED_DAYS * _DAY)
        done = _table.c.state.in_(("sent", "failed", "refused"))
        with writing(self.engine) as connection:
            connection.execute(_table.delete().where(done, _table.c.created_at < limit))
        with reading(self.engine) as connection:
            named = sa.select(_table.c.attachment).where(_table.c.attachment != "")
            needed = set(connection.scalars(named))
        sweep(self.settings, needed)

    def _store(
        self, key: str, values: dict[str, Any], body: Callable[[], str], kept: str
    ) -> Posted:
        now = self.clock()
        with writing(self.engine) as connection:
            reason = refusal(connection, self.settings, values, now)
            row = {
                **values,
                "key": key,
                "body": "" if reason else hidden(self.settings, key, body()),
                "attachment": "" if reason else kept,
                "state": "refused" if reason else "queued",
                "reason": reason,
                "tries": 0,
                "created_at": stamp(now),
                "due": now,
                "lease": 0.0,
            }
            insert_new(connection, _table, row)
        if reason and kept:
            drop(kept)
        posted = self.get(key)
        if posted is None:  # deleted with its account meanwhile
            return Posted(key, values["kind"], values["recipient"], "refused", "deleted", 0, "", "")
        return posted


def _short(key: str) -> str:
    return key if len(key) <= 128 else f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def _posted(row: sa.Row[Any]) -> Posted:
    return Posted(
        row.key,
        row.kind,
        row.recipient,
        row.state,
        row.reason,
        row.tries,
        row.created_at,
        row.sent_at,
    )
