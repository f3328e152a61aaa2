"""What the tests of the decks' pages share: the app, and a service that offers candidates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from benchmarks.running_app import App, running
from benchmarks.standin import Person, Standin, crowd

#: Milliseconds: a turn has the machine to share with other tests.
PATIENCE = 240_000
WORDS = ("apple", "boat")
#: Candidates of each service: as many as the gate needs, which wants 20 answers in its test and
#: 30 held back. One says no age, another is no adult.
MANY = 260


def _crowd(seed: int) -> list[Person]:
    found = crowd(MANY, seed=seed, words=WORDS, pictures=1)
    found = [replace(one, words=one.words * (1 + (n % 9 == 0))) for n, one in enumerate(found)]
    found[2] = replace(found[2], birth_date=None)
    found[4] = replace(found[4], birth_date="2013-03-02T00:00:00.000Z")
    return found


@pytest.fixture(scope="module")
def services() -> Iterator[dict[str, Standin]]:
    """Two services, one for each width; the one for phones offers things."""
    with (
        Standin(_crowd(1), size=(200, 240), likes=1000) as people,
        Standin(_crowd(2), size=(200, 240), likes=1000, are_people=False) as things,
    ):
        yield {"desktop": people, "phone": things}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, services: dict[str, Standin]) -> Iterator[App]:
    hosts = ",".join(one.host for one in services.values())
    home = tmp_path_factory.mktemp("decks") / "home"
    with running(home, env={"TELLAPART_ALLOW_HOSTS": hosts}) as found:
        yield found
