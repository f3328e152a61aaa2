"""Log-in and sessions.

A session is 256 random bits in a cookie; the database has their SHA-256, so that a copy of it
lets nobody in. (A fast hash is enough for what cannot be guessed; passwords get argon2.)
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import secrets
from typing import Any

import sqlalchemy as sa

from tellapart.accounts import passwords
from tellapart.accounts.base import account_of, default_quota, same
from tellapart.accounts.limits import ADDRESS, NAME, PAIR, Limits, network
from tellapart.accounts.people import People
from tellapart.accounts.rows import LOCAL, Account, Session
from tellapart.errors import RequestError, TellapartError
from tellapart.store import schema_accounts as schema
from tellapart.store.database import reading, writing
from tellapart.store.keys import Keys

#: The cookie's name. Over TLS it gets the prefix `__Host-`, by which browsers take it from this
#: host alone and only with Secure and Path=/: no neighbour under the same domain can plant one.
COOKIE = "tellapart_session"
#: Seconds without use, and in all, after which a session ends.
IDLE_S, LONGEST_S = 7 * 86_400, 30 * 86_400
#: A session's last use is written down this often.
_NOTED_S = 300.0
_table = schema.sessions
_accounts = schema.accounts.c


class Entry(People):
    """Who is let in."""

    @property
    def limits(self) -> Limits:
        return Limits(self)

    def log_in(self, who: str, password: str, *, address: str, old: str = "") -> Session:
        """Let somebody in by name or e-mail address; always under a new session id.

        `address` is the client's IP address, `old` the cookie it came with: that session ends,
        so that one planted before the log-in is worth nothing after it. Takes some 0.1 s of
        CPU: call it from a thread. Raises `RequestError`: 401, the same for an unknown name, a
        wrong password, an account that is closed or not confirmed; 429 after too many tries.
        """
        with reading(self.engine) as connection:
            row = self._row(connection, who)
        right = self._judge(row, who, password, address)
        if row is None or not right or row.closed or not row.confirmed:
            raise _wrong()
        return self._begin(row.id, old)

    def session(self, cookie: str | None) -> Account | None:
        """Whose session this is; None: nobody's. In single-user mode always the single user's."""
        if self.single_user:
            return LOCAL
        if not cookie:
            return None
        mark = _hash(cookie)
        query = (
            sa.select(schema.accounts, _table.c.used_at.label("used_at"))
            .join(_table, _table.c.account_id == _accounts.id)
            .where(
                _table.c.hash == mark,
                _table.c.expires_at > self._now(),
                _table.c.used_at > self._now(-IDLE_S),
                _accounts.closed.is_(False),
            )
        )
        with reading(self.engine) as connection:
            row = connection.execute(query).one_or_none()
            if row is None:
                return None
            account = account_of(row, default_quota(connection))
        if row.used_at < self._now(-_NOTED_S):
            self._note(_table, _table.c.hash == mark)
        return account

    def log_out(self, cookie: str) -> None:
        """End this session."""
        with writing(self.engine) as connection:
            connection.execute(_table.delete().where(_table.c.hash == _hash(cookie)))

    def log_out_everywhere(self, account: Account) -> None:
        """End all sessions of an account."""
        with writing(self.engine) as connection:
            self._end_sessions(connection, account.id)

    def csrf(self, cookie: str | None) -> str:
        """What pages of this session send back with each change, in `X-CSRF-Token`.

        Follows from the session's cookie and the server's key: other sites know neither, and
        nothing is stored. Without a cookie (single-user mode, the log-in page) it is one for
        all such pages; `Origin` must be checked too.
        """
        key = Keys(self.settings).derive("csrf")[0]
        return hmac.new(key, (cookie or "").encode("utf-8", "replace"), hashlib.sha256).hexdigest()

    def check_csrf(self, cookie: str | None, given: str | None) -> None:
        """Raise `RequestError` (403) where `given` is not what `csrf` gave to this session."""
        sent = (given or "").encode("utf-8", "replace")
        if not hmac.compare_digest(self.csrf(cookie).encode(), sent):
            raise RequestError(
                "The request lacks the token of its session's pages.",
                expected="the header X-CSRF-Token, as GET /api/v1/session gives it",
                do="Reload the page and try again.",
                status=403,
            )

    def check_password(self, account: Account, password: str, *, address: str = "") -> None:
        """Ask again before something grave. Raises `RequestError` (401, 429)."""
        with reading(self.engine) as connection:
            query = sa.select(schema.accounts).where(_accounts.id == account.id)
            row = connection.execute(query).one_or_none()
        if not self._judge(row, account.id, password, address):
            raise _wrong()

    def _judge(self, row: sa.Row[Any] | None, who: str, password: str, address: str) -> bool:
        """Whether the password is right; each try counts before it is looked at."""
        limits = self.limits
        # As it was typed: one counter for an account's name and address would tell that they
        # belong together.
        person, place = same(who[:300]), network(address)
        pair, everywhere = limits.key("pair", person, place), limits.key("name", person)
        here, known = limits.key("address", place), limits.key("known", person, place)
        wanted = [(pair, PAIR), (here, ADDRESS)]
        if not limits.knows(known):
            wanted.append((everywhere, NAME))
        limits.take(*wanted)
        right, renewed = passwords.verified(password, "" if row is None else row.password)
        if right and row is not None:
            limits.right(pair, wanted[1:], known)
            if renewed:
                self._change(self.get(row.id), password=renewed)
        return right

    def _begin(self, account_id: str, old: str = "") -> Session:
        cookie = secrets.token_urlsafe(32)
        now = self._now()
        with writing(self.engine) as connection:
            if old:
                connection.execute(_table.delete().where(_table.c.hash == _hash(old)))
            connection.execute(
                _table.insert().values(
                    hash=_hash(cookie),
                    account_id=account_id,
                    created_at=now,
                    used_at=now,
                    expires_at=self._now(LONGEST_S),
                )
            )
        return Session(self.get(account_id), cookie, self.csrf(cookie), LONGEST_S)

    def _note(self, table: sa.Table, which: Any) -> None:
        """Write down that something was used; a busy database is no reason to let nobody in."""
        with contextlib.suppress(TellapartError), writing(self.engine) as connection:
            connection.execute(table.update().where(which).values(used_at=self._now()))


def cookie_name(secure: bool) -> str:
    """The session cookie's name, over TLS or (on loopback) without."""
    return f"__Host-{COOKIE}" if secure else COOKIE


def cookie_options(session: Session, secure: bool) -> dict[str, Any]:
    """What `response.set_cookie` is to be given: the only place where it is decided.

    `HttpOnly`: no script reads it. `SameSite=Lax`: no other site's form or script sends it,
    though links from a mail do.
    """
    return {
        "key": cookie_name(secure),
        "value": session.cookie,
        "max_age": session.max_age,
        "path": "/",
        "httponly": True,
        "samesite": "lax",
        "secure": secure,
    }


def _hash(cookie: str) -> str:
    return hashlib.sha256(cookie.encode("utf-8", "replace")).hexdigest()


def _wrong() -> RequestError:
    return RequestError(
        "The name or the password is wrong, or the account is not open.",
        expected="the name or address and the password of an account whose address is confirmed",
        do="Try again; look into your mail for the link that confirms a new account; or ask for a "
        "new password.",
        status=401,
    )
