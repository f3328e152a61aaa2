"""Pages, REST and workers put together into one server: what `tellapart up` runs.

Only the command line knows both faces; this module is where they meet. Its imports are inside,
for the port is taken before they begin: who asks meanwhile waits instead of being refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tellapart.errors import InputError
from tellapart.serving import systemd
from tellapart.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI
    from sqlalchemy import Engine

    from tellapart.runtime.children import Children
    from tellapart.runtime.entrance import Access

#: Seconds that requests under way get at the end; pages' sockets stay open until then.
GRACE = 3
#: Threads in which desks work: they wait for the database most of their time.
THREADS = 32
#: New objects before the youngest are looked through, and how many such looks before the next.
GARBAGE = (20_000, 5, 500)
#: Seconds after which the interpreter lets another thread go on: a request changes threads many
#: times, for each statement of its queries, and waits so long each time that pages are drawn.
SWITCH = 0.0005
#: The file of the databases' own default address.
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Hosting:
    """How the server was asked to run."""

    host: str = "127.0.0.1"
    port: int = 8080
    behind_proxy: bool = False
    workers: int = 1
    #: Seconds that workers get at the end before they are ended by force.
    drain: float = 20.0

    def check(self, settings: Settings, *, url_given: bool) -> None:
        """Raises `InputError` for what would lay passwords open or make links that lead nowhere."""
        if not self.behind_proxy and not is_own(self.host):
            raise InputError(
                f"--host {self.host} would take passwords over plain HTTP.",
                expected="127.0.0.1, or a proxy with TLS in front of this server",
                do="Put a proxy before it and add --behind-proxy (docs/up.md shows how with Caddy "
                "and nginx), or leave --host out.",
            )
        if self.behind_proxy and not url_given:
            raise InputError(
                "--behind-proxy was given, but nothing says under which address people come in.",
                expected="TELLAPART_URL, such as https://tellapart.example.org",
                do="Set it to what people type: links in mails begin with it, and requests for "
                "other hosts are refused.",
            )
        parts = _parts(settings.public_url)
        if parts is None:
            raise InputError(
                f"TELLAPART_URL is {settings.public_url!r}.",
                expected="http:// or https:// and a host, without a path behind it",
                do="Set it to the address that people type.",
            )


def is_own(host: str) -> bool:
    """Whether an address to listen on is reached from this machine alone."""
    return host in ("localhost", "::1") or host.startswith("127.")


def shown(host: str, port: int) -> str:
    """The address as people type it."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def access(settings: Settings, hosting: Hosting, port: int) -> Access:
    """Who is answered: this machine's own names at `port`, and the public address."""
    from tellapart.runtime.entrance import Access

    names = {"127.0.0.1", "localhost", "[::1]"}
    if is_own(hosting.host) and ":" not in hosting.host:
        names.add(hosting.host)
    hosts = {f"{name}:{port}" for name in names}
    if port == _PORTS["http"]:
        hosts |= names
    parts = _parts(settings.public_url)
    secure = False
    if parts is not None:
        scheme, host, number = parts
        secure = scheme == "https"
        hosts.add(f"{host}:{number}")
        if number == _PORTS[scheme]:
            hosts.add(host)
    return Access(frozenset(hosts), secure=secure, behind_proxy=hosting.behind_proxy)


def _parts(url: str) -> tuple[str, str, int] | None:
    """Scheme, host (lower case, an IPv6 address in brackets) and port; None for another URL."""
    with contextlib.suppress(ValueError):
        parts = urlsplit(url)
        if parts.scheme in _PORTS and parts.hostname and parts.path in ("", "/"):
            host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
            return parts.scheme, host, parts.port or _PORTS[parts.scheme]
    return None


@dataclass(frozen=True)
class House:
    """The application, and what its start has to say."""

    app: FastAPI
    engine: Engine
    single_user: bool
    #: Where the first administrator's account is made; empty where there is one.
    first_admin: str


