"""A server on loopback with accounts, and projects with pictures behind it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import uvicorn

from tellapart import rest
from tellapart.accounts import Account, Accounts
from tellapart.demo import drawing
from tellapart.mail import Outbox
from tellapart.project import Project
from tellapart.recipe import check
from tellapart.runtime import Runs
from tellapart.runtime.entrance import Access, Desks
from tellapart.settings import Settings
from tellapart.store.database import open_database

PASSWORD = "correct horse battery staple 7"


@dataclass
class Served:
    """A running server and who uses it."""

    url: str
    desks: Desks
    people: dict[str, Account] = field(default_factory=dict)
    #: Plain tokens by person's name, with all scopes but admin.
    tokens: dict[str, str] = field(default_factory=dict)

    def client(self, who: str = "", token: str = "") -> httpx.Client:
        """A client with that person's token (or that token); closed by its `with` block."""
        headers = {}
        if token or who:
            headers["Authorization"] = f"Bearer {token or self.tokens[who]}"
        return httpx.Client(base_url=self.url, headers=headers, timeout=300, verify=False)

    def browser(self, who: str) -> httpx.Client:
        """A client that has logged in, and sends what a page of ours sends; close it."""
        headers = {"Origin": self.url}
        client = httpx.Client(base_url=self.url, timeout=300, headers=headers, verify=False)
        name = self.people[who].name
        answer = client.post("/api/v1/sessions", json={"name": name, "password": PASSWORD})
        assert answer.status_code == 201, answer.text
        client.headers["X-CSRF-Token"] = answer.json()["csrf"]
        return client


@contextlib.contextmanager
def serving(
    settings: Settings, *, single_user: bool = False, access: Access | None = None
) -> Iterator[Served]:
    """A server of `settings` on a free port of loopback, in a thread."""
    engine = open_database(settings)
    accounts = Accounts(engine, settings, single_user=single_user)
    desks = Desks(
        settings, engine, Runs(engine, settings), accounts, outbox=Outbox(engine, settings)
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ours = Access(hosts=frozenset((f"127.0.0.1:{port}", f"localhost:{port}")))
    app = rest.build(desks, access or ours)
    server = uvicorn.Server(
        uvicorn.Config(app, "127.0.0.1", port, log_level="warning", proxy_headers=False)
    )
    thread = threading.Thread(target=asyncio.run, args=(server.serve(),), daemon=True)
    thread.start()
    try:
        for _ in range(200):
            if server.started:
                break
            threading.Event().wait(0.05)
        assert server.started
        yield Served(f"http://127.0.0.1:{port}", desks)
    finally:
        server.should_exit = True
        thread.join(20)
        engine.dispose()


def join(served: Served, name: str, role: str = "user") -> None:
    """An account with a password and a token with all scopes it may have."""
    accounts = served.desks.accounts
    account = accounts.add(name, f"{name}@example.org", role=role, password=PASSWORD)
    scopes = ["read", "write", "predict", *(["admin"] if role == "admin" else [])]
    served.people[name] = account
    served.tokens[name] = accounts.tokens.create(account, "tests", scopes)


def draw(folder: Path, counts: dict[str, int]) -> Path:
    """Class folders of drawn pictures, a word of the drawings for each class."""
    for (label, number), word in zip(counts.items(), drawing.WORDS, strict=False):
        (folder / label).mkdir(parents=True)
        for place in range(number):
            drawing.draw(word, place, (96, 64)).save(folder / label / f"{place}.png")
    return folder


def upload(root: Path, name: str) -> Path:
    """Where an upload of that name lies."""
    return root / f"up_{base64.b32encode(name.encode()).decode().strip('=').lower():a<20.20}"


def make(served: Served, who: str, name: str, *, upto: str = "curate") -> Project:
    """A project of somebody's, of drawn pictures, walked here and now."""
    desk = served.desks.of(served.people[who])
    data = upload(desk.uploads, name)
    if not data.exists():
        draw(data, {"apple": 12, "pear": 12})
    recipe = check({"name": name, "data": str(data)})
    Project.create(recipe, desk.settings).close()
    project = desk.open(name)
    project.run(upto, spawn=False)
    return project


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with accounts: ada and eve with a project each, and the admin kim."""
    with serving(Settings(home=tmp_path_factory.mktemp("home"))) as running:
        for name, role in (("ada", "user"), ("eve", "user"), ("kim", "admin")):
            join(running, name, role)
        make(running, "ada", "fruit", upto="package")
        yield running
