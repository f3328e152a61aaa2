from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sa

from tellapart.mail import Outbox
from tellapart.settings import Settings
from tellapart.store.database import open_database
from tests.accounts.scene import Clock
from tests.mail.postbox import Postbox


@pytest.fixture
def postbox() -> Iterator[Postbox]:
    with Postbox() as postbox:
        yield postbox


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings(home: object, postbox: Postbox) -> Settings:
    return replace(
        Settings.from_env(),
        mail_url=postbox.url,
        mail_from="Tellapart <app@app.example>",
        public_url="https://app.example",
    )


@pytest.fixture
def engine(settings: Settings) -> Iterator[sa.Engine]:
    engine = open_database(settings)
    yield engine
    engine.dispose()


@pytest.fixture
def outbox(engine: sa.Engine, settings: Settings, clock: Clock) -> Outbox:
    return Outbox(engine, settings, clock=clock)
