"""API tokens: for programs, each for some things only, revocable one by one."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

import sqlalchemy as sa

from tellapart.accounts.base import account_of, default_quota, new_id, same
from tellapart.accounts.rows import SCOPES, Account, Scope, Token
from tellapart.errors import InputError, NotFoundError
from tellapart.store import schema_accounts as schema
from tellapart.store.database import reading, writing

if TYPE_CHECKING:
    from tellapart.accounts.entry import Entry

#: By which people, and programs that look for leaked ones, know such a token.
PREFIX = "ta_"
#: Of one account.
MOST = 50
_NOTED_S = 3600.0
_table = schema.tokens
_c = _table.c


class Tokens:
    """The tokens of all accounts."""

    def __init__(self, base: Entry) -> None:
        self._base = base

    def create(
        self,
        account: Account,
        name: str,
        scopes: Iterable[str],
        expires: float | None = None,
    ) -> str:
        """A new token, told here and never again; it ends after `expires` seconds, or never.

        Raises `InputError` for unknown scopes, `admin` without being one, or more than 50.
        """
        name, wanted = self._checked(account, name, scopes)
        plain = PREFIX + secrets.token_urlsafe(32)
        with writing(self._base.engine) as connection:
            query = sa.select(sa.func.count()).where(_c.account_id == account.id)
            if (connection.scalar(query) or 0) >= MOST:
                raise InputError(
                    f"This account has {MOST} tokens already.",
                    expected=f"at most {MOST} tokens",
                    do="Revoke one that is no longer used.",
                )
            connection.execute(
                _table.insert().values(
                    id=new_id("t_"),
                    account_id=account.id,
                    name=name,
                    hash=_hash(plain),
                    hint=plain[-4:],
                    scopes=list(wanted),
                    created_at=self._base._now(),
                    expires_at="" if expires is None else self._base._now(expires),
                )
            )
        return plain

    def of(self, account: Account) -> list[Token]:
        """An account's tokens, newest first; not what they are."""
        query = sa.select(_table).where(_c.account_id == account.id)
        with reading(self._base.engine) as connection:
            rows = connection.execute(query.order_by(_c.created_at.desc(), _c.id)).all()
        return [_token(row) for row in rows]

    def revoke(self, account: Account, token_id: str) -> None:
        """End one of the account's tokens, at once. Raises `NotFoundError`, also for others'."""
        with writing(self._base.engine) as connection:
            which = sa.and_(_c.account_id == account.id, _c.id == same(token_id))
            gone = connection.execute(_table.delete().where(which))
        if not gone.rowcount:
            raise NotFoundError(
                f"There is no token {token_id[:40]!r}.",
                expected="the id of a token of this account",
                do="List them.",
            )

    def check(self, plain: str) -> tuple[Account, frozenset[Scope]] | None:
        """Whose token this is and what it is for; None: unknown, revoked, expired."""
        if not plain.startswith(PREFIX):
            return None
        mark = _hash(plain)
        accounts = schema.accounts
        query = (
            sa.select(
                accounts,
                _c.scopes.label("scopes"),
                _c.used_at.label("used_at"),
            )
            .join(_table, _c.account_id == accounts.c.id)
            .where(
                _c.hash == mark,
                sa.or_(_c.expires_at == "", _c.expires_at > self._base._now()),
                accounts.c.closed.is_(False),
                accounts.c.confirmed.is_(True),
            )
        )
        with reading(self._base.engine) as connection:
            row = connection.execute(query).one_or_none()
            if row is None:
                return None
            account = account_of(row, default_quota(connection))
        if row.used_at < self._base._now(-_NOTED_S):
            self._base._note(_table, _c.hash == mark)
        allowed = frozenset(cast("list[Scope]", row.scopes))
        # Who is no admin any more has no admin's token either.
        return account, allowed if account.is_admin else allowed - {"admin"}

    def _checked(
        self, account: Account, name: str, scopes: Iterable[str]
    ) -> tuple[str, tuple[Scope, ...]]:
        name = " ".join(name.split())
        wanted = set(scopes)
        if not account.id:
            raise InputError(
                "The single user of this machine needs no token.",
                expected="an account",
                do="Ask without a token, or make accounts: tellapart accounts add",
            )
        if not name or len(name) > 60 or not name.isprintable():
            raise InputError(
                f"The token's name is {name[:80]!r}.",
                expected="1 to 60 characters that say where it is used",
                do="Give it such a name.",
            )
        unknown = sorted(wanted - set(SCOPES))
        if unknown or not wanted:
            raise InputError(
                f"There is no scope {unknown[0]!r}." if unknown else "The token is for nothing.",
                expected=f"one or more of {', '.join(SCOPES)}",
                do="Use these.",
            )
        if "admin" in wanted and not account.is_admin:
            raise InputError(
                "The scope 'admin' was asked for by somebody who is no admin.",
                expected="an admin's account, or scopes without admin",
                do="Leave it out.",
            )
        return name, tuple(scope for scope in SCOPES if scope in wanted)


def _token(row: sa.Row[Any]) -> Token:
    return Token(
        row.id,
        row.name,
        row.hint,
        tuple(row.scopes),
        row.created_at,
        row.expires_at,
        row.used_at,
    )


def _hash(plain: str) -> str:
    return hashlib.sha256(plain.encode("utf-8", "replace")).hexdigest()
