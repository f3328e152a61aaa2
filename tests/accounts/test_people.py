"""Roles, limits, tokens, credentials, what is told and what is forgotten."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import sqlalchemy as sa

from tellapart.accounts import (
    LOCAL,
    UNLIMITED,
    Account,
    Accounts,
    Quota,
    Signer,
    is_single_user,
)
from tellapart.errors import InputError, NotFoundError, RequestError, StorageError
from tellapart.mail import compose
from tellapart.settings import Settings
from tellapart.store import schema_accounts as schema
from tests.accounts.scene import HERE, PASSWORD, Clock


def test_an_account_is_found_and_unknown_ones_are_said(accounts: Accounts, ann: Account) -> None:
    assert accounts.get(ann.id) == accounts.find("ann") == accounts.find("ANN@example.org") == ann
    assert accounts.get("") is LOCAL
    assert ann.id.startswith("u_") and len(ann.id) == 22
    # It is the owner of projects, thus a folder's name.
    assert replace(accounts.settings, owner=ann.id).projects_dir.parent.name == ann.id
    for who in ("nobody", "nobody@example.org", "u_x"):
        with pytest.raises(NotFoundError):
            accounts.find(who)


@pytest.mark.parametrize(
    ("name", "email", "part"),
    [
        ("Bob", "ann@EXAMPLE.org", "already"),
        ("aNN", "bob@example.org", "taken"),
        ("Bob", "bob", "no e-mail address"),
        ("Bob", "bob@example.org\nBcc: all@example.org", "no e-mail address"),
        ("Bob", "a@b.c, d@e.f", "no e-mail address"),
        ("Bob", "Bob <bob@example.org>", "no e-mail address"),
        ("Bob", '"b ob"@example.org', "no e-mail address"),
        ("Bob", "bob@[127.0.0.1]", "no e-mail address"),
        ("Bob", "bob@exa mple.org", "no e-mail address"),
        ("Bob", "bob@-example.org", "no e-mail address"),
        ("Bob", "bob@192.168.0.1", "no e-mail address"),
        ("Bob", "x" * 65 + "@example.org", "no e-mail address"),
        ("Bob", "bo\u0131b@example.org", "no e-mail address"),
    ],
)
def test_what_cannot_be_an_account_is_refused(
    accounts: Accounts, ann: Account, name: str, email: str, part: str
) -> None:
    with pytest.raises(InputError, match=part):
        accounts.add(name, email)


def test_a_domain_of_any_letters_is_spelled_as_dns_does(accounts: Accounts) -> None:
    assert accounts.add("Bob", "bob@bücher.example").email == "bob@xn--bcher-kva.example"


def test_there_is_always_an_admin(accounts: Accounts, ann: Account, root: Account) -> None:
    for change in (
        lambda: accounts.set_role(root, "user"),
        lambda: accounts.set_closed(root, True),
        lambda: accounts.delete(root),
    ):
        with pytest.raises(InputError, match="only admin"):
            change()
    accounts.set_role(ann, "admin")
    accounts.set_role(root, "user")
    with pytest.raises(InputError, match="role"):
        accounts.add("X1", "x@example.org", role="owner")  # type: ignore[arg-type]


def test_the_last_account_of_all_may_go(accounts: Accounts, root: Account) -> None:
    accounts.delete(root)
    assert accounts.count() == 0 and accounts.first_admin_link() is not None


def test_quotas_are_the_servers_unless_an_account_has_its_own(
    accounts: Accounts, ann: Account, root: Account
) -> None:
    assert ann.quota == Quota()
    accounts.set_default_quota(Quota(pictures=10, runs_a_day=None))
    accounts.set_quota(root, pictures=99)
    assert accounts.get(ann.id).quota == Quota(pictures=10, runs_a_day=None)
    assert accounts.get(root.id).quota == Quota(pictures=99, runs_a_day=None)
    accounts.set_quota(root, disk_mb=1)
    assert accounts.get(root.id).quota == Quota(pictures=99, runs_a_day=None, disk_mb=1)
    accounts.set_quota(root)
    assert accounts.get(root.id).quota == accounts.default_quota
    for bad in ({"pictures": -1}, {"pictures": 1.5}, {"pictures": True}, {"gpus": 3}):
        with pytest.raises(InputError, match="quota"):
            accounts.set_quota(ann, **bad)  # type: ignore[arg-type]


def test_a_quota_says_what_is_used_up() -> None:
    quota = Quota(pictures=10)
    quota.check("pictures", 9)
    quota.check("pictures", 0, 10)
    with pytest.raises(RequestError, match="10 pictures; 1 more") as caught:
        quota.check("pictures", 10)
    assert caught.value.http_status == 429
    UNLIMITED.check("disk_mb", 1e12)
    assert not Quota(runs_at_once=0).allows("runs_at_once", 0)


class TestTokens:
    def test_a_token_lets_its_account_do_what_it_is_for(
        self, accounts: Accounts, ann: Account, clock: Clock
    ) -> None:
        plain = accounts.tokens.create(ann, "laptop", ["predict", "read"])
        assert plain.startswith("ta_") and len(plain) == 46
        assert accounts.token(plain) == (ann, {"read", "predict"})
        (token,) = accounts.tokens.of(ann)
        assert (token.name, token.hint, token.scopes) == ("laptop", plain[-4:], ("read", "predict"))
        assert token.used and plain not in json.dumps(token.to_dict())

    def test_it_is_revoked_at_once_and_by_its_owner_only(
        self, accounts: Accounts, ann: Account, root: Account
    ) -> None:
        plain = accounts.tokens.create(ann, "laptop", ["read"])
        (token,) = accounts.tokens.of(ann)
        with pytest.raises(NotFoundError):
            accounts.tokens.revoke(root, token.id)
        assert accounts.token(plain)
        accounts.tokens.revoke(ann, token.id)
        assert accounts.token(plain) is None
        with pytest.raises(NotFoundError):
            accounts.tokens.revoke(ann, token.id)

    def test_it_expires(self, accounts: Accounts, ann: Account, clock: Clock) -> None:
        plain = accounts.tokens.create(ann, "laptop", ["read"], 3600)
        clock.pass_(3599)
        assert accounts.token(plain)
        clock.pass_(1)
        assert accounts.token(plain) is None

    def test_it_ends_with_its_accounts_rights(
        self, accounts: Accounts, ann: Account, root: Account
    ) -> None:
        with pytest.raises(InputError, match="no admin"):
            accounts.tokens.create(ann, "x", ["admin"])
        accounts.set_role(ann, "admin")
        plain = accounts.tokens.create(accounts.get(ann.id), "x", ["admin", "read"])
        assert accounts.token(plain) == (accounts.get(ann.id), {"admin", "read"})
        accounts.set_role(ann, "user")
        assert accounts.token(plain) == (accounts.get(ann.id), {"read"})
        accounts.set_closed(ann, True)
        assert accounts.token(plain) is None

    @pytest.mark.parametrize(
        "bearer", ["", "ta_", "ta_x", "Bearer x", "ta_\ud800", "ta_" + "é" * 99]
    )
    def test_what_is_no_token_lets_nobody_in(
        self, accounts: Accounts, ann: Account, bearer: str
    ) -> None:
        assert accounts.token(bearer) is None

    def test_what_cannot_be_made_is_said(self, accounts: Accounts, ann: Account) -> None:
        create = accounts.tokens.create
        for name, scopes in (("", ["read"]), ("a\nb\x00", ["read"]), ("x", []), ("x", ["all"])):
            with pytest.raises(InputError):
                create(ann, name, scopes)
        with pytest.raises(InputError, match="single user"):
            create(LOCAL, "x", ["read"])
        for i in range(50):
            create(ann, f"t{i}", ["read"])
        with pytest.raises(InputError, match="50 tokens"):
            create(ann, "more", ["read"])


class TestCredentials:
    def test_they_open_with_the_servers_key_for_their_own_place_only(
        self, accounts: Accounts, ann: Account, root: Account
    ) -> None:
        accounts.secrets.put(ann, "deck", "hidden ✓")
        accounts.secrets.put(LOCAL, "deck", "local")
        accounts.secrets.put(ann, "deck", "hidden again ✓")
        assert accounts.secrets.get(ann, "deck") == "hidden again ✓"
        assert accounts.secrets.get(LOCAL, "deck") == "local"
        assert accounts.secrets.names(ann) == ["deck"] and accounts.secrets.names(root) == []
        with pytest.raises(NotFoundError):
            accounts.secrets.get(root, "deck")
        with accounts.engine.begin() as connection:  # somebody who can write to the database
            connection.execute(
                schema.credentials.update()
                .where(schema.credentials.c.account_id == ann.id)
                .values(account_id=root.id)
            )
        with pytest.raises(StorageError, match="does not open"):
            accounts.secrets.get(root, "deck")

    def test_the_key_may_be_changed(self, accounts: Accounts, ann: Account) -> None:
        settings = accounts.settings
        old, new = "o" * 40, "n" * 40
        before = Accounts(accounts.engine, replace(settings, secret_key=old))
        before.secrets.put(ann, "deck", "hidden")
        link = Signer(before.settings).sign("x", {"a": 1}, 60)
        both = Accounts(accounts.engine, replace(settings, secret_key=f"{new},{old}"))
        assert both.secrets.get(ann, "deck") == "hidden"
        assert Signer(both.settings).read("x", link) == {"a": 1}
        both.secrets.put(ann, "deck", "hidden")
        after = Accounts(accounts.engine, replace(settings, secret_key=new))
        assert after.secrets.get(ann, "deck") == "hidden"
        with pytest.raises(RequestError):
            Signer(after.settings).read("x", link)

    def test_two_of_the_same_do_not_look_the_same(self, accounts: Accounts, ann: Account) -> None:
        accounts.secrets.put(ann, "a", "hidden")
        accounts.secrets.put(ann, "b", "hidden")
        with accounts.engine.connect() as connection:
            sealed = connection.scalars(sa.select(schema.credentials.c.sealed)).all()
        assert len(set(sealed)) == 2 and b"hidden" not in b"".join(sealed)
        accounts.secrets.delete(ann, "a")
        assert accounts.secrets.names(ann) == ["b"]

    @pytest.mark.parametrize(("name", "size"), [("", 1), ("x" * 65, 1), ("a\n", 1), ("x", 65_537)])
    def test_too_much_is_refused(
        self, accounts: Accounts, ann: Account, name: str, size: int
    ) -> None:
        with pytest.raises(InputError):
            accounts.secrets.put(ann, name, "x" * size)


def test_export_tells_everything_but_secrets_and_delete_forgets_it(
    accounts: Accounts, ann: Account, root: Account, settings: Settings
) -> None:
    session = accounts.log_in("ann", PASSWORD, address=HERE)
    plain = accounts.tokens.create(ann, "laptop", ["read"])
    accounts.secrets.put(ann, "deck", "hidden")
    accounts.outbox.put("run:1", ann.email, compose.test("https://x.example"), owner=ann.id)
    told = json.dumps(accounts.export(ann))
    for word in ("ann@example.org", "laptop", "deck", "queued"):
        assert word in told
    for secret in (session.cookie, plain, "hidden", "argon2", PASSWORD):
        assert secret not in told
    accounts.delete(ann)
    assert accounts.session(session.cookie) is None and accounts.token(plain) is None
    with accounts.engine.connect() as connection:
        for table in (schema.accounts, schema.sessions, schema.tokens, schema.credentials):
            left = connection.execute(sa.select(table)).all()
            assert not [row for row in left if ann.id in map(str, row)], table
        assert not connection.execute(sa.select(schema.outbox)).all()


@pytest.mark.parametrize(
    ("host", "proxy", "alone"),
    [
        ("127.0.0.1", False, True),
        ("::1", False, True),
        ("localhost", False, True),
        ("127.0.0.1", True, False),
        ("0.0.0.0", False, False),
        ("::", False, False),
        ("192.168.1.5", False, False),
        ("app.example", False, False),
        ("", False, False),
    ],
)
def test_only_where_nobody_else_can_come_there_is_no_log_in(
    accounts: Accounts, host: str, proxy: bool, alone: bool
) -> None:
    assert is_single_user(accounts.engine, host=host, behind_proxy=proxy) is alone
    accounts.add("Ann", "ann@example.org")
    assert not is_single_user(accounts.engine, host=host, behind_proxy=proxy)
