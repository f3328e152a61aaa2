"""`Accounts`: everything about who uses a server, and the choice whether there is a log-in."""

from __future__ import annotations

import ipaddress
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from tellapart.accounts.links import Links
from tellapart.accounts.rows import Account, Scope
from tellapart.accounts.tokens import Tokens
from tellapart.accounts.vault import Vault
from tellapart.mail import webhook
from tellapart.store import schema_accounts as schema
from tellapart.store.database import reading, writing


class Accounts(Links):
    """The accounts of one server; threads and processes may share it.

    With `single_user` there is no log-in: `session` always gives `LOCAL`, the single user of
    this machine. Only `is_single_user` should decide that.
    """

    @cached_property
    def tokens(self) -> Tokens:
        return Tokens(self)

    @cached_property
    def secrets(self) -> Vault:
        return Vault(self)

    def token(self, bearer: str) -> tuple[Account, frozenset[Scope]] | None:
        """Whose token this is and what it may be used for; None: nobody's."""
        return self.tokens.check(bearer)

    def webhook_secret(self, account: Account) -> str:
        """By which the account's receivers prove that a webhook is ours; for its owner's eyes."""
        return webhook.secret(self.settings, account.id)

    def export(self, account: Account) -> dict[str, Any]:
        """What is stored of this person, JSON-able: no hashes, no secrets."""
        sessions = schema.sessions.c
        query = sa.select(sessions.created_at, sessions.used_at, sessions.expires_at).where(
            sessions.account_id == account.id
        )
        with reading(self.engine) as connection:
            rows = connection.execute(query.order_by(sessions.created_at)).all()
        return {
            "account": account.to_dict(),
            "sessions": [
                {"created": row.created_at, "used": row.used_at, "expires": row.expires_at}
                for row in rows
            ],
            "tokens": [token.to_dict() for token in self.tokens.of(account)],
            "credentials": self.secrets.names(account),
            "mails": [posted.to_dict() for posted in self.outbox.of(account.id)],
        }

    def delete(self, account: Account) -> None:
        """Forget an account: its sessions, tokens, credentials and waiting mails.

        Its projects and runs are deleted first, by whoever calls this. Raises `InputError` for
        the last admin while there are other accounts, and for the single user.
        """
        with writing(self.engine) as connection:
            table = schema.accounts
            others = sa.select(table.c.id).where(table.c.id != account.id, table.c.email != "")
            if connection.scalar(others.limit(1)) is not None:
                self._not_the_last_admin(connection, account)
            credentials = schema.credentials
            connection.execute(credentials.delete().where(credentials.c.account_id == account.id))
            connection.execute(table.delete().where(table.c.id == account.id))
        self.outbox.delete(account.id)


def is_single_user(engine: sa.Engine, *, host: str, behind_proxy: bool) -> bool:
    """Whether a server that listens on `host` may do without a log-in.

    Only where nobody else can reach it: on a loopback address, not behind a proxy that hands
    strangers on, and where nobody has made an account yet.
    """
    try:
        near = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        near = False
    if not near or behind_proxy:
        return False
    with reading(engine) as connection:
        return connection.scalar(sa.select(schema.accounts.c.id).limit(1)) is None
