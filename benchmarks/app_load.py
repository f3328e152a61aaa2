"""Many people at the app at once, while a network is trained and two of them flood it.

100 accounts with a token each, one of them with 5,000 pictures in its gallery; 20 windows of a run
under way stay open on their sockets. First 98 sessions look at pages, rows and thumbnails as people
do, pausing between; then the same while the other two accounts ask without a pause over many
connections. Told: how long answers take, and by how much the two make the others wait.
"""

from __future__ import annotations

import asyncio
import random
import re
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx

from benchmarks import Skipped, main
from benchmarks.crowded import crowd
from benchmarks.running_app import App, running
from tellapart.accounts import Accounts
from tellapart.settings import Settings
from tellapart.store.database import open_database

PASSWORD = "a long word for one measurement"
#: Seconds between two requests of one session, and connections of one that floods.
PAUSE, FLOOD = (1.5, 3.5), 24
#: What one session looks at, and how often of ten times.
LOOKS = (("page", 3), ("rows", 3), ("thumbnail", 4))
_RUN = {
    "name": "busy",
    "data": "digits",
    "layers": [
        {"conv2d": {"filters": 16, "kernel_size": 3, "activation": "relu"}},
        "flatten",
        {"dense": {"units": 10, "activation": "softmax"}},
    ],
    "train": {"epochs": 10_000, "best_weights": False},
}


@dataclass
class _Person:
    """One account: its token, its project and its pictures."""

    id: str
    token: str
    project: str
    pictures: int
    client: httpx.AsyncClient | None = None
    ids: list[str] = field(default_factory=list)


