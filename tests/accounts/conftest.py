"""Accounts in a database of their own, with a clock that the test moves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sa

from tellapart.accounts import Account, Accounts, links, passwords
from tellapart.settings import Settings
from tellapart.store.database import open_database
from tests.accounts.scene import PASSWORD, Clock


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cheap hashes and no waiting: what is asked here is what happens, not how long it takes."""
    from pwdlib import PasswordHash
    from pwdlib.hashers.argon2 import Argon2Hasher

    hasher = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=64, parallelism=1),))
    nobody = hasher.hash("nobody's")
    monkeypatch.setattr(passwords, "_hasher", lambda: hasher)
    monkeypatch.setattr(passwords, "_nobody", lambda: nobody)
    monkeypatch.setattr(links, "EVEN_S", 0.0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings(home: object) -> Settings:
    return replace(
        Settings.from_env(),
        public_url="https://app.example",
        mail_url="smtp://127.0.0.1:9",
        mail_from="Tellapart <app@app.example>",
    )


@pytest.fixture
def engine(settings: Settings) -> Iterator[sa.Engine]:
    engine = open_database(settings)
    yield engine
    engine.dispose()


@pytest.fixture
def accounts(engine: sa.Engine, settings: Settings, clock: Clock) -> Accounts:
    return Accounts(engine, settings, clock=clock)


@pytest.fixture
def ann(accounts: Accounts) -> Account:
    return accounts.add("Ann", "ann@example.org", password=PASSWORD)


@pytest.fixture
def root(accounts: Accounts) -> Account:
    return accounts.add("Root", "root@example.org", role="admin", password=PASSWORD)
