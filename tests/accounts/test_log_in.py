"""Log-in: who gets in, what is told to who does not, and how often one may try."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable

import pytest

from tellapart.accounts import LOCAL, Account, Accounts, passwords
from tellapart.accounts.entry import IDLE_S, LONGEST_S, cookie_name, cookie_options
from tellapart.accounts.limits import ADDRESS, NAME, PAIR, network
from tellapart.errors import InputError, NotFoundError, OverloadedError, RequestError
from tellapart.settings import Settings
from tests.accounts.scene import HERE, PASSWORD, Clock, stored_bytes


def _refused(call: Callable[[], object]) -> RequestError:
    with pytest.raises(RequestError) as caught:
        call()
    return caught.value


@pytest.mark.parametrize("who", ["Ann", "ann", " ANN ", "ann@example.org", "ANN@Example.ORG"])
def test_name_and_address_are_known_in_any_spelling(
    accounts: Accounts, ann: Account, who: str
) -> None:
    session = accounts.log_in(who, PASSWORD, address=HERE)
    assert session.account == ann == accounts.session(session.cookie)


@pytest.mark.parametrize("case", ["wrong", "unknown", "closed", "unconfirmed", "no password"])
def test_whoever_does_not_get_in_learns_nothing_but_that(
    accounts: Accounts, ann: Account, root: Account, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same words, the same status, and one argon2 hash each, which is what takes the time."""
    who, password = "Ann", PASSWORD
    if case == "wrong":
        password = PASSWORD + "!"
    elif case == "unknown":
        who = "Nobody"
    elif case == "closed":
        accounts.set_closed(ann, True)
    elif case == "unconfirmed":
        accounts.add("Uma", "uma@example.org", password=PASSWORD, confirmed=False)
        who = "uma"
    else:
        accounts.add("Nopass", "n@example.org")
        who = "nopass"
    hasher = passwords._hasher()
    judged: list[str] = []
    real = hasher.verify_and_update

    def counted(plain: str, stored: str) -> tuple[bool, str | None]:
        judged.append(stored)
        return real(plain, stored)

    monkeypatch.setattr(hasher, "verify_and_update", counted)
    error = _refused(lambda: accounts.log_in(who, password, address=HERE))
    assert (error.http_status, error.what) == (
        401,
        "The name or the password is wrong, or the account is not open.",
    )
    assert len(judged) == 1
    # The hash of nobody has the parameters of everybody's.
    assert (
        judged[0].rpartition("$")[0].rpartition("$")[0]
        == hasher.hash("x").rpartition("$")[0].rpartition("$")[0]
    )


def test_nothing_that_lets_somebody_in_is_stored(
    accounts: Accounts, ann: Account, settings: Settings
) -> None:
    session = accounts.log_in("Ann", PASSWORD, address=HERE)
    token = accounts.tokens.create(ann, "laptop", ["read"])
    with pytest.raises(RequestError):
        accounts.log_in("typed-my-password-here", "x", address=HERE)
    accounts.secrets.put(ann, "deck", "other-service-password")
    data = stored_bytes(settings.home)
    for secret in (
        PASSWORD,
        session.cookie,
        session.csrf,
        token,
        "typed-my-password-here",
        "other-service-password",
        HERE,
    ):
        assert secret.encode() not in data, secret
    assert b"$argon2id$" in data
    assert session.cookie not in repr(session) and session.csrf not in repr(session)


def test_a_log_in_has_a_new_session_and_ends_the_one_it_came_with(
    accounts: Accounts, ann: Account
) -> None:
    planted = accounts.log_in("Ann", PASSWORD, address=HERE)
    session = accounts.log_in("Ann", PASSWORD, address=HERE, old=planted.cookie)
    assert session.cookie != planted.cookie
    assert accounts.session(planted.cookie) is None
    assert accounts.session(session.cookie) == ann
    accounts.log_out(session.cookie)
    assert accounts.session(session.cookie) is None


@pytest.mark.parametrize("cookie", [None, "", "x", "\ud800", "é" * 500, "%00"])
def test_a_cookie_of_nobody_is_nobody(accounts: Accounts, ann: Account, cookie: str | None) -> None:
    assert accounts.session(cookie) is None


