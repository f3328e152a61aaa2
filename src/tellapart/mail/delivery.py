"""Take what is due out of the outbox and send it: claims, leases, tries."""

from __future__ import annotations

import contextlib
import random
import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tellapart.errors import TellapartError
from tellapart.mail import smtp
from tellapart.mail.message import drop, sender, shown, with_file
from tellapart.mail.smtp import SendError
from tellapart.mail.times import seconds, stamp
from tellapart.store import schema_accounts as schema
from tellapart.store.database import reading, writing

if TYPE_CHECKING:
    from tellapart.mail.outbox import Outbox

#: After the first failure, and at most, between two tries.
FIRST_S, LONGEST_S = 15.0, 600.0
#: Seconds after which nothing is tried any more.
GIVE_UP_S = 3 * 86_400.0
#: Sent in one call at most, so that a caller can do other things between.
AT_ONCE = 50
_table = schema.outbox
_c = _table.c


def deliver(outbox: Outbox, now: float | None = None, kind: str | None = None) -> int:
    """See `Outbox.deliver_due`."""
    if kind is not None:
        return _deliver(outbox, kind, now)
    done = {"mail": 0, "webhook": 0}

    def work(kind: str) -> None:
        done[kind] = _deliver(outbox, kind, now)

    hooks = threading.Thread(target=work, args=("webhook",), name="webhooks", daemon=True)
    if _due(outbox, "webhook", now):
        hooks.start()
    work("mail")
    if hooks.ident is not None:
        hooks.join()
    return sum(done.values())


def _deliver(outbox: Outbox, kind: str, now: float | None) -> int:
    sent = 0
    for _ in range(AT_ONCE):
        at = outbox.clock() if now is None else now
        if at < outbox.paused.get(kind, 0.0) or not _due(outbox, kind, now):
            break
        holder = secrets.token_hex(8)
        row = _claim(outbox, kind, holder, at)
        if row is None:
            break
        try:
            with _lease(outbox, row.key, holder) as still_ours:
                _send(outbox, row, still_ours)
        except SendError as error:
            _failed(outbox, row, holder, error, at)
            if error.kind == "server":
                outbox.pauses += 1
                outbox.paused[kind] = at + _pause(outbox.pauses)
                break
        else:
            _finish(outbox, row, holder, state="sent", reason="", at=at)
            outbox.pauses = 0
            sent += 1
    return sent


def _ripe(kind: str, at: float) -> Any:
    return sa.and_(
        _c.kind == kind,
        sa.or_(
            sa.and_(_c.state == "queued", _c.due <= at),
            sa.and_(_c.state == "sending", _c.lease <= at),
        ),
    )


def _due(outbox: Outbox, kind: str, now: float | None) -> bool:
    """Whether there is anything: a look that takes no lock."""
    at = outbox.clock() if now is None else now
    with reading(outbox.engine) as connection:
        return connection.scalar(sa.select(_c.key).where(_ripe(kind, at)).limit(1)) is not None


def _claim(outbox: Outbox, kind: str, holder: str, at: float) -> sa.Row[Any] | None:
    """Take the next one. Of several processes one gets it."""
    with writing(outbox.engine) as connection:
        row = connection.execute(
            sa.select(_table)
            .where(_ripe(kind, at))
            .order_by(_c.due)
            .limit(1)
            .with_for_update(skip_locked=True)
        ).one_or_none()
        if row is not None:
            connection.execute(
                _table.update()
                .where(_c.key == row.key)
                .values(
                    state="sending",
                    holder=holder,
                    tries=_c.tries + 1,
                    lease=outbox.clock() + outbox.lease_s,
                )
            )
        return row


@contextlib.contextmanager
def _lease(outbox: Outbox, key: str, holder: str) -> Iterator[Any]:
    """Renew the lease while the mail is being sent; give what asks whether it is still ours."""
    over = threading.Event()

    def renew() -> bool:
        with writing(outbox.engine) as connection:
            done = connection.execute(
                _table.update()
                .where(_c.key == key, _c.holder == holder, _c.state == "sending")
                .values(lease=outbox.clock() + outbox.lease_s)
            )
        return done.rowcount == 1

    def keep() -> None:
        while not over.wait(outbox.lease_s / 4):
            with contextlib.suppress(TellapartError):
                renew()

    thread = threading.Thread(target=keep, name="lease", daemon=True)
    thread.start()
    try:
        yield renew
    finally:
        over.set()
        thread.join()


def _send(outbox: Outbox, row: sa.Row[Any], still_ours: Any) -> None:
    text = shown(outbox.settings, row.key, row.body)
    if text is None:
        raise SendError("never", "the server's key (secret.key) has changed since it was written")
    if row.kind == "webhook":
        from tellapart.mail import webhook

        if not still_ours():
            raise SendError("lost", "another worker has taken this over")
        webhook.post(
            outbox.settings,
            row.recipient,
            text.encode(),
            owner=row.owner,
            delivery=row.key,
            at=int(outbox.clock()),
            context=outbox.ssl_context,
        )
        return
    try:
        server = smtp.Server.parse(outbox.settings.mail_url or "")
        address = sender(outbox.settings)[1]
    except TellapartError as error:
        raise SendError("server", error.what) from None
    smtp.send(
        server,
        address,
        row.recipient,
        lambda limit: _mail(row, text.encode("ascii"), limit),
        still_ours=still_ours,
        context=outbox.ssl_context,
    )


def _mail(row: sa.Row[Any], plain: bytes, limit: int | None) -> bytes:
    """The mail's bytes, with its file where that is there and the server takes it."""
    if not row.attachment:
        return plain
    try:
        file = Path(row.attachment).read_bytes()
    except OSError:
        return plain
    whole = with_file(plain, file, row.key)
    return plain if limit is not None and len(whole) > limit else whole


def _failed(outbox: Outbox, row: sa.Row[Any], holder: str, error: SendError, at: float) -> None:
    if error.kind == "lost":
        return
    old = at - seconds(row.created_at) >= GIVE_UP_S
    # Too large: once more without the file, which is linked in any case.
    smaller = error.code == 552 and bool(row.attachment)
    if (error.kind == "never" and not smaller) or old:
        reason = error.reason + (" (given up after three days)" if old else "")
        _finish(outbox, row, holder, state="failed", reason=reason, at=at)
        return
    values = {"state": "queued", "reason": error.reason, "due": at + _pause(row.tries + 1)}
    if smaller:
        values |= {"attachment": "", "due": at}
        drop(row.attachment)
    with writing(outbox.engine) as connection:
        connection.execute(
            _table.update().where(_c.key == row.key, _c.holder == holder).values(**values)
        )


def _finish(
    outbox: Outbox, row: sa.Row[Any], holder: str, *, state: str, reason: str, at: float
) -> None:
    """Write down how it ended; its text and file are not needed any more."""
    values = {"state": state, "reason": reason, "body": "", "attachment": ""}
    if state == "sent":
        values["sent_at"] = stamp(at)
    for left in (3, 2, 1, 0):
        try:
            with writing(outbox.engine) as connection:
                connection.execute(
                    _table.update().where(_c.key == row.key, _c.holder == holder).values(**values)
                )
            break
        except TellapartError:
            # The server has it: unless this is written, it is sent again.
            if not left:
                raise
            time.sleep(0.5)
    if row.attachment:
        drop(row.attachment)


def _pause(tries: int) -> float:
    """Twice as long each time, and not at the same moment as everybody else."""
    longest = min(FIRST_S * 2.0 ** min(tries - 1, 20), LONGEST_S)
    return longest * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
