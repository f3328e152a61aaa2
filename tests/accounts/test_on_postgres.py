"""The same accounts on a real PostgreSQL, where transactions run side by side."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tellapart.accounts import Accounts
from tellapart.accounts.limits import PAIR
from tellapart.accounts.links import CONFIRM, FIRST
from tellapart.errors import InputError, RequestError
from tellapart.settings import Settings
from tellapart.store.database import open_database
from tests.accounts.scene import HERE, PASSWORD, Clock, mails, token_in


@pytest.fixture
def remote(settings: Settings, postgres_url: str, clock: Clock) -> Iterator[Accounts]:
    there = replace(settings, database_url=postgres_url)
    engine = open_database(there)
    yield Accounts(engine, there, clock=clock)
    engine.dispose()


def _together(count: int, call: object) -> None:
    threads = [threading.Thread(target=call, args=(i,)) for i in range(count)]  # type: ignore[arg-type]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_everything_that_happens_to_an_account(remote: Accounts) -> None:
    link = remote.first_admin_link()
    assert link is not None
    token = token_in(link, FIRST)
    made: list[str] = []

    def first(i: int) -> None:
        with contextlib.suppress(RequestError):
            session = remote.make_first_admin(token, f"Root {i}", f"r{i}@example.org", PASSWORD)
            made.append(session.cookie)

    _together(4, first)
    assert len(made) == 1 == remote.count()
    root = remote.session(made[0])
    assert root is not None and root.is_admin

    remote.open_sign_up(True)
    remote.sign_up("Ann", "ann@example.org", PASSWORD, address=HERE)
    remote.sign_up("Eve", root.email, PASSWORD, address=HERE)
    confirm = next(text for _, to, text in mails(remote) if to == "ann@example.org")
    session = remote.confirm(token_in(confirm, CONFIRM), PASSWORD, address=HERE)
    ann = session.account
    with pytest.raises(InputError, match="taken"):
        remote.add("ANN", "other@example.org")
    plain = remote.tokens.create(ann, "laptop", ["read"], 60)
    assert remote.token(plain) == (ann, {"read"})
    remote.secrets.put(ann, "deck", "hidden")
    assert remote.secrets.get(ann, "deck") == "hidden"
    remote.set_quota(ann, pictures=7)
    assert remote.get(ann.id).quota.pictures == 7
    remote.delete(ann)
    assert remote.session(session.cookie) is None and remote.token(plain) is None
    for text in ("a\0b", "\ud800"):
        with pytest.raises(RequestError):
            remote.log_in(text, "x", address=HERE)
    remote.prune()
    remote.limits.prune()


def test_many_at_the_same_moment_get_no_more_tries(remote: Accounts) -> None:
    remote.add("Ann", "ann@example.org", password=PASSWORD)
    answers: list[int] = []

    def guess(i: int) -> None:
        try:
            remote.log_in("ann", "no", address=HERE)
        except RequestError as error:
            answers.append(error.http_status)

    _together(12, guess)
    assert sorted(answers) == [401] * PAIR.free + [429] * (12 - PAIR.free)