def test_a_session_ends_unused_and_in_any_case(
    accounts: Accounts, ann: Account, clock: Clock
) -> None:
    idle = accounts.log_in("Ann", PASSWORD, address=HERE)
    clock.pass_(IDLE_S + 1)
    assert accounts.session(idle.cookie) is None
    used = accounts.log_in("Ann", PASSWORD, address=HERE)
    for _ in range(LONGEST_S // (IDLE_S - 60)):
        clock.pass_(IDLE_S - 60)
        assert accounts.session(used.cookie) == ann
    clock.pass_(IDLE_S - 60)
    assert accounts.session(used.cookie) is None
    accounts.prune()
    assert accounts.export(ann)["sessions"] == []


def test_new_rights_mean_new_sessions(accounts: Accounts, ann: Account, root: Account) -> None:
    session = accounts.log_in("Ann", PASSWORD, address=HERE)
    accounts.set_role(ann, "admin")
    assert accounts.session(session.cookie) is None
    session = accounts.log_in("Ann", PASSWORD, address=HERE)
    assert session.account.is_admin
    other = accounts.log_in("Ann", PASSWORD, address=HERE)
    changed = accounts.change_password(
        session.account, PASSWORD, "another horse battery", address=HERE, old=session.cookie
    )
    assert accounts.session(session.cookie) is None
    assert accounts.session(other.cookie) is None
    assert accounts.session(changed.cookie) is not None
    accounts.set_closed(ann, True)
    assert accounts.session(changed.cookie) is None


def test_csrf_belongs_to_one_session(accounts: Accounts, ann: Account) -> None:
    one = accounts.log_in("Ann", PASSWORD, address=HERE)
    two = accounts.log_in("Ann", PASSWORD, address=HERE)
    assert one.csrf == accounts.csrf(one.cookie) != two.csrf
    accounts.check_csrf(one.cookie, one.csrf)
    for wrong in (two.csrf, "", None, one.csrf[:-1], "é", "\ud800"):
        with pytest.raises(RequestError) as caught:
            accounts.check_csrf(one.cookie, wrong)
        assert caught.value.http_status == 403
    accounts.check_csrf(None, accounts.csrf(None))


def test_the_cookie_is_for_this_host_and_no_script(accounts: Accounts, ann: Account) -> None:
    session = accounts.log_in("Ann", PASSWORD, address=HERE)
    options = cookie_options(session, secure=True)
    assert options["key"] == cookie_name(True) == "__Host-tellapart_session"
    assert options["secure"] and options["httponly"] and options["samesite"] == "lax"
    assert options["path"] == "/" and "domain" not in options
    assert cookie_name(False) == "tellapart_session"


def test_guessing_at_one_name_is_slowed_down_and_then_forgiven(
    accounts: Accounts, ann: Account, clock: Clock
) -> None:
    for _ in range(PAIR.free):
        assert _refused(lambda: accounts.log_in("ann", "no", address=HERE)).http_status == 401
    # Not even the right one is looked at during the pause, and asking does not lengthen it.
    waits = []
    for _ in range(3):
        error = _refused(lambda: accounts.log_in("ann", PASSWORD, address=HERE))
        assert error.http_status == 429 and error.retry_after is not None
        waits.append(error.retry_after)
    assert waits[0] == waits[-1]
    pauses = []
    for _ in range(14):
        clock.pass_(_refused(lambda: accounts.log_in("ann", "no", address=HERE)).retry_after or 0)
        assert _refused(lambda: accounts.log_in("ann", "no", address=HERE)).http_status == 401
        pauses.append(
            _refused(lambda: accounts.log_in("ann", "no", address=HERE)).retry_after or 0.0
        )
    assert all(later >= sooner for sooner, later in itertools.pairwise(pauses))
    assert pauses[-1] == PAIR.longest
    # Elsewhere the owner gets in meanwhile.
    assert accounts.log_in("ann", PASSWORD, address="198.51.100.4")
    clock.pass_(PAIR.longest)
    accounts.log_in("ann", PASSWORD, address=HERE)
    for _ in range(PAIR.free):
        assert _refused(lambda: accounts.log_in("ann", "no", address=HERE)).http_status == 401


def test_guessing_at_many_names_from_one_address_is_slowed_down(
    accounts: Accounts, ann: Account
) -> None:
    for i in range(ADDRESS.free):
        # A right log-in of one's own between does not wipe the count out.
        if i % 5 == 4:
            accounts.log_in("ann", PASSWORD, address="2001:db8::1")
        tried = _refused(lambda i=i: accounts.log_in(f"n{i}", "no", address=f"2001:db8::{i}"))  # type: ignore[misc]
        assert tried.http_status == 401
    assert _refused(lambda: accounts.log_in("other", "x", address="2001:db8::ff")).retry_after
    assert _refused(lambda: accounts.log_in("other", "x", address="2001:db9::1")).http_status == 401


def test_guessing_from_many_addresses_is_slowed_down_but_never_locks_the_owner_out(
    accounts: Accounts, ann: Account
) -> None:
    accounts.log_in("ann", PASSWORD, address="198.51.100.4")
    for i in range(NAME.free):
        _refused(lambda i=i: accounts.log_in("ann", "no", address=f"10.0.{i // 250}.{i % 250}"))  # type: ignore[misc]
    error = _refused(lambda: accounts.log_in("ann", "no", address="10.9.9.9"))
    assert error.http_status == 429 and (error.retry_after or 0) <= NAME.longest
    # Where the owner has been before, strangers' tries do not count.
    assert accounts.log_in("ann", PASSWORD, address="198.51.100.4")


def test_many_at_the_same_moment_get_no_more_tries(accounts: Accounts, ann: Account) -> None:
    """Tries are counted before they are judged."""
    answers: list[int] = []

    def guess() -> None:
        answers.append(_refused(lambda: accounts.log_in("ann", "no", address=HERE)).http_status)

    threads = [threading.Thread(target=guess) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [401] * PAIR.free + [429] * (16 - PAIR.free)


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unix", "unix"),
        ("", ""),
    ],
)
def test_what_counts_as_one_address(address: str, counted: str) -> None:
    assert network(address) == counted


