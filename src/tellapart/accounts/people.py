"""Accounts: made, found, limited, closed, exported, deleted."""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa

from tellapart.accounts.base import (
    Base,
    account_of,
    default_quota,
    new_id,
    same,
    set_setting,
    setting,
)
from tellapart.accounts.passwords import check, hashed
from tellapart.accounts.rows import LOCAL, ROLES, Account, Quota, Role
from tellapart.decks import listing
from tellapart.decks.ledger import Ledger
from tellapart.errors import InputError, NotFoundError
from tellapart.mail.addresses import checked
from tellapart.store import schema_accounts as schema
from tellapart.store.database import reading, writing
from tellapart.store.inserting import insert_new

_table = schema.accounts
_c = _table.c
#: No `@`: a name is never somebody's address.
_NAME = re.compile(r"\w[\w .'-]{0,38}\w")
#: Rows without an address only keep a name for a while; see `Links.sign_up`.
_REAL = _c.email != ""
#: Days for which an account waits for its address to be confirmed.
WAITING_DAYS = 7


class People(Base):
    """Whom the server knows."""

    @property
    def sign_up_open(self) -> bool:
        """Whether strangers may make themselves an account; closed unless an admin opens it."""
        with reading(self.engine) as connection:
            return bool(setting(connection, "sign_up") == "open")

    def open_sign_up(self, wanted: bool) -> None:
        """Let strangers sign up, or not."""
        with writing(self.engine) as connection:
            set_setting(connection, "sign_up", "open" if wanted else "closed")

    def count(self) -> int:
        """How many accounts there are, closed and unconfirmed ones too."""
        with reading(self.engine) as connection:
            return int(connection.scalar(sa.select(sa.func.count()).where(_REAL)) or 0)

    def all(self) -> list[Account]:
        """All accounts, by name."""
        with reading(self.engine) as connection:
            default = default_quota(connection)
            rows = connection.execute(sa.select(_table).where(_REAL).order_by(_c.name_key)).all()
        return [account_of(row, default) for row in rows]

    def get(self, account_id: str) -> Account:
        """The account of this id; empty: the single user. Raises `NotFoundError`."""
        if not account_id:
            return LOCAL
        with reading(self.engine) as connection:
            row = connection.execute(
                sa.select(_table).where(_c.id == same(account_id))
            ).one_or_none()
            default = default_quota(connection)
        if row is None:
            raise _unknown(account_id)
        return account_of(row, default)

    def find(self, who: str) -> Account:
        """The account of this name or address. Raises `NotFoundError`: for its keeper's eyes."""
        with reading(self.engine) as connection:
            row = self._row(connection, who)
            default = default_quota(connection)
        if row is None or not row.email:
            raise _unknown(who)
        return account_of(row, default)

    def add(
        self,
        name: str,
        email: str,
        *,
        role: Role = "user",
        password: str = "",
        confirmed: bool = True,
    ) -> Account:
        """Make an account on an admin's word, which also vouches for the address.

        Without a password nobody can log in until one is set through `reset_link`.
        Raises `InputError`.
        """
        name, email = check_name(name), checked(email)
        if role not in ROLES:
            raise InputError(
                f"There is no role {role!r}.",
                expected=f"one of {', '.join(ROLES)}",
                do="Use one of these.",
            )
        if password:
            check(password, name=name, email=email)
        secret = hashed(password) if password else ""
        with writing(self.engine) as connection:
            return self._add(connection, name, email, role, secret, confirmed)

    def confirm_by_hand(self, account: Account) -> None:
        """Vouch for the account's address, where no mail can do so."""
        self._change(account, confirmed=True)

    def set_role(self, account: Account, role: Role) -> None:
        """Make an account an admin's or a user's; its sessions end, so that none keeps old rights.

        Raises `InputError` for the last admin.
        """
        with writing(self.engine) as connection:
            if role != "admin":
                self._not_the_last_admin(connection, account)
            connection.execute(_table.update().where(_c.id == account.id).values(role=role))
            self._end_sessions(connection, account.id)

    def set_closed(self, account: Account, closed: bool) -> None:
        """Let an account in no more (its sessions end), or again; its data stay.

        Its decks are switched off, and stay so: nobody acts for who may not come in.
        """
        with writing(self.engine) as connection:
            if closed:
                self._not_the_last_admin(connection, account)
                self._end_sessions(connection, account.id)
            connection.execute(_table.update().where(_c.id == account.id).values(closed=closed))
        for deck in listing.listed(self.engine, account.id) if closed else ():
            if deck.mode != "off":
                Ledger(self.engine, deck.id).switch("off", "the account was closed")

    @property
    def default_quota(self) -> Quota:
        """The quota of accounts that have none of their own."""
        with reading(self.engine) as connection:
            return default_quota(connection)

    def set_default_quota(self, quota: Quota) -> None:
        """Change it for all accounts that have none of their own."""
        with writing(self.engine) as connection:
            set_setting(connection, "quota", quota.to_dict())

    def set_quota(self, account: Account, **limits: int | None) -> None:
        """Give one account limits of its own; without any: those of the server again."""
        account.quota.replaced(limits)  # raises for what is no limit
        with writing(self.engine) as connection:
            stored = connection.scalar(sa.select(_c.quota).where(_c.id == account.id))
            new = {**(stored or {}), **limits} if limits else None
            connection.execute(_table.update().where(_c.id == account.id).values(quota=new))

    def prune(self) -> None:
        """Forget accounts that nobody confirmed within a week: their names are free again."""
        limit = self._now(-WAITING_DAYS * 86_400.0)
        waiting = sa.and_(_c.confirmed.is_(False), _c.created_at < limit)
        expired = schema.sessions.c.expires_at <= self._now()
        with writing(self.engine) as connection:
            connection.execute(_table.delete().where(waiting))
            connection.execute(schema.sessions.delete().where(expired))

    def _add(
        self,
        connection: sa.Connection,
        name: str,
        email: str,
        role: Role,
        secret: str,
        confirmed: bool,
    ) -> Account:
        if connection.scalar(sa.select(_c.id).where(_c.email_key == same(email))):
            raise InputError(
                f"There is an account with the address {email!r} already.",
                expected="an address without an account",
                do="Use another address, or reset that account's password.",
            )
        return self._insert(
            connection,
            name,
            email=email,
            email_key=same(email),
            role=role,
            password=secret,
            confirmed=confirmed,
        )

    def _insert(self, connection: sa.Connection, name: str, **values: Any) -> Account:
        new = {
            "id": new_id("u_"),
            "name": name,
            "name_key": same(name),
            "closed": False,
            "created_at": self._now(),
            **values,
        }
        if not insert_new(connection, _table, new):
            raise InputError(
                f"The name {name!r} is taken.",
                expected="a name that nobody else here has",
                do="Choose another name.",
            )
        row = connection.execute(sa.select(_table).where(_c.id == new["id"])).one()
        return account_of(row, default_quota(connection))

    def _row(self, connection: sa.Connection, who: str) -> sa.Row[Any] | None:
        key = same(who[:300])
        column = _c.email_key if "@" in key else _c.name_key
        return connection.execute(sa.select(_table).where(column == key)).one_or_none()

    def _change(self, account: Account, **values: Any) -> None:
        with writing(self.engine) as connection:
            connection.execute(_table.update().where(_c.id == account.id).values(**values))

    def _end_sessions(self, connection: sa.Connection, account_id: str) -> None:
        table = schema.sessions
        connection.execute(table.delete().where(table.c.account_id == account_id))

    def _not_the_last_admin(self, connection: sa.Connection, account: Account) -> None:
        others = sa.select(_c.id).where(
            _c.role == "admin", _c.closed.is_(False), _c.id != account.id
        )
        if account.is_admin and connection.scalar(others.limit(1)) is None:
            raise InputError(
                f"{account.name!r} is the only admin.",
                expected="an admin who stays",
                do="Make somebody else an admin first.",
            )


def check_name(name: str) -> str:
    """The name as it is kept. Raises `InputError`."""
    import unicodedata

    plain = " ".join(unicodedata.normalize("NFKC", name).split())
    if not _NAME.fullmatch(plain):
        raise InputError(
            f"The name {name[:60]!r} cannot be used.",
            expected="2 to 40 letters, digits, spaces, dots, hyphens, apostrophes or underscores",
            do="Choose another name.",
        )
    return plain


def _unknown(who: str) -> NotFoundError:
    return NotFoundError(
        f"There is no account {who[:100]!r}.",
        expected="the name or address of an account",
        do="List them: tellapart accounts list",
    )
