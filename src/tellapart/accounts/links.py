"""Links that let somebody do one thing: confirm an address, set a password, be the first admin.

None acts by being opened: programs that look through mails for viruses open every link. The page
behind it asks for a password and sends that with the link's token.

What is asked for with an address (`sign_up`, `forgot`) answers the same, in the same time,
whether the address has an account or not; who owns the address learns it by mail.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import secrets
import time
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from tellapart.accounts.base import same, set_setting
from tellapart.accounts.entry import Entry
from tellapart.accounts.limits import MAIL, SIGN_UP, network
from tellapart.accounts.passwords import check, hashed
from tellapart.accounts.people import check_name
from tellapart.accounts.rows import Account, Session
from tellapart.accounts.signing import Signer
from tellapart.errors import InputError, RequestError
from tellapart.mail import compose
from tellapart.mail.addresses import checked
from tellapart.mail.outbox import Outbox
from tellapart.store import schema_accounts as schema
from tellapart.store.database import reading, writing
from tellapart.store.keys import Keys

#: Pages that links in mails and on the terminal lead to, with the token behind them.
CONFIRM, RESET, FIRST = "/confirm/", "/reset/", "/first/"
CONFIRM_S, RESET_S, FIRST_S = 24 * 3600, 3600, 24 * 3600
#: Seconds that an answer takes whatever it did, where the doing would tell who has an account.
EVEN_S = 0.5
_table = schema.accounts
_c = _table.c
_settings = schema.account_settings


class Links(Entry):
    """What people do before they are let in."""

    @cached_property
    def outbox(self) -> Outbox:
        return Outbox(self.engine, self.settings, clock=self._clock)

    @cached_property
    def signer(self) -> Signer:
        return Signer(self.settings, clock=self._clock)

    @property
    def mails(self) -> bool:
        """Whether this server can send mail at all."""
        return bool(self.settings.mail_url)

    def first_admin_link(self) -> str | None:
        """The one-time link for the terminal; None where there is an admin. An earlier one ends."""
        with writing(self.engine) as connection:
            if connection.scalar(sa.select(_c.id).where(_c.role == "admin").limit(1)):
                return None
            once = secrets.token_hex(16)
            connection.execute(_settings.delete().where(_settings.c.key.like("first:%")))
            set_setting(connection, f"first:{once}", True)
        return self._link(FIRST, self.signer.sign("first-admin", {"once": once}, FIRST_S))

    def make_first_admin(self, token: str, name: str, email: str, password: str) -> Session:
        """The account of whoever has the link from the terminal. Raises `RequestError` (403, 410)
        for the token, `InputError` for the rest: the link then works still."""
        once = self.signer.read("first-admin", token)["once"]
        name, email = check_name(name), checked(email)
        check(password, name=name, email=email)
        secret = hashed(password)
        with writing(self.engine) as connection:
            # Deleting decides who was first.
            gone = connection.execute(_settings.delete().where(_settings.c.key == f"first:{once}"))
            if not gone.rowcount:
                raise _used()
            account = self._add(connection, name, email, "admin", secret, True)
        return self._begin(account.id)

    def sign_up(self, name: str, email: str, password: str, *, address: str) -> None:
        """Ask for an account; a mail says how it goes on. Returns nothing that tells whether the
        address has one already. Takes half a second: call it from a thread.

        Raises `RequestError` where sign-up is closed (403) or too many were asked for (429),
        `InputError` for a name that is taken or an unusable name, address or password.
        """
        if not self.sign_up_open:
            raise RequestError(
                "This server makes no accounts for strangers.",
                expected="an account made by the server's keeper",
                do="Ask the server's keeper for one.",
                status=403,
            )
        name, email = check_name(name), checked(email)
        check(password, name=name, email=email)
        with self._evenly():
            self.limits.take((self.limits.key("sign-up", network(address)), SIGN_UP))
            account, taken = self._admit(name, email, hashed(password))
            if taken:
                self._mail(account, compose.taken(self._link("/login", "")), email)
            else:
                self.send_confirmation(account)

    def _admit(self, name: str, email: str, secret: str) -> tuple[Account, bool]:
        """A new account, and whether it is none because the address has one.

        Then a row without an address takes the name all the same: else the name's being free
        afterwards would tell. An unconfirmed account gives way to a newer one with its address:
        nobody has ever been in there, and the newer one may be the owner's.
        """
        key = same(email)
        with writing(self.engine) as connection:
            row = self._row(connection, email)
            taken = row is not None and (row.confirmed or row.role == "admin")
            values = {
                "email": "" if taken else email,
                "email_key": f"taken {self.limits.key('taken', key)}" if taken else key,
                "role": "user",
                "password": secret,
                "confirmed": False,
            }
            older = sa.and_(_c.email_key == values["email_key"], _c.confirmed.is_(False))
            connection.execute(_table.delete().where(older))
            return self._insert(connection, name, **values), taken

    def send_confirmation(self, account: Account, email: str = "") -> None:
        """Mail the link that confirms the account's address (or its new one, `email`)."""
        to = email or account.email
        message = compose.confirm(self.confirmation_link(account, to), CONFIRM_S // 3600)
        self._mail(account, message, to)

    def confirmation_link(self, account: Account, email: str = "") -> str:
        """The link that `send_confirmation` mails."""
        data = {"id": account.id, "email": email or account.email, "mark": self._mark(account.id)}
        return self._link(CONFIRM, self.signer.sign("confirm", data, CONFIRM_S))

    def confirm(self, token: str, password: str, *, address: str, old: str = "") -> Session:
        """Confirm an address and let its owner in.

        The password is asked for because the link alone proves too little: whoever signs up with
        another's address has a link mailed there, and its owner might follow it. Raises
        `RequestError`: 403, 410 for the token, 401 for the password, 429.
        """
        data = self.signer.read("confirm", token)
        row = self._of(data, forgot=False)
        if not self._judge(row, row.id, password, address):
            raise RequestError(
                "The password is not the one that was chosen for this account.",
                expected="the password given when the account was asked for",
                do="Try again. If you asked for no account, do nothing: it ends by itself.",
                status=401,
            )
        email, before = str(data["email"]), row.email
        with writing(self.engine) as connection:
            if same(email) != row.email_key:
                if connection.scalar(sa.select(_c.id).where(_c.email_key == same(email))):
                    raise _used()
                values = {"email": email, "email_key": same(email)}
                connection.execute(_table.update().where(_c.id == row.id).values(**values))
            connection.execute(_table.update().where(_c.id == row.id).values(confirmed=True))
            self._end_sessions(connection, row.id)
        if same(email) != same(before):
            self._mail(self.get(row.id), compose.changed("address", self._link("/", "")), before)
        return self._begin(row.id, old)

    def change_email(self, account: Account, email: str, password: str, *, address: str) -> None:
        """Mail a link to the new address; it counts once that is followed."""
        email = checked(email)
        self.check_password(account, password, address=address)
        if not self.mails:
            raise InputError(
                "This server sends no mail, so no new address can be confirmed.",
                expected="a mail server (TELLAPART_MAIL)",
                do="Ask the server's keeper.",
            )
        with self._evenly():
            self._count_mail(account.id, address)
            with reading(self.engine) as connection:
                taken = self._row(connection, email) is not None
            if not taken:
                self.send_confirmation(account, email)

    def forgot(self, who: str, *, address: str) -> None:
        """Mail a link for a new password, if there is such an account; tells nobody here."""
        with self._evenly():
            with reading(self.engine) as connection:
                row = self._row(connection, who)
            self._count_mail(same(who[:300]), address)
            if row is not None and row.confirmed and not row.closed:
                account = self.get(row.id)
                self._mail(account, compose.reset(self.reset_link(account), RESET_S // 60))

    def reset_link(self, account: Account) -> str:
        """A link to set the password, once, within the hour: for the account's owner only."""
        data = {"id": account.id, "mark": self._mark(account.id)}
        return self._link(RESET, self.signer.sign("reset", data, RESET_S))

    def reset_password(self, token: str, password: str, *, old: str = "") -> Session:
        """Set a new password by link and let its owner in; all other sessions end."""
        row = self._of(self.signer.read("reset", token), forgot=True)
        check(password, name=row.name, email=row.email)
        self._set_password(row.id, hashed(password), row.password)
        return self._begin(row.id, old)

    def change_password(
        self, account: Account, password: str, new: str, *, address: str, old: str = ""
    ) -> Session:
        """Set a new password, knowing the present one; all sessions end but the one returned."""
        self.check_password(account, password, address=address)
        check(new, name=account.name, email=account.email)
        with reading(self.engine) as connection:
            stored = connection.scalar(sa.select(_c.password).where(_c.id == account.id))
        self._set_password(account.id, hashed(new), stored or "")
        return self._begin(account.id, old)

    def set_password(self, account: Account, new: str) -> None:
        """Set it on an admin's word; all sessions end."""
        check(new, name=account.name, email=account.email)
        with reading(self.engine) as connection:
            stored = connection.scalar(sa.select(_c.password).where(_c.id == account.id))
        self._set_password(account.id, hashed(new), stored or "")

    def _set_password(self, account_id: str, secret: str, before: str) -> None:
        with writing(self.engine) as connection:
            done = connection.execute(
                _table.update()
                .where(_c.id == account_id, _c.password == before)
                .values(password=secret)
            )
            if not done.rowcount:  # a link used twice at the same moment
                raise _used()
            self._end_sessions(connection, account_id)
        if before:
            account = self.get(account_id)
            if account.confirmed:
                self._mail(account, compose.changed("password", self._link("/", "")))

    def _of(self, data: dict[str, Any], *, forgot: bool) -> sa.Row[Any]:
        """The account a link was made for, if it is still as it was then."""
        with reading(self.engine) as connection:
            row = connection.execute(sa.select(_table).where(_c.id == data["id"])).one_or_none()
        if row is None or row.closed or not hmac.compare_digest(data["mark"], self._marked(row)):
            raise _used()
        return row

    def _mark(self, account_id: str) -> str:
        with reading(self.engine) as connection:
            row = connection.execute(sa.select(_table).where(_c.id == account_id)).one()
        return self._marked(row)

    def _marked(self, row: sa.Row[Any]) -> str:
        """Changes with password and address: what a link was made for is over with it."""
        text = f"{row.password}\0{row.email_key}\0{row.confirmed}"
        key = Keys(self.settings).derive("mark")[0]
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:32]

    def _count_mail(self, who: str, address: str) -> None:
        limits = self.limits
        place = network(address)
        limits.take((limits.key("mail", who, place), MAIL), (limits.key("mails", place), SIGN_UP))

    def _mail(self, account: Account, message: Any, to: str = "") -> None:
        key = f"account:{account.id}:{secrets.token_hex(8)}"
        self.outbox.put(key, to or account.email, message, owner=account.id, purpose="account")

    def _link(self, page: str, token: str) -> str:
        return f"{self.settings.public_url.rstrip('/')}{page}{token}"

    @contextlib.contextmanager
    def _evenly(self) -> Iterator[None]:
        """Take `EVEN_S`, whichever way the inside went."""
        end = time.monotonic() + EVEN_S
        try:
            yield
        finally:
            time.sleep(max(0.0, end - time.monotonic()))


def _used() -> RequestError:
    return RequestError(
        "This link has been used, or a newer one was made since.",
        expected="the newest link, used once",
        do="Ask for a new one.",
        status=410,
    )
