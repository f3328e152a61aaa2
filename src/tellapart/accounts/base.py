"""What all parts of the accounts share: database, clock, rows to values."""

from __future__ import annotations

import base64
import secrets
import time
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from tellapart.accounts.rows import Account, Quota
from tellapart.settings import Settings
from tellapart.store import schema_accounts as schema


class Base:
    """The accounts of one database."""

    def __init__(
        self,
        engine: sa.Engine,
        settings: Settings,
        *,
        single_user: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.engine = engine
        self.settings = settings
        #: No log-in: everybody who reaches the server is the single user of this machine.
        self.single_user = single_user
        self._clock = clock

    def _now(self, later: float = 0.0) -> str:
        """The time in UTC, such as `2026-01-31T09:30:00Z`, `later` seconds on."""
        at = datetime.fromtimestamp(self._clock() + later, UTC)
        return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def account_of(row: sa.Row[Any], default: Quota) -> Account:
    """A row of the table as a value."""
    return Account(
        id=row.id,
        name=row.name,
        email=row.email,
        confirmed=row.confirmed,
        role=row.role,
        quota=_with(default, row.quota),
        created=row.created_at,
        closed=row.closed,
    )


def default_quota(connection: sa.Connection) -> Quota:
    """The server's own quota, with what its keeper changed."""
    return _with(Quota(), setting(connection, "quota"))


def _with(quota: Quota, stored: dict[str, Any] | None) -> Quota:
    # A limit that only a newer program knows is no reason to let nobody in.
    known = quota.to_dict()
    return quota.replaced({key: value for key, value in (stored or {}).items() if key in known})


def setting(connection: sa.Connection, key: str) -> Any:
    """A stored setting of the server; None where it was never set."""
    table = schema.account_settings
    return connection.scalar(sa.select(table.c.value).where(table.c.key == key))


def set_setting(connection: sa.Connection, key: str, value: Any) -> None:
    table = schema.account_settings
    connection.execute(table.delete().where(table.c.key == key))
    if value is not None:
        connection.execute(table.insert().values(key=key, value=value))


def new_id(prefix: str) -> str:
    """`prefix` and 20 lower-case letters and digits: 100 random bits."""
    return prefix + base64.b32encode(secrets.token_bytes(13)).decode("ascii").lower()[:20]


def same(text: str) -> str:
    """The form in which two names, or two addresses, are the same.

    Whatever was typed, any database takes it: no NUL, no half of a surrogate pair.
    """
    text = text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).strip()