def build(settings: Settings, hosting: Hosting, port: int) -> House:
    """Open the database and put the faces on it.

    Raises what the database raises.
    """
    from tellapart import rest, web
    from tellapart.accounts import Accounts, is_single_user
    from tellapart.mail import Outbox
    from tellapart.runtime import Runs
    from tellapart.runtime.entrance import Desks
    from tellapart.runtime.residents import Residents
    from tellapart.store.database import open_database

    engine = open_database(settings)
    single = is_single_user(engine, host=hosting.host, behind_proxy=hosting.behind_proxy)
    accounts = Accounts(engine, settings, single_user=single)
    desks = Desks(
        settings,
        engine,
        Runs(engine, settings),
        accounts,
        residents=Residents(settings),
        outbox=Outbox(engine, settings),
    )
    allowed = access(settings, hosting, port)
    app = rest.build(desks, allowed)
    web.mount(app, desks, allowed)
    first = "" if single else accounts.first_admin_link() or ""
    return House(app, engine, single, first)


def serve(
    settings: Settings,
    hosting: Hosting,
    sockets: list[socket.socket],
    ready: Callable[[House], None],
    say: Callable[[str], None],
) -> int:
    """Serve on sockets that listen already, until SIGTERM or Ctrl-C; return the exit code.

    `ready` is called once pages are answered; the workers start after it, so that the first page
    has the machine for itself.
    """
    from tellapart.store.lock import home_lock

    os.umask(0o077)  # accounts, mails, people's pictures: for this user alone, workers included
    with home_lock(settings.home):
        return _serve(settings, hosting, sockets, ready, say)


def _serve(
    settings: Settings,
    hosting: Hosting,
    sockets: list[socket.socket],
    ready: Callable[[House], None],
    say: Callable[[str], None],
) -> int:
    from tellapart.runtime.children import Children

    port = int(sockets[0].getsockname()[1])
    house = build(settings, hosting, port)
    children = Children(settings, hosting.workers, say)

    def begin() -> None:
        ready(house)
        systemd.notify("READY=1")
        children.start()
        # A walk over all objects stops every answer for most of a second: what was imported
        # stays unwalked, and the rest, which seldom lies in cycles, is walked seldom.
        gc.freeze()
        gc.set_threshold(*GARBAGE)
        sys.setswitchinterval(SWITCH)

    # Uvicorn puts these back and raises what it caught again: it must then meet no end.
    heard = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # the last: a terminal that closed
    kept = {name: signal.signal(name, _heard) for name in heard}
    try:
        server = _server(house.app, begin, children)
        server.run(sockets=sockets)
        return 0 if server.started else 1
    finally:
        systemd.notify("STOPPING=1")
        hurry = threading.Event()
        for name in kept:
            signal.signal(name, lambda *_: hurry.set())  # asked a second time
        children.stop(hosting.drain, hurry)
        house.engine.dispose()
        for name, handler in kept.items():
            signal.signal(name, handler)


def _heard(*_: Any) -> None:
    """A signal that has been acted upon."""


def _server(app: FastAPI, begin: Callable[[], None], children: Children) -> Any:
    import uvicorn

    class Server(uvicorn.Server):
        """Says when it is ready, and lets the workers end while requests do."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, "desk"))
            await super().startup(sockets)
            if self.started:
                begin()
                self._alive = asyncio.ensure_future(_say_alive())

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            children.ask_to_stop()
            self._alive.cancel()
            await super().shutdown(sockets)

    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # whom to believe is REST's to know
        lifespan="on",
        timeout_graceful_shutdown=GRACE,
        timeout_keep_alive=75,  # longer than proxies keep theirs
    )
    return Server(config)


async def _say_alive() -> None:
    """Tell systemd's watchdog that requests would be answered."""
    interval = systemd.watchdog_interval()
    while interval is not None:
        systemd.notify("WATCHDOG=1")
        await asyncio.sleep(interval / 3)


def addressed(settings: Settings, url: str, *, url_given: bool) -> Settings:
    """The settings with the address under which the server is found, where none was given."""
    return settings if url_given else replace(settings, public_url=url)
