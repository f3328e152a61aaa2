"""The application on a free port of loopback, with two models in it, in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp

from tellapart.accounts import Account, Accounts
from tellapart.catalog import Catalog
from tellapart.errors import TellapartError
from tellapart.project import Project
from tellapart.recipe import check
from tellapart.rest import build
from tellapart.runtime import Runs
from tellapart.runtime.entrance import Access, Desks
from tellapart.runtime.residents import Residents
from tellapart.settings import Settings
from tellapart.store.database import open_database

FROZEN = Path(__file__).resolve().parent.parent / "bundle" / "frozen"


async def problem(request: Request, error: Exception) -> JSONResponse:
    """An error as the server tells it."""
    assert isinstance(error, TellapartError)
    return JSONResponse(error.to_dict(), error.http_status)


@contextlib.contextmanager
def serving(app: ASGIApp, *, lifespan: bool = False) -> Iterator[str]:
    """Serve `app`; its base URL."""
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        log_level="critical",
        lifespan="on" if lifespan else "off",
        access_log=False,
        timeout_graceful_shutdown=3,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    until = time.monotonic() + 20
    while not server.started and thread.is_alive() and time.monotonic() < until:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)


@dataclass
class House:
    """A server, and what stands behind it."""

    base: str
    settings: Settings
    desks: Desks
    #: A client of the one user, or of nobody where there are accounts.
    http: httpx.Client

    def client(self, account: Account, *scopes: str) -> httpx.Client:
        """A client with a token of this account."""
        token = self.desks.accounts.tokens.create(account, "tests", scopes)
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=self.base, headers=headers, trust_env=False, timeout=60)


@contextlib.contextmanager
def house(home: Path, *, single_user: bool) -> Iterator[House]:
    """A server with its home in `home`."""
    settings = replace(Settings(), home=home, allow_hosts=(), worker_nice=0)
    engine = open_database(settings)
    accounts = Accounts(engine, settings, single_user=single_user)
    desks = Desks(settings, engine, Runs(engine, settings), accounts, residents=Residents(settings))
    app = build(desks, Access())
    with (
        serving(app, lifespan=True) as base,
        httpx.Client(base_url=base, trust_env=False, timeout=60) as http,
    ):
        yield House(base, settings, desks, http)
    engine.dispose()


def add_model(settings: Settings, owner: str, recipe: dict[str, object], bundle: Path) -> Project:
    """A project that has been through the chain: with this bundle as its first version."""
    settings = replace(settings, owner=owner)
    project = Project.create(check(recipe), settings)
    folder = project.folder / "versions"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(bundle, folder / f"{project.name}-1.zip")
    engine = open_database(settings)
    catalog = Catalog.open(engine, project.name, owner)
    catalog.save_version(1, "x", f"{project.name}-1.zip", {"accuracy": 0.9})
    engine.dispose()
    return project


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A server for the one user of this machine, with a model of pictures and one of rows."""
    with house(tmp_path_factory.mktemp("alone"), single_user=True) as one:
        colors = {"name": "colors", "classes": ["blue", "green", "red"]}
        add_model(one.settings, "", colors, FROZEN / "colors-1.zip")
        sizes = {"name": "sizes", "data": "iris"}
        add_model(one.settings, "", sizes, FROZEN / "sizes-1.zip")
        yield one