@dataclass
class _Waits:
    """How long answers took, by what was asked for; what else was answered."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    #: Not answered within a minute.
    late: int = 0

    def note(self, what: str, seconds: float, status: int) -> None:
        self.statuses[status] += 1
        if status == 200:
            self.seconds.setdefault(what, []).append(seconds)

    @property
    def all(self) -> list[float]:
        return [one for many in self.seconds.values() for one in many]

    def told(self) -> dict[str, Any]:
        return {
            "answers": len(self.all),
            "not_within_a_minute": self.late,
            "other_statuses": {str(s): n for s, n in self.statuses.items() if s != 200},
            **_ms(self.all),
            "by": {what: _ms(found) for what, found in sorted(self.seconds.items())},
        }


def _ms(seconds: Sequence[float]) -> dict[str, float]:
    if len(seconds) < 2:
        return {}
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return {
        "median_ms": round(1000 * statistics.median(seconds), 1),
        "p95_ms": round(1000 * cuts[94], 1),
        "p99_ms": round(1000 * cuts[98], 1),
    }


def _people(home: Path, number: int, pictures: int) -> list[_Person]:
    """Accounts with a token and a project each; the first has the large gallery."""
    settings = replace(Settings(), home=home)
    engine = open_database(settings)
    accounts = Accounts(engine, settings)
    found = []
    for place in range(number):
        name = f"person {place}"
        secret = PASSWORD if place == 0 else ""
        role: Any = "admin" if place == 0 else "user"
        one = accounts.add(name, f"p{place}@example.org", role=role, password=secret)
        token = accounts.tokens.create(one, "load", ["read", "write", "predict"])
        many = pictures if place == 0 else 24
        crowd(home, many, name="mine", owner=one.id)
        found.append(_Person(one.id, token, "mine", many))
    engine.dispose()
    return found


async def _enter(stack: AsyncExitStack, app: App, people: Sequence[_Person]) -> None:
    for one in people:
        headers = {"Authorization": f"Bearer {one.token}"}
        limits = httpx.Limits(max_connections=FLOOD)
        one.client = await stack.enter_async_context(
            httpx.AsyncClient(base_url=app.url, headers=headers, limits=limits, timeout=60)
        )


async def _ask(one: _Person, what: str, dice: random.Random, waits: _Waits) -> None:
    """One look; the seconds until the answer was here as a whole."""
    assert one.client is not None
    base = f"/api/v1/projects/{one.project}/pictures"
    if what == "thumbnail" and not one.ids:
        what = "rows"
    address = {
        "page": dice.choice(("/projects", f"/projects/{one.project}/pictures")),
        "rows": f"{base}?limit=60&offset={dice.randrange(max(1, one.pictures - 60))}",
        "thumbnail": f"{base}/{dice.choice(one.ids or [''])}/thumbnail?size=256",
    }[what]
    began = time.perf_counter()
    try:
        answer = await one.client.get(address)
    except httpx.TimeoutException:
        waits.late += 1
        return
    waits.note(what, time.perf_counter() - began, answer.status_code)
    if what == "rows" and answer.status_code == 200:
        one.ids = [row["id"] for row in answer.json()["items"]] or one.ids


async def _look_around(one: _Person, seed: int, until: float, waits: _Waits) -> None:
    """A person: looks, pauses, looks again."""
    dice = random.Random(seed)
    kinds = [kind for kind, often in LOOKS for _ in range(often)]
    await asyncio.sleep(dice.uniform(0, PAUSE[1]))
    while time.monotonic() < until:
        await _ask(one, dice.choice(kinds), dice, waits)
        await asyncio.sleep(dice.uniform(*PAUSE))


async def _flood(one: _Person, seed: int, until: float, waits: _Waits) -> None:
    """One connection of an account that asks without a pause; refused, it asks again at once."""
    dice = random.Random(seed)
    while time.monotonic() < until:
        await _ask(one, dice.choice(("page", "rows", "rows")), dice, waits)


class _Windows:
    """Windows of a run under way: the page, then its socket, as a browser opens them."""

    def __init__(self, app: App, cookie: dict[str, str]) -> None:
        self.app, self.cookie = app, cookie
        self.sockets: list[Any] = []
        self.messages = 0

    async def open(self, number: int, address: str) -> None:
        import socketio

        async with httpx.AsyncClient(base_url=self.app.url, cookies=self.cookie) as client:
            for place in range(number):
                text = (await client.get(address, timeout=60)).text
                found = re.search(r"client_id['\"]?: ?['\"]([0-9a-f-]{36})", text)
                if found is None:
                    raise RuntimeError(f"no page at {address}: {text[:200]}")
                socket = socketio.AsyncClient(reconnection=False)
                socket.on("*", self._heard)
                query = (
                    f"client_id={found[1]}&tab_id=tab-{place}&document_id=doc-{place}"
                    "&next_message_id=0&implicit_handshake=true"
                )
                sent = "; ".join(f"{name}={value}" for name, value in self.cookie.items())
                await socket.connect(
                    f"{self.app.url}?{query}",
                    headers={"Cookie": sent, "Origin": self.app.url},
                    transports=["websocket"],
                    socketio_path="/_nicegui_ws/socket.io",
                )
                self.sockets.append(socket)

    async def _heard(self, *_: Any) -> None:
        self.messages += 1

    async def close(self) -> None:
        for socket in self.sockets:
            with suppress(Exception):
                await socket.disconnect()


async def _measure(app: App, people: list[_Person], seconds: float, windows: int) -> dict[str, Any]:
    async with AsyncExitStack() as stack:
        await _enter(stack, app, people)
        own, floods = people[:-2], people[-2:]
        client = own[0].client
        assert client is not None
        run = (await client.post("/api/v1/runs", json={"recipe": _RUN})).raise_for_status().json()
        entered = await client.post(
            "/api/v1/sessions", json={"name": "person 0", "password": PASSWORD}
        )
        entered.raise_for_status()
        live = _Windows(app, dict(entered.cookies))
        stack.push_async_callback(live.close)
        await _learning(client, run["id"])
        await live.open(windows, f"/runs/{run['id']}")
        first = await _around(own, [], seconds)
        second = await _around(own, floods, seconds)
        state = (await client.get(f"/api/v1/runs/{run['id']}")).json()
        await client.post(f"/api/v1/runs/{run['id']}/cancel")
    calm, calm_floods = first
    busy, flooding = second
    grown = statistics.median(busy.all) / statistics.median(calm.all)
    del calm_floods
    return {
        "sessions": len(own),
        "pictures_in_one_gallery": own[0].pictures,
        "live_pages": windows,
        "messages_to_live_pages": live.messages,
        "training": {"state": state["state"], "step": _step(state)},
        "calm": calm.told(),
        "while_two_flood": busy.told(),
        "others_median_grew": round(grown, 2),
        "the_two": {
            **flooding.told(),
            "connections": FLOOD * len(floods),
            "asked": sum(flooding.statuses.values()),
        },
    }


def _step(state: dict[str, Any]) -> str:
    return next((s["name"] for s in state["steps"] if s["state"] == "running"), "")


async def _learning(client: httpx.AsyncClient, run: str) -> None:
    """Wait until the network learns; a machine that has no time for it is told as it is."""
    until = time.monotonic() + 240
    while time.monotonic() < until:
        state = (await client.get(f"/api/v1/runs/{run}")).json()
        if state["state"] in ("failed", "done", "cancelled"):
            raise RuntimeError(f"the training did not go on: {state['error']}")
        if any(one["name"] == "train" and one["done"] for one in state["steps"]):
            return
        await asyncio.sleep(0.5)


async def _around(
    own: Sequence[_Person], floods: Sequence[_Person], seconds: float
) -> tuple[_Waits, _Waits]:
    waits, theirs = _Waits(), _Waits()
    until = time.monotonic() + seconds
    await asyncio.gather(
        *(_look_around(one, seed, until, waits) for seed, one in enumerate(own)),
        *(
            _flood(one, 1000 * place + n, until, theirs)
            for place, one in enumerate(floods)
            for n in range(FLOOD)
        ),
    )
    return waits, theirs


def run(data: Path, small: bool) -> dict[str, Any]:
    if find_spec("torch") is None:
        raise Skipped("a network is trained meanwhile: it needs the extra `deep`")
    number, pictures, windows, seconds = (8, 200, 3, 8.0) if small else (100, 5_000, 20, 60.0)
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary) / "home"
        people = _people(home, number, pictures)
        with running(home) as app:
            return asyncio.run(_measure(app, people, seconds, windows))


if __name__ == "__main__":
    main(run)
