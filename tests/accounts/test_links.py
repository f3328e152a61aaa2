"""Sign-up, confirmation, forgotten passwords, the first admin: by links, each for one thing."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from tellapart.accounts import Account, Accounts, Session
from tellapart.accounts.limits import SIGN_UP
from tellapart.accounts.links import CONFIRM, CONFIRM_S, FIRST, FIRST_S, RESET, RESET_S
from tellapart.errors import InputError, RequestError
from tests.accounts.scene import HERE, PASSWORD, Clock, mails, stored_bytes, token_in

OTHER = "another horse battery"


def _status(call: Callable[[], object]) -> int:
    with pytest.raises(RequestError) as caught:
        call()
    return caught.value.http_status


def _token(link: str | None, page: str) -> str:
    assert link is not None
    return token_in(link, page)


class TestFirstAdmin:
    def test_whoever_has_the_link_from_the_terminal_is_the_first_admin(
        self, accounts: Accounts
    ) -> None:
        token = _token(accounts.first_admin_link(), FIRST)
        session = accounts.make_first_admin(token, "Root", "root@example.org", PASSWORD)
        assert session.account.is_admin and accounts.session(session.cookie) == session.account
        assert accounts.first_admin_link() is None

    def test_it_works_once_and_only_the_newest(self, accounts: Accounts, clock: Clock) -> None:
        old = _token(accounts.first_admin_link(), FIRST)
        token = _token(accounts.first_admin_link(), FIRST)
        make = accounts.make_first_admin
        assert _status(lambda: make(old, "Root", "root@example.org", PASSWORD)) == 410
        # What is wrong with the form leaves the link as it is.
        with pytest.raises(InputError, match="characters"):
            make(token, "Root", "root@example.org", "short")
        make(token, "Root", "root@example.org", PASSWORD)
        assert _status(lambda: make(token, "Eve", "eve@example.org", PASSWORD)) == 410

    def test_it_expires(self, accounts: Accounts, clock: Clock) -> None:
        token = _token(accounts.first_admin_link(), FIRST)
        clock.pass_(FIRST_S)
        make = accounts.make_first_admin
        assert _status(lambda: make(token, "Root", "root@example.org", PASSWORD)) == 410

    def test_of_several_at_the_same_moment_one_gets_it(self, accounts: Accounts) -> None:
        token = _token(accounts.first_admin_link(), FIRST)
        made: list[Session] = []

        def make(i: int) -> None:
            with contextlib.suppress(RequestError):
                made.append(
                    accounts.make_first_admin(token, f"Root {i}", f"r{i}@example.org", PASSWORD)
                )

        threads = [threading.Thread(target=make, args=(i,)) for i in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(made) == 1 and accounts.count() == 1


class TestSignUp:
    @pytest.fixture(autouse=True)
    def opened(self, accounts: Accounts, root: Account) -> None:
        accounts.open_sign_up(True)

    def test_it_is_closed_until_an_admin_opens_it(self, accounts: Accounts) -> None:
        accounts.open_sign_up(False)
        up = accounts.sign_up
        assert _status(lambda: up("Bob", "bob@example.org", PASSWORD, address=HERE)) == 403
        assert mails(accounts) == []

    def test_the_mailed_link_and_the_password_together_let_in(self, accounts: Accounts) -> None:
        accounts.sign_up("Bob", "bob@example.org", PASSWORD, address=HERE)
        assert _status(lambda: accounts.log_in("Bob", PASSWORD, address=HERE)) == 401
        ((subject, to, text),) = mails(accounts)
        assert (subject, to) == ("Please confirm your address · Tellapart", "bob@example.org")
        assert "Bob" not in text  # a name is a stranger's word to a stranger
        token = token_in(text, CONFIRM)
        assert _status(lambda: accounts.confirm(token, OTHER, address=HERE)) == 401
        session = accounts.confirm(token, PASSWORD, address=HERE)
        assert session.account.confirmed and accounts.session(session.cookie) == session.account
        assert accounts.log_in("bob", PASSWORD, address=HERE)
        assert _status(lambda: accounts.confirm(token, PASSWORD, address=HERE)) == 410

    def test_it_tells_nobody_whether_the_address_has_an_account(
        self, accounts: Accounts, ann: Account
    ) -> None:
        assert accounts.sign_up("Bob", "bob@example.org", PASSWORD, address=HERE) is None
        assert accounts.sign_up("Eve", "ANN@example.org", PASSWORD, address=HERE) is None
        subjects = {to: subject for subject, to, _ in mails(accounts)}
        assert subjects == {
            "bob@example.org": "Please confirm your address · Tellapart",
            "ANN@example.org": "You have an account already · Tellapart",
        }
        # Nor does it show afterwards: by a log-in, by the name's being free, by trying again.
        for who in ("Bob", "Eve", "bob@example.org", "ann@example.org"):
            assert _status(lambda who=who: accounts.log_in(who, OTHER, address="10.0.0.1")) == 401  # type: ignore[misc]
        for name in ("Bob", "Eve"):
            with pytest.raises(InputError, match="taken"):
                accounts.sign_up(name, f"{name}@other.example", PASSWORD, address="10.0.0.1")
        accounts.sign_up("Bob", "bob@example.org", PASSWORD, address="10.0.0.2")
        accounts.sign_up("Eve", "ann@example.org", PASSWORD, address="10.0.0.2")
        assert accounts.log_in("ann", PASSWORD, address=HERE).account == ann
        assert [each.name for each in accounts.all()] == ["Ann", "Bob", "Root"]
        assert accounts.count() == 3

    def test_an_account_made_with_anothers_address_comes_to_nothing(
        self, accounts: Accounts
    ) -> None:
        """Neither before nor after its owner signs up, whichever link they follow."""
        accounts.sign_up("Eve", "bob@example.org", OTHER, address="10.0.0.1")
        accounts.sign_up("Bob", "bob@example.org", PASSWORD, address=HERE)
        accounts.sign_up("Eva", "bob@example.org", OTHER, address="10.0.0.1")
        links = [token_in(text, CONFIRM) for _, _, text in mails(accounts)]
        for link in links[:2]:
            assert _status(lambda link=link: accounts.confirm(link, PASSWORD, address=HERE)) == 410  # type: ignore[misc]
        assert _status(lambda: accounts.confirm(links[2], PASSWORD, address=HERE)) == 401
        accounts.sign_up("Bob", "bob@example.org", PASSWORD, address=HERE)
        link = token_in(mails(accounts)[-1][2], CONFIRM)
        assert accounts.confirm(link, PASSWORD, address=HERE).account.name == "Bob"
        assert [each.name for each in accounts.all()] == ["Bob", "Root"]

    def test_a_link_expires_and_so_does_the_account(self, accounts: Accounts, clock: Clock) -> None:
        accounts.sign_up("Bob", "bob@example.org", PASSWORD, address=HERE)
        token = token_in(mails(accounts)[0][2], CONFIRM)
        clock.pass_(CONFIRM_S)
        assert _status(lambda: accounts.confirm(token, PASSWORD, address=HERE)) == 410
        clock.pass_(7 * 86_400)
        accounts.prune()
        assert [each.name for each in accounts.all()] == ["Root"]

    def test_one_address_gets_few_accounts(self, accounts: Accounts) -> None:
        for i in range(SIGN_UP.free):
            accounts.sign_up(f"Bob {i}", f"bob{i}@example.org", PASSWORD, address=HERE)
        up = accounts.sign_up
        assert _status(lambda: up("Bob", "bob@example.org", PASSWORD, address=HERE)) == 429

    @pytest.mark.parametrize(
        "name", ["", "x", "a" * 41, "a@b.c", "<b>", "a\nb: c", "ann\u202egnp", "../x", "a/b", "_"]
    )
    def test_names_are_plain(self, accounts: Accounts, name: str) -> None:
        with pytest.raises(InputError, match="cannot be used"):
            accounts.sign_up(name, "bob@example.org", PASSWORD, address=HERE)

    @pytest.mark.parametrize(("name", "same"), [("ＢＯＢ", "Bob"), ("Straße 1", "STRASSE 1")])
    def test_names_that_look_alike_are_the_same(
        self, accounts: Accounts, name: str, same: str
    ) -> None:
        accounts.sign_up(name, "bob@example.org", PASSWORD, address=HERE)
        with pytest.raises(InputError, match="taken"):
            accounts.sign_up(same, "other@example.org", PASSWORD, address=HERE)


class TestForgotten:
    def test_the_link_goes_to_the_stored_address_and_works_once(
        self, accounts: Accounts, ann: Account
    ) -> None:
        before = accounts.log_in("ann", PASSWORD, address=HERE)
        accounts.forgot("ANN@EXAMPLE.ORG", address=HERE)
        ((_, to, text),) = mails(accounts)
        assert to == "ann@example.org"
        token = token_in(text, RESET)
        assert accounts.session(before.cookie)  # asking changes nothing
        session = accounts.reset_password(token, OTHER)
        assert accounts.session(session.cookie) == ann
        assert accounts.session(before.cookie) is None
        assert _status(lambda: accounts.reset_password(token, PASSWORD)) == 410
        assert _status(lambda: accounts.log_in("ann", PASSWORD, address=HERE)) == 401
        assert accounts.log_in("ann", OTHER, address=HERE)
        # Whoever owns the address learns of it.
        assert mails(accounts)[-1][0] == "Your account was changed · Tellapart"

    def test_the_waiting_mail_is_nothing_for_readers_of_the_database(
        self, accounts: Accounts, ann: Account
    ) -> None:
        accounts.forgot("ann", address=HERE)
        token = token_in(mails(accounts)[0][2], RESET)
        assert token.encode() not in stored_bytes(accounts.settings.home)
        assert b"/reset/" not in stored_bytes(accounts.settings.home)

    def test_it_expires(self, accounts: Accounts, ann: Account, clock: Clock) -> None:
        token = _token(accounts.reset_link(ann), RESET)
        clock.pass_(RESET_S)
        assert _status(lambda: accounts.reset_password(token, OTHER)) == 410

    @pytest.mark.parametrize("case", ["unknown", "closed", "unconfirmed"])
    def test_it_says_the_same_where_there_is_nobody(
        self, accounts: Accounts, ann: Account, root: Account, case: str
    ) -> None:
        who = "nobody@example.org"
        if case == "closed":
            accounts.set_closed(ann, True)
            who = "ann"
        elif case == "unconfirmed":
            accounts.add("Uma", "uma@example.org", password=PASSWORD, confirmed=False)
            who = "uma"
        assert accounts.forgot(who, address=HERE) is None
        assert mails(accounts) == []

    def test_few_are_sent(self, accounts: Accounts, ann: Account) -> None:
        for _ in range(3):
            accounts.forgot("ann", address=HERE)
        assert _status(lambda: accounts.forgot("ann", address=HERE)) == 429
        # An address that has no account is counted alike.
        for _ in range(2):
            accounts.forgot("none", address="10.0.0.1")
        accounts.forgot("none", address="10.0.0.1")
        assert _status(lambda: accounts.forgot("none", address="10.0.0.1")) == 429

    def test_a_link_for_one_thing_is_none_for_another(
        self, accounts: Accounts, ann: Account
    ) -> None:
        reset = _token(accounts.reset_link(ann), RESET)
        assert _status(lambda: accounts.confirm(reset, PASSWORD, address=HERE)) == 403
        assert _status(lambda: accounts.make_first_admin(reset, "a1", "a@b.c", PASSWORD)) == 403
        confirm = _token(accounts.confirmation_link(ann), CONFIRM)
        assert _status(lambda: accounts.reset_password(confirm, OTHER)) == 403

    def test_an_account_without_a_password_gets_one_by_link(self, accounts: Accounts) -> None:
        new = accounts.add("New", "new@example.org")
        session = accounts.reset_password(_token(accounts.reset_link(new), RESET), PASSWORD)
        assert session.account == new


class TestChangedAddress:
    def test_it_counts_once_it_is_confirmed_and_the_old_one_is_told(
        self, accounts: Accounts, ann: Account
    ) -> None:
        change = accounts.change_email
        assert _status(lambda: change(ann, "ann@new.example", "wrong", address=HERE)) == 401
        change(ann, "ann@new.example", PASSWORD, address=HERE)
        ((_, to, text),) = mails(accounts)
        assert to == "ann@new.example"
        assert accounts.get(ann.id).email == "ann@example.org"
        session = accounts.confirm(token_in(text, CONFIRM), PASSWORD, address=HERE)
        assert session.account.email == "ann@new.example"
        assert mails(accounts)[-1][:2] == ("Your account was changed · Tellapart", ann.email)

    def test_it_does_not_tell_of_others_accounts(
        self, accounts: Accounts, ann: Account, root: Account
    ) -> None:
        accounts.change_email(ann, root.email, PASSWORD, address=HERE)
        assert mails(accounts) == []

    def test_without_a_mail_server_it_cannot_be(self, accounts: Accounts, ann: Account) -> None:
        mute = Accounts(accounts.engine, replace(accounts.settings, mail_url=None))
        with pytest.raises(InputError, match="sends no mail"):
            mute.change_email(ann, "ann@new.example", PASSWORD, address=HERE)
