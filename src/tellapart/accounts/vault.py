"""Credentials for other services, encrypted with a key that is not in the database."""

from __future__ import annotations

import sqlalchemy as sa

from tellapart.accounts.base import Base
from tellapart.accounts.rows import Account
from tellapart.errors import InputError, NotFoundError, StorageError
from tellapart.store import schema_accounts as schema
from tellapart.store.database import reading, writing
from tellapart.store.sealing import seal, unseal

#: Bytes of one credential at most.
LARGEST = 65_536
_table = schema.credentials
_c = _table.c


class Vault:
    """Named secrets of accounts: AES-256-GCM, bound to their account and name.

    A row that somebody moves to another account or name does not open.
    """

    def __init__(self, base: Base) -> None:
        self._base = base

    def put(self, account: Account, name: str, secret: str) -> None:
        """Keep `secret` under `name` (1 to 64 characters); replaces an earlier one."""
        data = secret.encode("utf-8", "surrogatepass")
        if not 1 <= len(name) <= 64 or not name.isprintable() or len(data) > LARGEST:
            raise InputError(
                f"The credential {name[:80]!r} of {len(data)} bytes cannot be kept.",
                expected=f"a name of 1 to 64 characters, at most {LARGEST:,} bytes",
                do="Use a shorter one.",
            )
        sealed = seal(self._base.settings, "credentials", data, _place(account, name))
        values = {"sealed": sealed, "changed_at": self._base._now()}
        which = sa.and_(_c.account_id == account.id, _c.name == name)
        with writing(self._base.engine) as connection:
            connection.execute(_table.delete().where(which))
            connection.execute(_table.insert().values(account_id=account.id, name=name, **values))

    def get(self, account: Account, name: str) -> str:
        """The secret kept under `name`. Raises `NotFoundError`; `StorageError` without its key."""
        query = sa.select(_c.sealed).where(_c.account_id == account.id, _c.name == name)
        with reading(self._base.engine) as connection:
            sealed = connection.scalar(query)
        if sealed is None:
            raise NotFoundError(
                f"There is no credential {name[:80]!r}.",
                expected="one that was stored before",
                do="Store it first.",
            )
        opened = unseal(self._base.settings, "credentials", sealed, _place(account, name))
        if opened is not None:
            return opened.decode("utf-8", "surrogatepass")
        raise StorageError(
            f"The credential {name[:80]!r} does not open with this server's key.",
            expected="the key it was stored with (secret.key, or TELLAPART_SECRET_KEY)",
            do="Put that key back, beside the present one; or store the credential again.",
        )

    def names(self, account: Account) -> list[str]:
        """Names only: what is in them is for programs."""
        query = sa.select(_c.name).where(_c.account_id == account.id).order_by(_c.name)
        with reading(self._base.engine) as connection:
            return list(connection.scalars(query))

    def delete(self, account: Account, name: str | None = None) -> None:
        """Forget one, or all of the account's."""
        which = [_c.account_id == account.id] + ([] if name is None else [_c.name == name])
        with writing(self._base.engine) as connection:
            connection.execute(_table.delete().where(*which))


def _place(account: Account, name: str) -> str:
    return f"{account.id}\0{name}"