def test_single_user_mode_needs_no_log_in(accounts: Accounts, settings: Settings) -> None:
    alone = Accounts(accounts.engine, settings, single_user=True)
    assert alone.session(None) is LOCAL is alone.session("anything")
    assert LOCAL.id == "" and LOCAL.is_admin and LOCAL.quota.allows("pictures", 10**9)
    assert accounts.session(None) is None


@pytest.mark.parametrize(
    ("password", "part"),
    [
        ("short", "5 characters"),
        ("x" * 257, "257"),
        ("Password1234", "first that are guessed"),
        ("aaaaaaaaaaaaaa", "first that are guessed"),
        ("annabelle1999", "hardly more than the name"),
        ("annabelle@example.org", "hardly more"),
    ],
)
def test_bad_passwords_are_refused_with_the_reason(password: str, part: str) -> None:
    with pytest.raises(InputError, match=part):
        passwords.check(password, name="Annabelle", email="annabelle@example.org")


@pytest.mark.parametrize(
    "password", ["four plain words here", "пароль-из-букв", "🐎🐎🐎 battery staple"]
)
def test_good_passwords_of_any_letters_are_taken(
    accounts: Accounts, ann: Account, password: str
) -> None:
    accounts.set_password(ann, password)
    assert accounts.log_in("ann", password, address=HERE)


@pytest.mark.parametrize("text", ["", "\0", "a\0b", "\ud800", "x" * 100_000, "ann\n", "%"])
def test_whatever_is_typed_is_wrong_and_no_fault(
    accounts: Accounts, ann: Account, text: str
) -> None:
    for who, password in ((text, "x"), ("ann", text + "\ud800")):
        assert _refused(lambda: accounts.log_in(who, password, address=HERE)).http_status == 401  # noqa: B023
    accounts.forgot(text, address=HERE)
    with pytest.raises(NotFoundError):
        accounts.get(text + "?")
    with pytest.raises(NotFoundError):
        accounts.tokens.revoke(ann, text)


def test_one_spelling_of_a_password_whichever_keyboard(accounts: Accounts, ann: Account) -> None:
    accounts.set_password(ann, "caf\u00e9 au lait, s'il")
    assert accounts.log_in("ann", "cafe\u0301 au lait, s'il", address=HERE)


def test_a_hash_of_old_parameters_is_renewed(
    accounts: Accounts, ann: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pwdlib import PasswordHash
    from pwdlib.hashers.argon2 import Argon2Hasher

    stronger = PasswordHash((Argon2Hasher(time_cost=2, memory_cost=64, parallelism=1),))
    monkeypatch.setattr(passwords, "_hasher", lambda: stronger)
    accounts.log_in("ann", PASSWORD, address=HERE)
    assert b"m=64,t=2,p=1" in stored_bytes(accounts.settings.home)
    assert accounts.log_in("ann", PASSWORD, address=HERE)


def test_a_flood_of_log_ins_takes_bounded_memory(
    accounts: Accounts, ann: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "_PATIENCE", 0.05)
    for _ in range(passwords.AT_ONCE):
        passwords._slots.acquire()
    try:
        with pytest.raises(OverloadedError) as caught:
            accounts.log_in("ann", PASSWORD, address=HERE)
    finally:
        for _ in range(passwords.AT_ONCE):
            passwords._slots.release()
    assert caught.value.retry_after
    assert accounts.log_in("ann", PASSWORD, address=HERE)
