"""What may be sent to whom: a server that mails anybody anything is a gift to spammers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa

from tellapart.errors import InputError
from tellapart.mail.message import sender
from tellapart.mail.times import stamp
from tellapart.settings import Settings
from tellapart.store import schema_accounts as schema

#: Mails of runs to one address, of accounts to one address, and of accounts in all, a day.
RUN_A_DAY, ACCOUNT_A_DAY, ACCOUNTS_A_DAY = 100, 10, 1000
#: Webhooks of one account, a day.
WEBHOOKS_A_DAY = 1000
_outbox, _accounts = schema.outbox.c, schema.accounts.c


def refusal(
    connection: sa.Connection, settings: Settings, values: Mapping[str, Any], now: float
) -> str:
    """Why this is not to be sent; empty: it is. `values` are columns of the outbox."""
    owner = values["owner"]
    if owner and values["purpose"] == "run":
        reason = _stranger(connection, owner, values)
        if reason:
            return reason
    if values["kind"] == "webhook":
        if owner and urlsplit(values["recipient"]).scheme != "https":
            return "a webhook must be an https: address: what it is told holds links"
        return _full(connection, now, WEBHOOKS_A_DAY, _outbox.owner == owner, kind="webhook")
    if not settings.mail_url:
        return "this server sends no mail: TELLAPART_MAIL is not set"
    try:
        sender(settings)
    except InputError:
        return "this server sends no mail: TELLAPART_MAIL_FROM is no address"
    same = sa.func.lower(_outbox.recipient) == values["recipient"].lower()
    if values["purpose"] == "run":
        return _full(connection, now, RUN_A_DAY, same, _outbox.purpose == "run")
    ours = _outbox.purpose == "account"
    return _full(connection, now, ACCOUNT_A_DAY, same, ours) or _full(
        connection, now, ACCOUNTS_A_DAY, ours
    )


def _stranger(connection: sa.Connection, owner: str, values: Mapping[str, Any]) -> str:
    """An account's runs are told to nobody but its owner, at the address they confirmed."""
    row = connection.execute(
        sa.select(_accounts.email, _accounts.confirmed, _accounts.closed).where(
            _accounts.id == owner
        )
    ).one_or_none()
    if row is None or row.closed:
        return "there is no such account any more"
    if values["kind"] == "webhook":
        return ""
    if row.email.lower() != values["recipient"].lower():
        return "mail goes only to the account's own address"
    return "" if row.confirmed else "the address is not confirmed yet"


def _full(
    connection: sa.Connection, now: float, limit: int, *which: Any, kind: str = "mail"
) -> str:
    count = connection.scalar(
        sa.select(sa.func.count()).where(
            _outbox.created_at >= stamp(now - 86_400.0),
            _outbox.kind == kind,
            _outbox.state != "refused",
            *which,
        )
    )
    what = "mails" if kind == "mail" else "webhooks"
    return f"{limit} {what} within a day is the limit" if (count or 0) >= limit else ""
